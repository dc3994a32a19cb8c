//! The composed form of functions of one number.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;

use super::recompute::{computed, flat};
use crate::pointwise::{ERF_LIMIT, ERF_P, ERF_Q};
use crate::{Error, Pointwise, Vector, Widen};

/// See [`Backend::pointwise`](crate::Backend::pointwise).
///
/// dfdx's own `accurate_gelu` is not used: its gradient lacks a factor of `1 / sqrt(2)`, and not
/// all devices have it.
pub fn pointwise<S: Shape, E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: Tensor<S, E, D, T>,
    function: Pointwise,
) -> Result<Tensor<S, E, D, T>, Error> {
    applied(x, function).map_err(Error::device)
}

/// [`pointwise`] that keeps nothing for the way back, and computes in `f32` at least.
pub(super) fn lean<S: Shape, E: Dtype, D: Widen<E>, T: Tape<E, D>>(
    x: Tensor<S, E, D, T>,
    function: Pointwise,
) -> Result<Tensor<S, E, D, T>, Error> {
    if function == Pointwise::Relu {
        return pointwise(x, function);
    }
    let shape = *x.shape();
    let narrow =
        move |inputs: &[Vector<E, D>]| Ok((applied(inputs[0].leaky_trace(), function)?, ()));
    let wide =
        move |inputs: &[Vector<f32, D>]| Ok((applied(inputs[0].leaky_trace(), function)?, ()));
    let y = flat(x).and_then(|(x, tape)| computed(vec![x], tape, narrow, wide));
    y.and_then(|(y, ())| y.try_reshape_like(&shape)).map_err(Error::device)
}

fn applied<S: Shape, E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: Tensor<S, E, D, T>,
    function: Pointwise,
) -> Result<Tensor<S, E, D, T>, D::Err> {
    match function {
        Pointwise::Relu => x.try_relu(),
        Pointwise::Sigmoid => x.try_sigmoid(),
        Pointwise::Silu => x.with_empty_tape().try_sigmoid()?.try_mul(x),
        Pointwise::Gelu => gelu(x),
    }
}

fn gelu<S: Shape, E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: Tensor<S, E, D, T>,
) -> Result<Tensor<S, E, D, T>, D::Err> {
    let scaled = x.with_empty_tape().try_mul(number::<E>(std::f64::consts::FRAC_1_SQRT_2))?;
    erf(scaled)?.try_add(number::<E>(1.0))?.try_mul(number::<E>(0.5))?.try_mul(x)
}

fn erf<S: Shape, E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: Tensor<S, E, D, T>,
) -> Result<Tensor<S, E, D, T>, D::Err> {
    let x = x.try_clamp(-ERF_LIMIT, ERF_LIMIT)?;
    let square = x.with_empty_tape().try_square()?;
    let numerator = horner(square.with_empty_tape(), &ERF_P)?;
    x.try_mul(numerator)?.try_div(horner(square, &ERF_Q)?)
}

/// The polynomial with these coefficients, from the highest power down; there are two at least.
fn horner<S: Shape, E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: Tensor<S, E, D, T>,
    coefficients: &[f64],
) -> Result<Tensor<S, E, D, T>, D::Err> {
    let again = x.retaped::<NoneTape>();
    let mut sum = x.try_mul(number::<E>(coefficients[0]))?;
    for &coefficient in &coefficients[1..coefficients.len() - 1] {
        sum = sum.try_add(number::<E>(coefficient))?.try_mul(again.retaped::<T>())?;
    }
    sum.try_add(number::<E>(coefficients[coefficients.len() - 1]))
}

fn number<E: Dtype>(value: f64) -> E {
    E::from_f64(value).unwrap_or_default()
}
