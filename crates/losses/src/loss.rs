//! What every loss gives: a value in `f32`, and a gradient for the tape of the logits.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use trickbag_ops::{Backend, Matrix, Tensors};

use crate::Error;

/// A loss in `f32`, and the way back to the logits that it came from.
#[derive(Debug)]
pub struct Loss<E: Dtype, D: Backend<E>, T> {
    pub(crate) value: f32,
    pub(crate) logits: Matrix<E, D, T>,
    /// Of the loss with respect to the logits.
    pub(crate) gradient: Matrix<f32, D>,
}

impl<E: Dtype, D: Backend<E>, T: Tape<E, D>> Loss<E, D, T> {
    /// The loss: a non-negative number, or NaN where the logits are not finite.
    pub fn value(&self) -> f32 {
        self.value
    }

    /// A scalar on the logits' tape whose value and gradient are `scale` times the loss's.
    ///
    /// # Errors
    ///
    /// [`Error::Ops`] for a failing device.
    pub fn scaled(self, scale: f32) -> Result<Tensor<(), E, D, T>, Error> {
        let gradient = self.gradient.try_mul(scale).map_err(Error::device)?;
        Ok(<D as Tensors<E>>::scalar(self.logits, scale * self.value, gradient)?)
    }
}
