//! Image data sets, decoding, augmentation and resumable batches for training classifiers.
#![allow(missing_docs)] // stub
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where images come from (a recipe's `data` line).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Source {
    Mnist10k,
    ImageFolder(ImageFolder),
    Idx(Idx),
    Cifar10(CifarBinary),
    Cifar100(CifarBinary),
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageFolder {
    pub path: PathBuf,
    pub size: usize,
    /// centre-crop fraction used in evaluation: short side is resized to size/crop.
    #[serde(default = "one")]
    pub crop: f64,
    #[serde(default)]
    pub on_error: OnError,
    /// What the folder is expected to hold; lets a plan be made without it.
    #[serde(default)]
    pub expect: Option<Expect>,
}
fn one() -> f64 { 1.0 }
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum OnError { #[default] Stop, Skip }
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect { pub train: usize, pub val: usize, pub classes: usize }
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idx { pub path: PathBuf }
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CifarBinary { pub path: PathBuf }

/// One random change of a training image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Augment { PadCrop(usize), HorizontalFlip, RandomResizedCrop }

/// Channel means and standard deviations, in units of the 0..1 pixel value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalize { pub mean: Vec<f32>, pub std: Vec<f32> }

/// What a plan needs to know about a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts { pub train_len: usize, pub val_len: usize, pub classes: usize, pub height: usize, pub width: usize, pub channels: usize }

#[derive(Debug, thiserror::Error)]
pub enum Error { #[error("stub")] Stub }

impl Source {
    /// Quick scan: facts without decoding. Uses `expect` when the folder is absent.
    pub fn facts(&self) -> Result<Facts, Error> { Err(Error::Stub) }
    /// The usual normalisation of this source.
    pub fn normalize(&self) -> Normalize { Normalize { mean: vec![0.5], std: vec![0.5] } }
}
