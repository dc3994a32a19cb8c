//! From `f32` parameters to the format that computes, and from its gradients back to `f32`.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use trickbag_ops::{Backend, Descent, Tensors, Vector};

use crate::{Error, StepOutcome};

/// The parameters in the format that computes; the same tensors where that is `f32`.
///
/// # Errors
///
/// [`Error::Ops`] for a failing device.
pub fn working_copy<E: Dtype, D: Backend<E>>(
    parameters: &[Vector<f32, D>],
) -> Result<Vec<Vector<E, D>>, Error> {
    let cast = |p: &Vector<f32, D>| Ok(<D as Backend<E>>::from_f32(p.clone())?);
    parameters.iter().map(cast).collect()
}

/// Runs the backward pass of a loss that was multiplied by `scale`, and returns the gradient of
/// each of `parameters` in `f32`, divided by `scale`. Other gradients are freed.
///
/// # Errors
///
/// [`Error::Ops`] for a failing device.
pub fn backward<E: Dtype, D: Backend<E>>(
    loss: Tensor<(), E, D, OwnedTape<E, D>>,
    parameters: &[Vector<E, D>],
    scale: f32,
) -> Result<Vec<Vector<f32, D>>, Error> {
    let mut gradients = <D as Tensors<E>>::backward(loss)?;
    let mut take = |p| -> Result<_, Error> {
        let gradient = <D as Backend<E>>::take_gradient(&mut gradients, p)?;
        match scale == 1.0 {
            true => Ok(gradient),
            false => gradient.try_div(scale).map_err(Error::device),
        }
    };
    parameters.iter().map(&mut take).collect()
}

impl StepOutcome {
    /// Whether all of these gradients are finite: one vote for all of them, whatever the number of
    /// passes and parameters.
    ///
    /// # Errors
    ///
    /// [`Error::Ops`] for a failing device.
    pub fn of<'a, D: Descent>(
        gradients: impl IntoIterator<Item = &'a Vector<f32, D>>,
    ) -> Result<Self, Error> {
        let gradients: Vec<_> = gradients.into_iter().collect();
        match D::all_finite(&gradients)? {
            true => Ok(Self::Finite),
            false => Ok(Self::Overflow),
        }
    }
}
