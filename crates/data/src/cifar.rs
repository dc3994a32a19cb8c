//! The binary format of CIFAR-10 and CIFAR-100.

use crate::{Dataset, Error, Image, Split};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A folder with the binary version of CIFAR-10 or CIFAR-100.
///
/// CIFAR-10 has `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, CIFAR-100 has
/// `train.bin` and `test.bin`. The test file is what validates.
///
/// Format: records of one label byte (CIFAR-100: coarse, then fine) and 3072 pixels, red, green and
/// blue planes of 32 rows (Krizhevsky, "Learning multiple layers of features from tiny images",
/// 2009). Any number of whole records is accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CifarBinary {
    /// The folder.
    pub path: PathBuf,
}

/// What distinguishes the two sets.
pub(crate) struct Layout {
    train_files: &'static [&'static str],
    val_files: &'static [&'static str],
    /// The last of these bytes before the pixels is the label.
    label_bytes: usize,
    class_names: &'static str,
}

/// CIFAR-10.
pub(crate) const CIFAR10: Layout = Layout {
    train_files: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    val_files: &["test_batch.bin"],
    label_bytes: 1,
    class_names: "airplane automobile bird cat deer dog frog horse ship truck",
};

/// CIFAR-100.
pub(crate) const CIFAR100: Layout = Layout {
    train_files: &["train.bin"],
    val_files: &["test.bin"],
    label_bytes: 2,
    class_names: "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy \
        bridge bus butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud \
        cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl \
        hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree \
        motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear \
        pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket \
        rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower \
        sweet_pepper table tank telephone television tiger tractor train trout tulip turtle \
        wardrobe whale willow_tree wolf woman worm",
};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const CHANNELS: usize = 3;

impl CifarBinary {
    pub(crate) fn open(&self, layout: &Layout) -> Result<Dataset, Error> {
        let names = layout.class_names.split_whitespace().map(str::to_owned).collect();
        let train = self.split(layout.train_files, layout.label_bytes)?;
        let val = self.split(layout.val_files, layout.label_bytes)?;
        Dataset::new(&self.path, names, train, val)
    }

    fn split(&self, files: &[&str], label_bytes: usize) -> Result<Split, Error> {
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        let record_length = label_bytes + CHANNELS * PLANE;
        for name in files {
            for record in read(&self.path, name, record_length)?.chunks_exact(record_length) {
                let (head, planes) = record.split_at(label_bytes);
                labels.push(u32::from(head[label_bytes - 1]));
                images.push(Image::new(SIDE, SIDE, CHANNELS, interleaved(planes))?);
            }
        }
        Ok(Split::in_memory(images, labels))
    }
}

/// Channels last instead of first.
fn interleaved(planes: &[u8]) -> Vec<u8> {
    (0..PLANE * CHANNELS).map(|i| planes[i % CHANNELS * PLANE + i / CHANNELS]).collect()
}

fn read(folder: &Path, name: &str, record: usize) -> Result<Vec<u8>, Error> {
    let path = folder.join(name);
    if !path.exists() {
        return Err(Error::MissingFile { folder: folder.to_owned(), names: vec![name.to_owned()] });
    }
    let contents = std::fs::read(&path).map_err(|source| Error::io(&path, source))?;
    if contents.len() % record != 0 {
        return Err(Error::RecordLength { path, record, found: contents.len() });
    }
    Ok(contents)
}
