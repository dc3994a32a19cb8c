//! The composed form of functions of one number.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;

use crate::pointwise::{ERF_LIMIT, ERF_P, ERF_Q};
use crate::{Error, Pointwise};

/// See [`Backend::pointwise`](crate::Backend::pointwise).
///
/// dfdx's own `accurate_gelu` is not used: its gradient lacks a factor of `1 / sqrt(2)`, and not
/// all devices have it.
pub fn pointwise<S: Shape, E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: Tensor<S, E, D, T>,
    function: Pointwise,
) -> Result<Tensor<S, E, D, T>, Error> {
    let y = match function {
        Pointwise::Relu => x.try_relu(),
        Pointwise::Sigmoid => x.try_sigmoid(),
        Pointwise::Silu => x.with_empty_tape().try_sigmoid().and_then(|y| y.try_mul(x)),
        Pointwise::Gelu => gelu(x),
    };
    y.map_err(Error::device)
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
