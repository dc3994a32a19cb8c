//! The composed forms of operators on whole channels: scaling and concatenation.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;

use super::recompute::{Again, computed, flat};
use super::{Dims, flatten};
use crate::{Error, FeatureMap, Matrix, Vector, Widen};

/// See [`Backend::scale_channels`](crate::Backend::scale_channels).
pub fn scale_channels<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    factors: Matrix<E, D, T>,
) -> Result<FeatureMap<E, D, T>, Error> {
    check_factors(x.shape(), factors.shape())?;
    scaled(x, factors).map_err(Error::device)
}

/// [`scale_channels`] that keeps nothing for the way back, and computes in `f32` at least.
pub(super) fn lean_scale<E: Dtype, D: Widen<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    factors: Matrix<E, D, T>,
) -> Result<FeatureMap<E, D, T>, Error> {
    let shape = *x.shape();
    check_factors(&shape, factors.shape())?;
    let narrow = move |inputs: &[Vector<E, D>]| scaled_again(inputs, shape);
    let wide = move |inputs: &[Vector<f32, D>]| scaled_again(inputs, shape);
    let run = || {
        let ((x, tape), (factors, beside)) = (flat(x)?, flat(factors)?);
        computed(vec![x, factors], tape.merge(beside), narrow, wide)
    };
    run().map(|(y, ())| y).map_err(Error::device)
}

fn scaled_again<E: Dtype, D: Device<E>>(
    inputs: &[Vector<E, D>],
    shape: Dims,
) -> Again<Dims, (), E, D> {
    let x = inputs[0].clone().leaky_traced().try_reshape_like(&shape)?;
    let factors = inputs[1].clone().leaky_traced().try_reshape_like(&(shape.0, shape.3))?;
    Ok((scaled(x, factors)?, ()))
}

fn scaled<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    factors: Matrix<E, D, T>,
) -> Result<FeatureMap<E, D, T>, D::Err> {
    let factors = factors.try_broadcast_like::<_, Axes2<1, 2>>(x.shape())?;
    x.try_mul(factors)
}

/// See [`Backend::concat_channels`](crate::Backend::concat_channels).
pub fn concat_channels<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    parts: Vec<FeatureMap<E, D, T>>,
) -> Result<FeatureMap<E, D, T>, Error> {
    let shapes: Vec<_> = parts.iter().map(|part| *part.shape()).collect();
    let shape = concatenated(&shapes)?;
    let joined = parts
        .into_iter()
        .map(flatten)
        .reduce(|joined, part| (joined?, part?).try_concat_along(Axis::<1>));
    let joined = joined.ok_or_else(no_parts)?.and_then(|joined| joined.try_reshape_like(&shape));
    joined.map_err(Error::device)
}

pub(crate) fn check_factors(
    x: &(usize, usize, usize, usize),
    factors: &(usize, usize),
) -> Result<(), Error> {
    match *factors == (x.0, x.3) {
        true => Ok(()),
        false => Err(Error::operand("channel factors", &[factors.0, factors.1], &[x.0, x.3])),
    }
}

/// The shape of the parts side by side.
pub(crate) fn concatenated(
    parts: &[(usize, usize, usize, usize)],
) -> Result<(usize, usize, usize, usize), Error> {
    let Some(&(batch, height, width, _)) = parts.first() else { return Err(no_parts()) };
    let mut channels = 0;
    for part in parts {
        let expected = (batch, height, width, part.3);
        if *part != expected {
            let (found, expected) = (part.concrete(), expected.concrete());
            return Err(Error::operand("feature map to concatenate", &found, &expected));
        }
        channels += part.3;
    }
    Ok((batch, height, width, channels))
}

fn no_parts() -> Error {
    Error::operand("list of feature maps", &[0], &[1])
}
