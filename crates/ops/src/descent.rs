//! Updates of parameters: one operator for each rule, so that a device can do it in one pass.

use dfdx::prelude::*;
use trickbag_kernels::{Momentum, SgdStep};

use crate::cpu::{slice, slice_mut};
use crate::{Error, Vector};

/// A device that updates parameters. Default bodies are composed of dfdx's own operators.
pub trait Descent: Device<f32> {
    /// One step of stochastic gradient descent; see [`trickbag_kernels::sgd`] for the formula.
    ///
    /// # Errors
    ///
    /// [`Error::Device`], or a kernel's error for operands of other lengths.
    fn sgd(
        parameter: &mut Vector<f32, Self>,
        mut gradient: Vector<f32, Self>,
        velocity: Option<&mut Vector<f32, Self>>,
        SgdStep { lr, momentum, kind, weight_decay }: SgdStep,
    ) -> Result<(), Error> {
        let update = || {
            gradient.try_axpy(1.0, parameter, weight_decay)?;
            let Some(velocity) = velocity else {
                return parameter.try_axpy(1.0, &gradient, -lr);
            };
            velocity.try_axpy(momentum, &gradient, 1.0)?;
            match kind {
                Momentum::Classical => parameter.try_axpy(1.0, velocity, -lr),
                Momentum::Nesterov => {
                    parameter.try_axpy(1.0, &gradient, -lr)?;
                    parameter.try_axpy(1.0, velocity, -lr * momentum)
                }
            }
        };
        update().map_err(Error::device)
    }
}

impl Descent for Cpu {
    fn sgd(
        parameter: &mut Vector<f32, Self>,
        gradient: Vector<f32, Self>,
        velocity: Option<&mut Vector<f32, Self>>,
        step: SgdStep,
    ) -> Result<(), Error> {
        let velocity = velocity.map(slice_mut);
        Ok(trickbag_kernels::sgd(slice_mut(parameter), slice(&gradient), velocity, step)?)
    }
}

#[cfg(feature = "cuda")]
impl Descent for Cuda {}
