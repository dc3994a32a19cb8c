//! The composed forms of operators on whole channels: scaling and concatenation.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;

use super::flatten;
use crate::{Error, FeatureMap, Matrix};

/// See [`Backend::scale_channels`](crate::Backend::scale_channels).
pub fn scale_channels<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    factors: Matrix<E, D, T>,
) -> Result<FeatureMap<E, D, T>, Error> {
    check_factors(x.shape(), factors.shape())?;
    let factors = factors.try_broadcast_like::<_, Axes2<1, 2>>(x.shape()).map_err(Error::device)?;
    x.try_mul(factors).map_err(Error::device)
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
        .reduce(|joined, part| (joined?, part?).try_concat_along(Axis::<1>).map_err(Error::device));
    let joined = joined.unwrap_or_else(|| Err(no_parts()))?;
    joined.try_reshape_like(&shape).map_err(Error::device)
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
