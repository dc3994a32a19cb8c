//! Frozen parameters among the gradients.

use dfdx::prelude::*;
use trickbag_ops::Vector;
use trickbag_param_groups::{Group, Training};

use crate::Error;
use crate::vectors::check_len;

/// The gradients with those of frozen parameters set to zero.
///
/// A backward pass may give gradients for parameters that no step will move. Sums over all gradients,
/// as [`Clip`](crate::Clip) and [`Sam`](crate::Sam) take them, must not count these: in PyTorch a
/// frozen parameter has no gradient at all.
///
/// # Errors
///
/// [`Error::Mismatch`] for lists of different lengths, [`Error::Ops`] for a failing device.
pub fn without_frozen<D: Device<f32>>(
    gradients: Vec<Vector<f32, D>>,
    groups: &[Group],
) -> Result<Vec<Vector<f32, D>>, Error> {
    check_len(|| "groups".into(), groups.len(), gradients.len())?;
    let kept = |(gradient, group): (Vector<f32, D>, &Group)| match group.training {
        Training::Trainable => Ok(gradient),
        Training::Frozen => gradient.device().try_zeros_like(gradient.shape()),
    };
    gradients.into_iter().zip(groups).map(kept).collect::<Result<_, _>>().map_err(Error::device)
}
