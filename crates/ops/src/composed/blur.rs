//! The composed form of the blur before a subsampling.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use trickbag_kernels::ImageShape;

use super::recompute::of_map;
use super::rows::{Rows, gather};
use super::{dims, flatten, image_shape};
use crate::blur::{BLUR, blurred};
use crate::{Descent, Error, FeatureMap, Vector, Widen};

/// See [`Backend::blur_pool`](crate::Backend::blur_pool).
pub fn blur_pool<E: Dtype, D: Device<E> + Descent, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
) -> Result<FeatureMap<E, D, T>, Error> {
    let input = image_shape(x.shape());
    let output = blurred(input)?;
    blur(x, input, output).map_err(Error::device)
}

/// [`blur_pool`] that keeps nothing for the way back, and computes in `f32` at least.
pub(super) fn lean<E: Dtype, D: Widen<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
) -> Result<FeatureMap<E, D, T>, Error> {
    let input = image_shape(x.shape());
    let output = blurred(input)?;
    of_map(x, move |x| blur(x, input, output), move |x| blur(x, input, output))
}

fn blur<E: Dtype, D: Device<E> + Descent, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    input: ImageShape,
    output: ImageShape,
) -> Result<FeatureMap<E, D, T>, D::Err> {
    let taps = BLUR.len() * BLUR.len();
    let weights = (0..taps).map(|tap| BLUR[tap / BLUR.len()] * BLUR[tap % BLUR.len()]);
    let weights = weights.map(|w| E::from_f32(w).unwrap_or_default()).collect();
    let weights: Vector<E, D> = x.device().try_tensor_from_vec(weights, (taps,))?;
    let patches = (output.pixels(), taps, output.channels);
    let weights = weights.retaped::<T>().try_broadcast_like::<_, Axes2<0, 2>>(&patches)?;
    gather(flatten(x)?, Rows::Blur { input, output })?
        .try_reshape_like(&patches)?
        .try_mul(weights)?
        .try_sum::<(usize, usize), Axis<1>>()?
        .try_reshape_like(&dims(output))
}
