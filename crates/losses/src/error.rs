//! What can go wrong in a loss.

use std::fmt::Display;

/// A loss's failure.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A label that is no class.
    #[error("sample {sample} has label {label}, but there are {classes} classes, 0 to {}", classes - 1)]
    Label {
        /// Position in the batch.
        sample: usize,
        /// Its label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// A smoothing that leaves no target.
    #[error("label smoothing is {0}, expected a number from 0 up to, but not including, 1")]
    Smoothing(f64),
    /// Operands that do not belong together.
    #[error("{what} have shape {found:?}, expected {expected:?} to match the logits")]
    Shape {
        /// Which operand.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that fits.
        expected: Vec<usize>,
    },
    /// Weights that cannot be normalised.
    #[error("the weights of the samples sum to {0}, expected a finite number above 0")]
    Weights(f32),
    /// A setting out of its range.
    #[error("`{field}` is {found}, expected {expected}")]
    Setting {
        /// Which setting.
        field: &'static str,
        /// Its value.
        found: f64,
        /// What it must be.
        expected: &'static str,
    },
    /// Mixup and CutMix that claim more batches than there are.
    #[error(
        "the probabilities of mixup and CutMix sum to {0}, expected at most 1: give each its share of \
         the batches, for instance `probability: 0.5`"
    )]
    Probabilities(f64),
    /// A batch that cannot be mixed.
    #[error("a batch of 1 image has no partner to mix with: use batches of 2 or more")]
    Alone,
    /// A slice whose length does not fit its shape.
    #[error("{what}: found {found}, expected {expected}")]
    Slice {
        /// Of what.
        what: &'static str,
        /// The length.
        found: usize,
        /// The length that fits.
        expected: usize,
    },
    /// An operator or the device failed.
    #[error(transparent)]
    Ops(#[from] trickbag_ops::Error),
}

impl Error {
    pub(crate) fn device(error: impl Display) -> Self {
        Self::Ops(trickbag_ops::Error::device(error))
    }
}
