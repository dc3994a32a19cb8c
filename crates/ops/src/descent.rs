//! Updates of parameters, and what is asked of all gradients together: an operator for each, so that
//! a device can do it in one pass.

use dfdx::prelude::*;
use trickbag_kernels::{Momentum, SgdStep};

use crate::cpu::{slice, slice_mut};
use crate::profile::spend;
use crate::{Error, Vector};

/// A device that updates parameters. Default bodies are composed of dfdx's own operators.
pub trait Descent: Device<f32> + Synchronize {
    /// Which of its kind the device is: what lies in the memory of one cannot be used on another.
    fn ordinal(&self) -> usize {
        0
    }

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

    /// The sum of the squares of all numbers of all vectors.
    ///
    /// On the CPU it is summed in `f64`, in an order that follows from the lengths alone, so it is
    /// the same on any number of threads. Elsewhere dfdx sums in `f32`, in the order in which its
    /// threads finish, and one number is fetched from the device. Where the sum is too large for
    /// `f32` it is infinite.
    ///
    /// # Errors
    ///
    /// [`Error::Device`].
    fn squared_sum(vectors: &[Vector<f32, Self>]) -> Result<f64, Error> {
        let square = |vector: Vector<f32, Self>| vector.try_square();
        Ok(total(vectors, square)?.map_or(0.0, |sum| sum.as_vec()[0].into()))
    }

    /// Whether all numbers of all vectors are finite. One number is fetched from the device.
    ///
    /// # Errors
    ///
    /// [`Error::Device`].
    fn all_finite(vectors: &[&Vector<f32, Self>]) -> Result<bool, Error> {
        // Zero times what is not finite is NaN, and so is each sum that it is in.
        let zero = |vector: Vector<f32, Self>| vector.try_mul(0.0);
        let total = total(vectors.iter().copied(), zero)?;
        Ok(total.is_none_or(|sum| sum.as_vec()[0].is_finite()))
    }
}

/// The sum of `f` of all vectors, on the device; `None` if there is none.
fn total<'a, D: Device<f32>>(
    vectors: impl IntoIterator<Item = &'a Vector<f32, D>>,
    f: impl Fn(Vector<f32, D>) -> Result<Vector<f32, D>, D::Err>,
) -> Result<Option<Tensor<(), f32, D>>, Error> {
    let add = |sum: Option<Tensor<(), f32, D>>, vector: &Vector<f32, D>| {
        let of_vector = f(vector.clone())?.try_sum::<(), _>()?;
        Ok(Some(match sum {
            Some(sum) => sum.try_add(of_vector)?,
            None => of_vector,
        }))
    };
    vectors.into_iter().try_fold(None, add).map_err(|error: D::Err| Error::device(error))
}

impl Descent for Cpu {
    fn sgd(
        parameter: &mut Vector<f32, Self>,
        gradient: Vector<f32, Self>,
        velocity: Option<&mut Vector<f32, Self>>,
        step: SgdStep,
    ) -> Result<(), Error> {
        let (parameter, gradient) = (slice_mut(parameter), slice(&gradient));
        let velocity = velocity.map(slice_mut);
        let update = || trickbag_kernels::sgd(parameter, gradient, velocity, step);
        Ok(spend(|| "sgd".to_owned(), 0, update)?)
    }

    fn squared_sum(vectors: &[Vector<f32, Self>]) -> Result<f64, Error> {
        Ok(vectors.iter().map(|vector| squared_sum(slice(vector))).sum())
    }

    fn all_finite(vectors: &[&Vector<f32, Self>]) -> Result<bool, Error> {
        Ok(vectors.iter().all(|vector| slice(vector).iter().all(|x| x.is_finite())))
    }
}

/// Sums in lanes, which the compiler can keep in vector registers.
fn squared_sum(values: &[f32]) -> f64 {
    const LANES: usize = 16;
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    let rest = rest.iter().map(|&value| f64::from(value) * f64::from(value));
    sums.into_iter().chain(rest).sum()
}

#[cfg(feature = "cuda")]
impl Descent for Cuda {
    fn ordinal(&self) -> usize {
        // Where the driver fails, it will say so to the next who asks.
        crate::cuda::driver(self).map_or(0, |device| device.ordinal())
    }
}
