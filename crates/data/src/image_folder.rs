//! Image folders: one sub-folder per class, JPEG and PNG files.

use crate::decode::Fit;
use crate::listing::Listing;
use crate::{Dataset, Error, Facts, Keep, OddFile, OddFiles, Split};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

/// A folder with `train/CLASS/*` and `val/CLASS/*`, JPEG or PNG, as RGB at `size` x `size`.
///
/// Classes are the sub-folders of `train`, sorted by name. Names that start with a dot are ignored.
/// Whatever else is not a complete JPEG or PNG, named `.jpg`, `.jpeg` or `.png` (the content decides
/// which of them it is), is an odd file: counted, named, and handled as `on_error` says.
///
/// In evaluation, and in training without [`crate::Augment::RandomResizedCrop`], an image's short
/// side is resized to `size / crop` (bilinear, antialiased) and the centre is cut out; an image that
/// has that size already is not resampled. Convention: `crop: 0.875` is the usual choice for
/// photographs (torchvision, timm); the default 1 keeps all of the short side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageFolder {
    /// The folder.
    pub path: PathBuf,
    /// Side of the images as the network sees them, in pixels.
    pub size: usize,
    /// The part of the resized short side that is kept, above 0 and at most 1.
    #[serde(default = "whole")]
    pub crop: f64,
    /// What odd files do.
    #[serde(default)]
    pub on_error: OnError,
    /// What the folder should hold; lets a plan be made without it.
    #[serde(default)]
    pub expect: Option<Expect>,
}

/// What files do that are not complete JPEG or PNG images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnError {
    /// They stop the run with an error that names them.
    #[default]
    Stop,
    /// They are left out; [`Dataset::skipped`] names them.
    Skip,
}

/// How many images and classes a folder should hold, by the names of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Training images.
    pub train: usize,
    /// Validation images.
    pub val: usize,
    /// Classes.
    pub classes: usize,
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { train, val, classes } = self;
        write!(f, "{train} training and {val} validation images of {classes} classes")
    }
}

impl ImageFolder {
    /// From the names of the files, or from `expect` when there is no folder.
    pub(crate) fn facts(&self) -> Result<Facts, Error> {
        self.fit()?;
        let counts = match self.expect {
            Some(expect) if !self.path.exists() => expect,
            _ => self.usable_counts()?,
        };
        if counts.train == 0 || counts.val == 0 {
            let origin = self.path.clone();
            return Err(Error::Empty { origin, train: counts.train, val: counts.val });
        }
        Ok(Facts {
            train_len: counts.train,
            val_len: counts.val,
            classes: counts.classes,
            height: self.size,
            width: self.size,
            channels: 3,
        })
    }

    /// Decodes and checks the images; all odd files are collected before they are judged.
    pub(crate) fn open(&self, keep: Keep) -> Result<Dataset, Error> {
        let fit = self.fit()?;
        let Listing { class_names, train, val, mut odd } = self.listing()?;
        let train = Split::from_files(train, fit, keep, &mut odd);
        let val = Split::from_files(val, fit, Keep::Decoded, &mut odd);
        let skipped = self.judge(odd)?;
        self.check_classes(&class_names, train.labels())?;
        Ok(Dataset::new(&self.path, class_names, train, val)?.with_skipped(skipped))
    }

    fn fit(&self) -> Result<Fit, Error> {
        let Self { size, crop, .. } = *self;
        if size == 0 {
            return Err(Error::SizeZero);
        }
        if !(crop > 0.0 && crop <= 1.0) {
            return Err(Error::Crop { crop });
        }
        Ok(Fit { short: (size as f64 / crop).round() as usize, size })
    }

    fn listing(&self) -> Result<Listing, Error> {
        let listing = Listing::read(&self.path)?;
        let found = listing.counts();
        match self.expect {
            Some(expected) if expected != found => {
                Err(Error::Unexpected { path: self.path.clone(), expected, found })
            }
            _ => Ok(listing),
        }
    }

    fn usable_counts(&self) -> Result<Expect, Error> {
        let listing = self.listing()?;
        let counts = listing.counts();
        self.judge(listing.odd)?;
        self.check_classes(&listing.class_names, &listing.train.labels)?;
        Ok(counts)
    }

    fn judge(&self, files: Vec<OddFile>) -> Result<OddFiles, Error> {
        let odd = OddFiles { files };
        match self.on_error {
            OnError::Stop if !odd.files.is_empty() => Err(Error::OddFiles(odd)),
            OnError::Stop | OnError::Skip => Ok(odd),
        }
    }

    /// Every class needs something to learn from.
    fn check_classes(&self, names: &[String], train_labels: &[u32]) -> Result<(), Error> {
        let used: BTreeSet<u32> = train_labels.iter().copied().collect();
        match (0..).zip(names).find(|(label, _)| !used.contains(label)) {
            Some((_, name)) => Err(Error::EmptyClass { path: self.path.join("train").join(name) }),
            None => Ok(()),
        }
    }
}

fn whole() -> f64 {
    1.0
}
