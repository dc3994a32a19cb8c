//! What can go wrong in an optimiser.

use std::fmt::Display;

/// An optimiser's failure.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
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
    /// Nesterov momentum without momentum.
    #[error("`nesterov` needs a `momentum` above 0: set one, for instance 0.9")]
    NesterovWithoutMomentum,
    /// A momentum for an optimiser that was made without one, and so remembers nothing.
    #[error(
        "the momentum cannot become {0}: the optimiser was made without one; give it a `momentum` \
         above 0 to start from"
    )]
    MadeWithoutMomentum(f64),
    /// Lists of gradients, groups or saved values that do not belong to the parameters.
    #[error("{what}: found {found}, expected {expected} to match the parameters")]
    Mismatch {
        /// Which list.
        what: String,
        /// Its length.
        found: usize,
        /// The length that fits.
        expected: usize,
    },
    /// A parameter whose values cannot be dealt out to its outputs.
    #[error(
        "parameter {index} has {len} values, which are no whole number for each of {outputs} \
         outputs: give the last axis of its shape"
    )]
    Units {
        /// Which parameter, from 0.
        index: usize,
        /// Its values.
        len: usize,
        /// Its outputs, as they were given.
        outputs: usize,
    },
    /// Gradients that hold an infinity or no number.
    #[error(
        "the norm of the gradients is {0}, expected a finite number: lower the learning rate, or \
         skip the step where a loss scaler found an overflow"
    )]
    GradientNorm(f64),
    /// The device failed.
    #[error(transparent)]
    Ops(#[from] trickbag_ops::Error),
}

impl Error {
    pub(crate) fn device(error: impl Display) -> Self {
        Self::Ops(trickbag_ops::Error::device(error))
    }
}
