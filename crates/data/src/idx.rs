//! The IDX format of MNIST and Fashion-MNIST.

use crate::{Dataset, Error, Image, Split};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A folder with the four IDX files of MNIST or Fashion-MNIST.
///
/// They are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
/// `t10k-labels-idx1-ubyte`, each as it is or gzipped with `.gz` appended; a dot may stand before
/// `idx`. The `t10k` files, MNIST's test set, are what validates.
///
/// Format: a big-endian u32 `0x0000_0800 + dimensions` (8 = bytes), the dimensions as big-endian
/// u32, the bytes (LeCun, The MNIST database).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idx {
    /// The folder.
    pub path: PathBuf,
}

impl Idx {
    pub(crate) fn open(&self) -> Result<Dataset, Error> {
        let parts = [
            File::find(&self.path, "train-images", "idx3")?,
            File::find(&self.path, "train-labels", "idx1")?,
            File::find(&self.path, "t10k-images", "idx3")?,
            File::find(&self.path, "t10k-labels", "idx1")?,
        ];
        dataset(&self.path, parts)
    }
}

/// An IDX file in memory.
pub(crate) struct File {
    /// Where it came from, for errors.
    pub(crate) path: PathBuf,
    /// Its bytes, gzipped or not.
    pub(crate) contents: Vec<u8>,
}

/// The data set of training images and labels, validation images and labels.
pub(crate) fn dataset(origin: &Path, files: [File; 4]) -> Result<Dataset, Error> {
    let [train_images, train_labels, val_images, val_labels] = files;
    let train = split(train_images, train_labels)?;
    let val = split(val_images, val_labels)?;
    let classes = train.labels().iter().max().map_or(0, |&label| label + 1);
    let class_names = (0..classes).map(|class| class.to_string()).collect();
    Dataset::new(origin, class_names, train, val)
}

fn split(images: File, labels: File) -> Result<Split, Error> {
    let ([count, height, width], pixels) = images.parse()?;
    let ([label_count], label_bytes) = labels.parse()?;
    if count != label_count {
        let [images, labels] = [images.path, labels.path];
        return Err(Error::LabelCount { images, count, labels, label_count });
    }
    let image = |index: usize| {
        let start = index * height * width;
        Image::new(height, width, 1, pixels[start..start + height * width].to_vec())
    };
    let images = (0..count).map(image).collect::<Result<_, _>>()?;
    Ok(Split::in_memory(images, label_bytes.into_iter().map(u32::from).collect()))
}

impl File {
    /// Reads the first of the accepted names that exists.
    fn find(folder: &Path, stem: &str, kind: &str) -> Result<Self, Error> {
        let marks = ["-", "."].iter();
        let names = marks
            .flat_map(|mark| ["", ".gz"].map(|packed| format!("{stem}{mark}{kind}-ubyte{packed}")));
        let names: Vec<String> = names.collect();
        let path = names.iter().map(|name| folder.join(name)).find(|path| path.exists());
        let path = path.ok_or(Error::MissingFile { folder: folder.to_owned(), names })?;
        let contents = std::fs::read(&path).map_err(|source| Error::io(&path, source))?;
        Ok(Self { path, contents })
    }

    /// The `N` dimensions and the bytes after them.
    fn parse<const N: usize>(&self) -> Result<([usize; N], Vec<u8>), Error> {
        let mut contents = self.unzipped()?;
        let header = 4 + 4 * N;
        if contents.len() < header {
            return Err(self.wrong_length(header as u128, contents.len()));
        }
        let number = |at: usize| contents[at..at + 4].iter().fold(0, |n, &b| n << 8 | u32::from(b));
        let (found, expected) = (number(0), 0x800 + N as u32);
        if found != expected {
            return Err(Error::Magic { path: self.path.clone(), expected, found });
        }
        let dimensions: [usize; N] = std::array::from_fn(|axis| number(4 + 4 * axis) as usize);
        // Three u32 multiply to at most 96 bits.
        let body: u128 = dimensions.iter().map(|&length| length as u128).product();
        if header as u128 + body != contents.len() as u128 {
            return Err(self.wrong_length(header as u128 + body, contents.len()));
        }
        contents.drain(..header);
        Ok((dimensions, contents))
    }

    fn wrong_length(&self, expected: u128, found: usize) -> Error {
        Error::FileLength { path: self.path.clone(), expected, found }
    }

    /// Decompresses what starts like gzip, whatever it is called.
    fn unzipped(&self) -> Result<Vec<u8>, Error> {
        if !self.contents.starts_with(&[0x1f, 0x8b]) {
            return Ok(self.contents.clone());
        }
        let mut unzipped = Vec::new();
        let read = GzDecoder::new(&self.contents[..]).read_to_end(&mut unzipped);
        read.map_err(|source| Error::io(&self.path, source))?;
        Ok(unzipped)
    }
}
