//! Everything that can be wrong with data or with what is asked of it.

use crate::{Expect, Fault, Window};
use std::fmt;
use std::path::{Path, PathBuf};

/// Everything that can be wrong with data or with what is asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An image folder does not exist.
    #[error(
        "no folder {path}: expected images in {root}/train/CLASS/ and {root}/val/CLASS/; \
         correct `path`, put the images there, or give `expect` to plan without them",
        path = path.display(), root = root.display()
    )]
    MissingFolder {
        /// What is missing.
        path: PathBuf,
        /// The data set's folder.
        root: PathBuf,
    },
    /// A file of a known name does not exist.
    #[error("no file {} in {}", names.join(" or "), folder.display())]
    MissingFile {
        /// Where it should be.
        folder: PathBuf,
        /// Its accepted names.
        names: Vec<String>,
    },
    /// The operating system could not read a file or folder.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Files in an image folder cannot be used.
    #[error("{0}\nremove them, or set `on_error: Skip` to leave them out")]
    OddFiles(OddFiles),
    /// A file that was good by its first bytes could not be decoded while training.
    #[error(
        "cannot use {}: {fault}; remove it and resume (a set this large is decoded during \
         training, too late to skip a file)",
        path.display()
    )]
    DecodeLate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: Fault,
    },
    /// A folder disagrees with `expect`.
    #[error("{} holds {found}, but `expect` says {expected}; correct one of the two", path.display())]
    Unexpected {
        /// The folder.
        path: PathBuf,
        /// What the recipe says.
        expected: Expect,
        /// What is there.
        found: Expect,
    },
    /// A class has no training images.
    #[error("no usable images in {}: add some or remove the folder", path.display())]
    EmptyClass {
        /// The class's folder.
        path: PathBuf,
    },
    /// Validation has a class that training lacks.
    #[error("{} has no counterpart in train: the classes are those of train", path.display())]
    UnknownClass {
        /// The class's folder.
        path: PathBuf,
    },
    /// `size` of an image folder is 0.
    #[error("`size` is 0, expected the side of the images in pixels")]
    SizeZero,
    /// `crop` of an image folder is impossible.
    #[error("`crop` is {crop}, expected a fraction above 0 and at most 1 (for example 0.875)")]
    Crop {
        /// What was given.
        crop: f64,
    },
    /// An IDX file starts with other bytes.
    #[error(
        "{} starts with {found:#010x}, expected {expected:#010x}: it is not the IDX file that its \
         name says",
        path.display()
    )]
    Magic {
        /// The file.
        path: PathBuf,
        /// The magic number of such a file.
        expected: u32,
        /// What is there.
        found: u32,
    },
    /// A file is longer or shorter than its header says.
    #[error(
        "{} has {found} bytes (uncompressed), expected {expected}: fetch it again",
        path.display()
    )]
    FileLength {
        /// The file.
        path: PathBuf,
        /// What the header promises, or the length of the header itself.
        expected: u128,
        /// What is there.
        found: usize,
    },
    /// Images and labels differ in number.
    #[error(
        "{} has {count} images but {} has {label_count} labels: they do not belong together",
        images.display(), labels.display()
    )]
    LabelCount {
        /// The images.
        images: PathBuf,
        /// How many.
        count: usize,
        /// The labels.
        labels: PathBuf,
        /// How many.
        label_count: usize,
    },
    /// A CIFAR file does not consist of whole records.
    #[error(
        "{} has {found} bytes, expected whole records of {record}: fetch it again",
        path.display()
    )]
    RecordLength {
        /// The file.
        path: PathBuf,
        /// Bytes of a record.
        record: usize,
        /// Bytes of the file.
        found: usize,
    },
    /// There is nothing to train or to validate on.
    #[error("{} has {train} training and {val} validation images, expected some of both", origin.display())]
    Empty {
        /// The data set.
        origin: PathBuf,
        /// Training images.
        train: usize,
        /// Validation images.
        val: usize,
    },
    /// Training and validation images differ in shape.
    #[error("{} has training images of {train:?} and validation images of {val:?} (height, width, channels)", origin.display())]
    Shapes {
        /// The data set.
        origin: PathBuf,
        /// Height, width, channels of the training images.
        train: [usize; 3],
        /// Height, width, channels of the validation images.
        val: [usize; 3],
    },
    /// A label has no class.
    #[error("{} has label {label}, expected less than {classes}", origin.display())]
    Label {
        /// The data set.
        origin: PathBuf,
        /// The label.
        label: u32,
        /// How many classes there are.
        classes: usize,
    },
    /// `batch_size` is 0.
    #[error("`batch_size` is 0, expected at least 1")]
    BatchSizeZero,
    /// A batch needs more images than there are.
    #[error(
        "`batch_size` is {batch_size}, but there are only {train_len} training images; \
         expected at most {train_len}"
    )]
    BatchTooLarge {
        /// What was asked for.
        batch_size: usize,
        /// Training images.
        train_len: usize,
    },
    /// An epoch is to be resumed after its end.
    #[error("cannot start at batch {first_batch}: an epoch has {batches} batches")]
    PastEnd {
        /// What was asked for.
        first_batch: usize,
        /// Batches of an epoch.
        batches: usize,
    },
    /// A pad-crop could cut out padding only.
    #[error("`PadCrop({pad})` pads more than the images' {height} x {width} pixels")]
    PadTooLarge {
        /// The padding.
        pad: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// A setting of an augmentation is out of its range.
    #[error("`{augment}` has {found} as its `{setting}`, expected {expected}")]
    AugmentSetting {
        /// The augmentation.
        augment: &'static str,
        /// What is set.
        setting: &'static str,
        /// To what.
        found: f64,
        /// What can be.
        expected: String,
    },
    /// Something follows an erasing.
    #[error(
        "`{augment}` is number {} of `augment`, after `{erasing}`, which acts on normalised pixels: \
         move it before",
        position + 1
    )]
    AfterErasing {
        /// What follows.
        augment: &'static str,
        /// Its index.
        position: usize,
        /// What it follows.
        erasing: &'static str,
    },
    /// An augmentation needs colours.
    #[error("`{augment}` needs RGB images, but these have {channels} channel: remove it")]
    NotColored {
        /// The augmentation.
        augment: &'static str,
        /// Channels of the images.
        channels: usize,
    },
    /// Images are to be repeated no times.
    #[error("`Repeated(0)` shows no images, expected at least 1")]
    Repeats,
    /// A part of the training images is impossible.
    #[error("`{setting}` has the fraction {found}, expected {expected}")]
    Fraction {
        /// `Subset` or `LabelNoise`.
        setting: &'static str,
        /// What was given.
        found: f64,
        /// What can be.
        expected: String,
    },
    /// A subset leaves nothing of a class.
    #[error(
        "the fraction {fraction} keeps no image of class {label}: choose a larger one, so that \
         every class has something to learn from"
    )]
    SubsetClass {
        /// What is kept.
        fraction: f64,
        /// The class.
        label: u32,
    },
    /// Wrong labels need a second class.
    #[error("there is one class only, so no label can be wrong: remove `LabelNoise`")]
    OneClass,
    /// A setting of progressive resizing is out of its range.
    #[error("`ProgressiveResizing` has {found} as its `{setting}`, expected {expected}")]
    Progress {
        /// What is set.
        setting: &'static str,
        /// To what.
        found: f64,
        /// What can be.
        expected: &'static str,
    },
    /// `RandomResizedCrop` does not come first.
    #[error(
        "`RandomResizedCrop` is number {} of `augment`, expected first: it works on the image at \
         full size",
        position + 1
    )]
    ResizedCropNotFirst {
        /// Its index.
        position: usize,
    },
    /// `normalize` has another number of channels.
    #[error(
        "`normalize` has {mean} means and {std} deviations, expected {channels} of each (one per channel)"
    )]
    NormalizeChannels {
        /// Means.
        mean: usize,
        /// Standard deviations.
        std: usize,
        /// Channels of the images.
        channels: usize,
    },
    /// `normalize` has an impossible number.
    #[error("`normalize` has {value} in `{name}`, expected a finite number (for `std`, above 0)")]
    NormalizeValue {
        /// The field.
        name: &'static str,
        /// The number.
        value: f32,
    },
    /// An image's sides, channels and bytes do not agree.
    #[error(
        "{bytes} bytes are no image of {height} x {width} pixels and {channels} channels (1 or 3)"
    )]
    ImageShape {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Channels.
        channels: usize,
        /// Length of the pixels.
        bytes: usize,
    },
    /// A window reaches over the edge of an image.
    #[error("{window:?} is not inside an image of {height} x {width} pixels")]
    WindowOutside {
        /// The window.
        window: Window,
        /// Rows of the image.
        height: usize,
        /// Columns of the image.
        width: usize,
    },
    /// An image cannot have this size.
    #[error(
        "cannot resize an image to {height} x {width} pixels: expected sides above 0 and at most \
         2^28 pixels in all"
    )]
    Resize {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// No background thread could be started.
    #[error("cannot start a thread to load data: {0}")]
    Thread(std::io::Error),
    /// The background thread panicked.
    #[error("the thread that loads data panicked: {0}")]
    Panicked(String),
}

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Error::Io { path: path.to_owned(), source }
    }
}

/// A file that cannot be used, and why.
#[derive(Debug)]
pub struct OddFile {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// Files of an image folder that cannot be used; displays how many and the first ten.
#[derive(Debug, Default)]
pub struct OddFiles {
    /// All of them.
    pub files: Vec<OddFile>,
}

impl fmt::Display for OddFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED: usize = 10;
        let count = self.files.len();
        write!(f, "{count} {} cannot be used:", if count == 1 { "file" } else { "files" })?;
        for OddFile { path, fault } in self.files.iter().take(NAMED) {
            write!(f, "\n  {}: {fault}", path.display())?;
        }
        if count > NAMED {
            write!(f, "\n  and {} more", count - NAMED)?;
        }
        Ok(())
    }
}
