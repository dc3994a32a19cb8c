//! The images and labels of one half of a data set, by index, from memory or from files.

use crate::decode::{self, Fit};
use crate::listing::Labelled;
use crate::{Error, Fault, Image, Keep, OddFile};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// A split whose decoded images take more bytes than this is decoded anew in every epoch.
const MEMORY_LIMIT: usize = 2 << 30;

/// The images and labels of one half of a data set.
#[derive(Debug, Clone)]
pub struct Split {
    labels: Vec<u32>,
    shape: [usize; 3],
    images: Images,
}

#[derive(Debug, Clone)]
enum Images {
    Memory(Vec<Image>),
    /// `decoded` holds all images at their final size, or none.
    Files {
        paths: Vec<PathBuf>,
        fit: Fit,
        decoded: Vec<Image>,
    },
}

impl Split {
    /// How many images there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The class of every image.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Height, width and channels of every image.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Image `index` (below [`Split::len`]) at the size that the data set promises.
    ///
    /// # Errors
    /// [`Error::DecodeLate`] when it is decoded only now, and cannot be.
    pub fn image(&self, index: usize) -> Result<Image, Error> {
        match &self.images {
            Images::Files { paths, fit, decoded } if decoded.is_empty() => {
                fit.load(&paths[index]).map_err(|fault| late(&paths[index], fault))
            }
            Images::Memory(images) | Images::Files { decoded: images, .. } => {
                Ok(images[index].clone())
            }
        }
    }

    /// Image `index` (below [`Split::len`]) at the size that its source has.
    ///
    /// # Errors
    /// Those of [`Split::image`].
    pub fn original(&self, index: usize) -> Result<Image, Error> {
        match &self.images {
            Images::Memory(images) => Ok(images[index].clone()),
            Images::Files { paths, .. } => {
                decode::decode(&paths[index]).map_err(|fault| late(&paths[index], fault))
            }
        }
    }

    /// Whether all images are in memory as [`Split::image`] gives them.
    pub fn is_decoded(&self) -> bool {
        !self.decodes(View::Fitted)
    }

    /// Whether `view` has to be decoded each time it is asked for.
    pub(crate) fn decodes(&self, view: View) -> bool {
        match &self.images {
            Images::Memory(_) => false,
            Images::Files { decoded, .. } => view == View::Original || decoded.is_empty(),
        }
    }

    /// A split of images of one shape.
    pub(crate) fn in_memory(images: Vec<Image>, labels: Vec<u32>) -> Self {
        let shape = images.first().map_or([0; 3], Image::shape);
        Self { labels, shape, images: Images::Memory(images) }
    }

    /// The images with these indices, in this order.
    pub(crate) fn selected(&self, indices: &[usize]) -> Self {
        let images = match &self.images {
            Images::Memory(images) => Images::Memory(picked(images, indices)),
            Images::Files { paths, fit, decoded } => {
                let kept = if decoded.is_empty() { &[] } else { indices };
                let (paths, decoded) = (picked(paths, indices), picked(decoded, kept));
                Images::Files { paths, fit: *fit, decoded }
            }
        };
        Self { labels: picked(&self.labels, indices), shape: self.shape, images }
    }

    /// The class of every image, to be changed.
    pub(crate) fn labels_mut(&mut self) -> &mut [u32] {
        &mut self.labels
    }

    /// A split of the usable `files`; the others are added to `odd`.
    ///
    /// Sets that fit into memory are decoded here, kept or not, so that all that is wrong with them
    /// shows at once. Of larger ones only the first bytes of each file are read.
    pub(crate) fn from_files(
        files: Labelled,
        fit: Fit,
        keep: Keep,
        odd: &mut Vec<OddFile>,
    ) -> Self {
        let shape = [fit.size, fit.size, 3];
        let bytes = shape.iter().fold(files.paths.len(), |bytes, side| bytes.saturating_mul(*side));
        let look = |path: &PathBuf| match keep {
            _ if bytes > MEMORY_LIMIT => decode::check_start(path).map(|()| None),
            Keep::Files => fit.load(path).map(|_| None),
            Keep::Decoded => fit.load(path).map(Some),
        };
        let looks: Vec<Result<Option<Image>, Fault>> = files.paths.par_iter().map(look).collect();

        let (mut labels, mut paths, mut decoded) = (Vec::new(), Vec::new(), Vec::new());
        for ((path, label), look) in files.paths.into_iter().zip(files.labels).zip(looks) {
            match look {
                Ok(image) => {
                    labels.push(label);
                    paths.push(path);
                    decoded.extend(image);
                }
                Err(fault) => odd.push(OddFile { path, fault }),
            }
        }
        Self { labels, shape, images: Images::Files { paths, fit, decoded } }
    }
}

/// Which form of an image: as the network sees it, or as its source has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Fitted,
    Original,
}

fn picked<T: Clone>(all: &[T], indices: &[usize]) -> Vec<T> {
    indices.iter().map(|&index| all[index].clone()).collect()
}

fn late(path: &Path, fault: Fault) -> Error {
    Error::DecodeLate { path: path.to_owned(), fault }
}
