//! Which number format computes.

use serde::{Deserialize, Serialize};

/// The number format of activations and gradients; parameters and optimiser state are always `f32`.
///
/// ```
/// use trickbag_precision::Policy;
///
/// assert!(Policy::F16.needs_loss_scaling());
/// assert!(!Policy::Bf16.needs_loss_scaling());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// 32 bits, 24 of them significand: no scaling needed.
    #[default]
    F32,
    /// 16 bits with the range of `f32`: no scaling needed.
    Bf16,
    /// 16 bits with a range from 6e-8 to 65504: needs loss scaling.
    F16,
}

impl Policy {
    /// Whether gradients leave the range of the format if the loss is not scaled.
    pub fn needs_loss_scaling(self) -> bool {
        self == Self::F16
    }
}
