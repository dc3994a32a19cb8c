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
    /// The device failed.
    #[error(transparent)]
    Ops(#[from] trickbag_ops::Error),
}

impl Error {
    pub(crate) fn device(error: impl Display) -> Self {
        Self::Ops(trickbag_ops::Error::device(error))
    }
}
