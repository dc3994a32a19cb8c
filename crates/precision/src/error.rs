//! What can go wrong in mixed precision.

use std::fmt::Display;

/// A failure of mixed precision.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The scale fell to its floor and gradients still overflow.
    #[error(
        "the loss scale fell to its floor of {floor} and the gradients still overflow: the training \
         diverges, lower the learning rate or compute in F32"
    )]
    Floor {
        /// The lowest scale allowed.
        floor: f32,
    },
    /// A scale that stays as it is, and gradients that do not fit.
    #[error(
        "the gradients overflow F16 at a loss scale of {scale}, which is fixed: leave out the line \
         that fixes it, or compute in Bf16"
    )]
    Fixed {
        /// The scale.
        scale: f32,
    },
    /// Settings with which the scaler cannot work.
    #[error("loss scaling: `{field}` is {found}, expected {expected}")]
    Settings {
        /// Which setting.
        field: &'static str,
        /// Its value.
        found: f64,
        /// What it must be.
        expected: &'static str,
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
