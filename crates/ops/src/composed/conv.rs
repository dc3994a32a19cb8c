//! The composed form of the convolution: a gather and a matrix product.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use trickbag_kernels::{Conv, Window};

use super::recompute::{Again, flat, recomputed};
use super::rows::{Rows, gather, padded_rows, taps};
use super::{conv_geometry, dims, flatten};
use crate::{Descent, Error, FeatureMap, Matrix, Vector, Widen};

/// See [`Backend::conv2d`](crate::Backend::conv2d).
pub fn conv2d<E: Dtype, D: Device<E> + Descent, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    filter: &FeatureMap<E, D>,
    window: &Window,
    groups: usize,
) -> Result<FeatureMap<E, D, T>, Error> {
    let conv = conv_geometry(x.shape(), filter.shape(), window, groups)?;
    convolved(x, filter, &conv).map_err(Error::device)
}

/// The same, but of all in between nothing is kept for the way back.
pub(super) fn lean<E: Dtype, D: Widen<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    filter: &FeatureMap<E, D>,
    window: &Window,
    groups: usize,
) -> Result<FeatureMap<E, D, T>, Error> {
    let (x_shape, filter_shape) = (*x.shape(), *filter.shape());
    let conv = conv_geometry(&x_shape, &filter_shape, window, groups)?;
    let f = move |inputs: &[Vector<E, D>]| -> Again<_, (), E, D> {
        let x = inputs[0].clone().leaky_traced().try_reshape_like(&x_shape)?;
        let filter = inputs[1].clone().try_reshape_like(&filter_shape)?;
        Ok((convolved(x, &filter, &conv)?, ()))
    };
    let run = || {
        let ((x, tape), (filter, beside)) = (flat(x)?, flat(filter.retaped::<T>())?);
        recomputed(vec![x, filter], tape.merge(beside), f)
    };
    run().map(|(y, ())| y).map_err(Error::device)
}

fn convolved<E: Dtype, D: Device<E> + Descent, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    filter: &FeatureMap<E, D>,
    conv: &Conv,
) -> Result<FeatureMap<E, D, T>, D::Err> {
    let (input, output, groups) = (conv.input(), conv.output(), conv.groups());
    let (pixels, taps) = (output.pixels(), taps(conv.window()));
    let (c_in, c_out) = (input.channels / groups, output.channels / groups);
    let patches = patches(x, conv)?;
    let filter = filter.retaped::<T>();
    let y = if groups == 1 {
        let filter = filter.try_reshape_like(&(taps * c_in, c_out))?;
        patches.try_reshape_like(&(pixels, taps * c_in))?.try_matmul(filter)?
    } else {
        let patches = patches
            .try_reshape_like(&(pixels, taps, groups, c_in))?
            .try_permute::<(usize, usize, usize, usize), Axes4<2, 0, 1, 3>>()?
            .try_reshape_like(&(groups, pixels, taps * c_in))?;
        let filter = filter
            .try_reshape_like(&(taps, c_in, groups, c_out))?
            .try_permute::<(usize, usize, usize, usize), Axes4<2, 0, 1, 3>>()?
            .try_reshape_like(&(groups, taps * c_in, c_out))?;
        patches
            .try_matmul(filter)?
            .try_permute::<(usize, usize, usize), Axes3<1, 0, 2>>()?
            .try_reshape_like(&(pixels, output.channels))?
    };
    y.try_reshape_like(&dims(output))
}

/// For each output pixel, the input pixels under the window. With one tap at each pixel that is the
/// input.
fn patches<E: Dtype, D: Device<E> + Descent, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    conv: &Conv,
) -> Result<Matrix<E, D, T>, D::Err> {
    let (input, output, window) = (conv.input(), conv.output(), *conv.window());
    if window == Window::square(1) {
        return flatten(x);
    }
    gather(padded_rows(x, E::default())?, Rows::Windows { input, output, window })
}
