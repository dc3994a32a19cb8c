//! The composed form of the blur before a subsampling.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;

use super::{dims, flatten, gather, image_shape};
use crate::blur::{BLUR, blurred, reflected};
use crate::{Error, FeatureMap};

/// See [`Backend::blur_pool`](crate::Backend::blur_pool).
pub fn blur_pool<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
) -> Result<FeatureMap<E, D, T>, Error> {
    let input = image_shape(x.shape());
    let output = blurred(input)?;
    let taps = BLUR.len() * BLUR.len();
    let mut index = Vec::with_capacity(output.pixels() * taps);
    for pixel in 0..output.pixels() {
        let (row, ow) = (pixel / output.width, pixel % output.width);
        let (image, oh) = (row / output.height, row % output.height);
        index.extend((0..taps).map(|tap| {
            let ih = reflected(oh, tap / BLUR.len(), input.height);
            let iw = reflected(ow, tap % BLUR.len(), input.width);
            (image * input.height + ih) * input.width + iw
        }));
    }
    let weights = (0..taps).map(|tap| BLUR[tap / BLUR.len()] * BLUR[tap % BLUR.len()]);
    let weights = weights.map(|w| E::from_f32(w).unwrap_or_default()).collect();
    let weights = x.device().try_tensor_from_vec(weights, (taps,)).map_err(Error::device)?;
    let patches = (output.pixels(), taps, output.channels);
    let weights = weights.retaped::<T>().try_broadcast_like::<_, Axes2<0, 2>>(&patches);
    gather(flatten(x)?, index)?
        .try_reshape_like(&patches)
        .and_then(|p| p.try_mul(weights?))
        .and_then(|p| p.try_sum::<(usize, usize), Axis<1>>())
        .and_then(|y| y.try_reshape_like(&dims(output)))
        .map_err(Error::device)
}
