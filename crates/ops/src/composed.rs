//! The composed form of each operator: dfdx's own operators only, on any device and number format.
//!
//! CUDA runs these, and tests hold the fast forms against them. A window becomes a gather of
//! pixel rows, with one extra row that stands for the padding.

use dfdx::dtypes::{AMP, Dtype, f16};
use dfdx::prelude::*;
use trickbag_kernels::{AvgPool, Conv, ImageShape, MaxPool};

use crate::{
    Activation, Affine, Backend, BatchStatistics, Descent, Divisor, Error, FeatureMap, Matrix,
    Normalised, Pointwise, Rounding, Vector, Window,
};

mod blur;
mod channels;
mod pointwise;

pub use blur::blur_pool;
pub(crate) use channels::{check_factors, concatenated};
pub use channels::{concat_channels, scale_channels};
pub use pointwise::pointwise;

/// A device whose [`Backend`] for `E` is the composed forms.
pub trait Composed<E: Dtype>: Device<E> + Descent {}

impl Composed<f64> for Cpu {}
impl Composed<AMP<f16>> for Cpu {}

#[cfg(feature = "cuda")]
mod cuda {
    //! CUDA runs the composed forms: dfdx 0.13 has no accessor for a tensor's device pointer.
    use super::{AMP, Composed, f16};
    use dfdx::prelude::Cuda;

    impl Composed<f32> for Cuda {}
    impl Composed<f64> for Cuda {}
    impl Composed<f16> for Cuda {}
    impl Composed<AMP<f16>> for Cuda {}
}

impl<E: Dtype, D: Composed<E>> Backend<E> for D {
    fn conv2d<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        filter: &FeatureMap<E, Self>,
        window: &Window,
        groups: usize,
    ) -> Result<FeatureMap<E, Self, T>, Error> {
        conv2d(x, filter, window, groups)
    }

    fn ghost_batch_norm<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        ghosts: usize,
        affine: &Affine<'_, E, Self>,
        residual: Option<FeatureMap<E, Self, T>>,
    ) -> Result<Normalised<E, Self, T>, Error> {
        ghost_batch_norm(x, ghosts, affine, residual)
    }

    fn batch_norm_fixed<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        statistics: &BatchStatistics<Self>,
        affine: &Affine<'_, E, Self>,
        residual: Option<FeatureMap<E, Self, T>>,
    ) -> Result<FeatureMap<E, Self, T>, Error> {
        batch_norm_fixed(x, statistics, affine, residual)
    }

    fn max_pool<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        window: &Window,
    ) -> Result<FeatureMap<E, Self, T>, Error> {
        max_pool(x, window)
    }

    fn avg_pool<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        window: &Window,
        rounding: Rounding,
        divisor: Divisor,
    ) -> Result<FeatureMap<E, Self, T>, Error> {
        avg_pool(x, window, rounding, divisor)
    }

    fn global_avg_pool<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
    ) -> Result<Matrix<E, Self, T>, Error> {
        global_avg_pool(x)
    }

    fn linear<T: Tape<E, Self>>(
        x: Matrix<E, Self, T>,
        weight: &Matrix<E, Self>,
        bias: &Vector<E, Self>,
    ) -> Result<Matrix<E, Self, T>, Error> {
        linear(x, weight, bias)
    }

    fn blur_pool<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
    ) -> Result<FeatureMap<E, Self, T>, Error> {
        blur_pool(x)
    }

    fn pointwise<S: Shape, T: Tape<E, Self>>(
        x: Tensor<S, E, Self, T>,
        function: Pointwise,
    ) -> Result<Tensor<S, E, Self, T>, Error> {
        pointwise(x, function)
    }

    fn scale_channels<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        factors: Matrix<E, Self, T>,
    ) -> Result<FeatureMap<E, Self, T>, Error> {
        scale_channels(x, factors)
    }

    fn concat_channels<T: Tape<E, Self>>(
        parts: Vec<FeatureMap<E, Self, T>>,
    ) -> Result<FeatureMap<E, Self, T>, Error> {
        concat_channels(parts)
    }

    fn from_f32<S: Shape>(x: Tensor<S, f32, Self>) -> Result<Tensor<S, E, Self>, Error> {
        x.try_to_dtype().map_err(Error::device)
    }

    fn to_f32<S: Shape>(x: Tensor<S, E, Self>) -> Result<Tensor<S, f32, Self>, Error> {
        x.try_to_dtype().map_err(Error::device)
    }

    fn take_gradient<S: Shape>(
        gradients: &mut Gradients<E, Self>,
        of: &Tensor<S, E, Self>,
    ) -> Result<Tensor<S, f32, Self>, Error> {
        gradients.try_alloc_for(of).map_err(Error::device)?;
        Self::to_f32(gradients.get(of))
    }
}

/// See [`Backend::conv2d`].
pub fn conv2d<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    filter: &FeatureMap<E, D>,
    window: &Window,
    groups: usize,
) -> Result<FeatureMap<E, D, T>, Error> {
    let conv = conv_geometry(x.shape(), filter.shape(), window, groups)?;
    let (input, output) = (conv.input(), conv.output());
    let (pixels, taps) = (output.pixels(), window.kernel[0] * window.kernel[1]);
    let (c_in, c_out) = (input.channels / groups, output.channels / groups);

    let index = interleave(&tap_rows(input, output, window));
    let patches = gather(padded_rows(x, E::default())?, index)?;
    let y = if groups == 1 {
        let patches = patches.try_reshape_like(&(pixels, taps * c_in)).map_err(Error::device)?;
        let filter = filter.retaped::<T>().try_reshape_like(&(taps * c_in, c_out));
        patches.try_matmul(filter.map_err(Error::device)?).map_err(Error::device)?
    } else {
        let patches = patches.try_reshape_like(&(pixels, taps, groups, c_in));
        let patches = patches
            .and_then(|p| p.try_permute::<(usize, usize, usize, usize), Axes4<2, 0, 1, 3>>())
            .and_then(|p| p.try_reshape_like(&(groups, pixels, taps * c_in)))
            .map_err(Error::device)?;
        let filter = filter.retaped::<T>().try_reshape_like(&(taps, c_in, groups, c_out));
        let filter = filter
            .and_then(|f| f.try_permute::<(usize, usize, usize, usize), Axes4<2, 0, 1, 3>>())
            .and_then(|f| f.try_reshape_like(&(groups, taps * c_in, c_out)))
            .map_err(Error::device)?;
        patches
            .try_matmul(filter)
            .and_then(|y| y.try_permute::<(usize, usize, usize), Axes3<1, 0, 2>>())
            .and_then(|y| y.try_reshape_like(&(pixels, output.channels)))
            .map_err(Error::device)?
    };
    y.try_reshape_like(&dims(output)).map_err(Error::device)
}

/// See [`Backend::batch_norm`].
pub fn batch_norm<E: Dtype, D: Device<E> + Device<f32>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    affine: &Affine<'_, E, D>,
    residual: Option<FeatureMap<E, D, T>>,
) -> Result<Normalised<E, D, T>, Error> {
    ghost_batch_norm(x, 1, affine, residual)
}

/// See [`Backend::ghost_batch_norm`].
pub fn ghost_batch_norm<E: Dtype, D: Device<E> + Device<f32>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    ghosts: usize,
    affine: &Affine<'_, E, D>,
    residual: Option<FeatureMap<E, D, T>>,
) -> Result<Normalised<E, D, T>, Error> {
    check_ghosts(x.shape().0, ghosts)?;
    let shape = *x.shape();
    let parts = parts(&shape, ghosts);
    let rows: Parts<E, D, T> = x.try_reshape_like(&parts).map_err(Error::device)?;
    let mean: Matrix<E, D, T> =
        rows.retaped::<T>().try_mean::<_, Axis<1>>().map_err(Error::device)?;
    let mean_value = mean.retaped::<NoneTape>();
    let centred = rows.try_sub(over_pixels(mean, &parts)?).map_err(Error::device)?;
    let var: Matrix<E, D, T> = centred
        .retaped::<T>()
        .try_square()
        .and_then(|s| s.try_mean::<_, Axis<1>>())
        .map_err(Error::device)?;
    let of_batch = |of_parts: Matrix<E, D>| -> Result<Vector<f32, D>, Error> {
        let of_batch: Vector<E, D> = of_parts.try_mean::<_, Axis<0>>().map_err(Error::device)?;
        of_batch.try_to_dtype().map_err(Error::device)
    };
    let statistics =
        BatchStatistics { mean: of_batch(mean_value)?, var: of_batch(var.retaped::<NoneTape>())? };
    let y = normalise(centred, var, affine, &shape)?;
    Ok((finish(y, shape, residual, affine.activation)?, statistics))
}

/// See [`Backend::batch_norm_fixed`].
pub fn batch_norm_fixed<E: Dtype, D: Device<E> + Device<f32>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    statistics: &BatchStatistics<D>,
    affine: &Affine<'_, E, D>,
    residual: Option<FeatureMap<E, D, T>>,
) -> Result<FeatureMap<E, D, T>, Error> {
    let shape = *x.shape();
    check_channels("running mean", &statistics.mean, shape.3)?;
    check_channels("running variance", &statistics.var, shape.3)?;
    let mean = statistics.mean.clone().try_to_dtype().map_err(Error::device)?.retaped::<T>();
    let var = statistics.var.clone().try_to_dtype().map_err(Error::device)?.retaped::<T>();
    let centred = flatten(x)?.try_sub(over_rows(mean, &shape)?).map_err(Error::device)?;
    let centred = centred.try_reshape_like(&parts(&shape, 1)).map_err(Error::device)?;
    let var = var.try_reshape_like(&(1, shape.3)).map_err(Error::device)?;
    let y = normalise(centred, var, affine, &shape)?;
    finish(y, shape, residual, affine.activation)
}

/// See [`Backend::max_pool`].
pub fn max_pool<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    window: &Window,
) -> Result<FeatureMap<E, D, T>, Error> {
    let pool = MaxPool::new(image_shape(x.shape()), *window)?;
    let lowest = E::from_f64(f64::NEG_INFINITY).unwrap_or_default();
    let taps = tap_rows(pool.input(), pool.output(), window);
    let rows = padded_rows(x, lowest)?;
    let again = rows.retaped::<NoneTape>();
    let mut taps = taps.into_iter();
    let mut best = gather(rows, taps.next().unwrap_or_default())?;
    // One comparison after another, so that of equal values exactly the first gets the gradient.
    for index in taps {
        let candidate = gather(again.retaped::<T>(), index)?;
        let wins = candidate.try_gt(&best).map_err(Error::device)?;
        best = wins.try_choose(candidate, best).map_err(Error::device)?;
    }
    best.try_reshape_like(&dims(pool.output())).map_err(Error::device)
}

/// See [`Backend::avg_pool`].
pub fn avg_pool<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    window: &Window,
    rounding: Rounding,
    divisor: Divisor,
) -> Result<FeatureMap<E, D, T>, Error> {
    let pool = AvgPool::new(image_shape(x.shape()), *window, rounding, divisor)?;
    let (output, dev) = (pool.output(), x.device().clone());
    let taps = tap_rows(pool.input(), output, window);
    let divisors = match divisor {
        Divisor::Window => padded_taps(pool.input(), output, window),
        Divisor::Valid => valid_taps(pool.input(), &taps),
    };
    let shares = divisors.iter().map(|&d| E::from_f64(1.0 / d as f64).unwrap_or_default());
    let shares = dev.try_tensor_from_vec(shares.collect(), (output.pixels(),));
    let shares = shares.map_err(Error::device)?.retaped::<T>();
    let flat = (output.pixels(), output.channels);
    let shares = shares.try_broadcast_like::<_, Axis<1>>(&flat).map_err(Error::device)?;
    gather(padded_rows(x, E::default())?, interleave(&taps))?
        .try_reshape_like(&(output.pixels(), taps.len(), output.channels))
        .and_then(|p| p.try_sum::<(usize, usize), Axis<1>>())
        .and_then(|sum| sum.try_mul(shares))
        .and_then(|y| y.try_reshape_like(&dims(output)))
        .map_err(Error::device)
}

/// See [`Backend::global_avg_pool`].
pub fn global_avg_pool<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
) -> Result<Matrix<E, D, T>, Error> {
    let (batch, height, width, channels) = *x.shape();
    x.try_reshape_like(&(batch, height * width, channels))
        .and_then(|x| x.try_mean::<(usize, usize), Axis<1>>())
        .map_err(Error::device)
}

/// See [`Backend::linear`].
pub fn linear<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: Matrix<E, D, T>,
    weight: &Matrix<E, D>,
    bias: &Vector<E, D>,
) -> Result<Matrix<E, D, T>, Error> {
    let shape = linear_shape(x.shape(), weight.shape(), bias.shape())?;
    let y = x.try_matmul(weight.retaped::<T>()).map_err(Error::device)?;
    let bias = bias.retaped::<T>().try_broadcast_like::<_, Axis<0>>(&shape);
    y.try_add(bias.map_err(Error::device)?).map_err(Error::device)
}

pub(crate) fn image_shape(shape: &(usize, usize, usize, usize)) -> ImageShape {
    let (batch, height, width, channels) = *shape;
    ImageShape { batch, height, width, channels }
}

pub(crate) fn dims(image: ImageShape) -> (usize, usize, usize, usize) {
    (image.batch, image.height, image.width, image.channels)
}

pub(crate) fn conv_geometry(
    x: &(usize, usize, usize, usize),
    filter: &(usize, usize, usize, usize),
    window: &Window,
    groups: usize,
) -> Result<Conv, Error> {
    let conv = Conv::new(image_shape(x), filter.3, *window, groups)?;
    let found = [filter.0, filter.1, filter.2, filter.3];
    let [kh, kw] = window.kernel;
    if found == [kh, kw, x.3 / groups, filter.3] {
        return Ok(conv);
    }
    Err(Error::Filter { filter: found, kernel: window.kernel, channels: x.3, groups })
}

pub(crate) fn linear_shape(
    x: &(usize, usize),
    weight: &(usize, usize),
    bias: &(usize,),
) -> Result<(usize, usize), Error> {
    if weight.0 != x.1 {
        return Err(Error::operand("linear weight", &[weight.0, weight.1], &[x.1, weight.1]));
    }
    if bias.0 != weight.1 {
        return Err(Error::operand("linear bias", &[bias.0], &[weight.1]));
    }
    Ok((x.0, weight.1))
}

pub(crate) fn check_channels<E: Dtype, D: Storage<E>>(
    what: &'static str,
    vector: &Vector<E, D>,
    channels: usize,
) -> Result<(), Error> {
    match vector.shape().0 == channels {
        true => Ok(()),
        false => Err(Error::operand(what, &[vector.shape().0], &[channels])),
    }
}

pub(crate) fn check_ghosts(batch: usize, ghosts: usize) -> Result<(), Error> {
    match ghosts > 0 && batch.is_multiple_of(ghosts) {
        true => Ok(()),
        false => Err(Error::Ghosts { batch, ghosts }),
    }
}

pub(crate) fn check_residual<S: Shape>(residual: Option<&S>, shape: &S) -> Result<(), Error> {
    match residual {
        Some(found) if found != shape => {
            Err(Error::operand("residual", found.concrete().as_ref(), shape.concrete().as_ref()))
        }
        _ => Ok(()),
    }
}

/// The pixels of a feature map as rows, and one more row that stands for the padding.
fn padded_rows<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    padding: E,
) -> Result<Matrix<E, D, T>, Error> {
    let channels = x.shape().3;
    let row = x.device().try_tensor_from_vec(vec![padding; channels], (1, channels));
    (flatten(x)?, row.map_err(Error::device)?).try_concat_along(Axis::<0>).map_err(Error::device)
}

fn gather<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    rows: Matrix<E, D, T>,
    index: Vec<usize>,
) -> Result<Matrix<E, D, T>, Error> {
    let len = index.len();
    let index = rows.device().try_tensor_from_vec(index, (len,)).map_err(Error::device)?;
    rows.try_gather::<(usize, usize), _>(index).map_err(Error::device)
}

/// For each tap of the window, the row that each output pixel reads; the row after the last pixel
/// where that lies in the padding.
fn tap_rows(input: ImageShape, output: ImageShape, window: &Window) -> Vec<Vec<usize>> {
    let [kernel_h, kernel_w] = window.kernel;
    let coordinate = |axis: usize, out: usize, tap: usize, size: usize| {
        (out * window.stride[axis] + tap * window.dilation[axis])
            .checked_sub(window.padding[axis])
            .filter(|&i| i < size)
    };
    let tap = |kh: usize, kw: usize| {
        let mut rows = Vec::with_capacity(output.pixels());
        for b in 0..output.batch {
            for oh in 0..output.height {
                let ih = coordinate(0, oh, kh, input.height);
                rows.extend((0..output.width).map(|ow| {
                    let iw = coordinate(1, ow, kw, input.width);
                    ih.zip(iw).map_or(input.pixels(), |(ih, iw)| {
                        (b * input.height + ih) * input.width + iw
                    })
                }));
            }
        }
        rows
    };
    (0..kernel_h)
        .flat_map(|kh| (0..kernel_w).map(move |kw| (kh, kw)))
        .map(|(h, w)| tap(h, w))
        .collect()
}

/// Per output pixel, the taps that lie in the image.
fn valid_taps(input: ImageShape, taps: &[Vec<usize>]) -> Vec<usize> {
    let pixels = taps.first().map_or(0, Vec::len);
    let valid = |p: usize| taps.iter().filter(|tap| tap[p] < input.pixels()).count();
    (0..pixels).map(valid).collect()
}

/// Per output pixel, the taps that lie in the padded image (all, but where rounding up ends a
/// window beyond it).
fn padded_taps(input: ImageShape, output: ImageShape, window: &Window) -> Vec<usize> {
    let count = |axis: usize, out: usize, size: usize| {
        let end = size + 2 * window.padding[axis];
        (0..window.kernel[axis]).filter(|tap| out * window.stride[axis] + tap < end).count()
    };
    let columns: Vec<_> = (0..output.width).map(|ow| count(1, ow, input.width)).collect();
    let rows = (0..output.height).map(|oh| count(0, oh, input.height));
    let image: Vec<_> = rows.flat_map(|r| columns.iter().map(move |c| r * c)).collect();
    image.repeat(output.batch)
}

/// `[tap][pixel]` to `[pixel][tap]`, flat.
fn interleave(taps: &[Vec<usize>]) -> Vec<usize> {
    let pixels = taps.first().map_or(0, Vec::len);
    (0..pixels).flat_map(|p| taps.iter().map(move |tap| tap[p])).collect()
}

fn flatten<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
) -> Result<Matrix<E, D, T>, Error> {
    let (batch, height, width, channels) = *x.shape();
    x.try_reshape_like(&(batch * height * width, channels)).map_err(Error::device)
}

fn over_rows<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    vector: Vector<E, D, T>,
    shape: &(usize, usize, usize, usize),
) -> Result<Matrix<E, D, T>, Error> {
    let rows = (shape.0 * shape.1 * shape.2, shape.3);
    vector.try_broadcast_like::<_, Axis<0>>(&rows).map_err(Error::device)
}

/// Equal parts of a batch, each of them pixels by channels.
type Parts<E, D, T = NoneTape> = Tensor<(usize, usize, usize), E, D, T>;

fn parts(shape: &(usize, usize, usize, usize), ghosts: usize) -> (usize, usize, usize) {
    (ghosts, shape.0 / ghosts * shape.1 * shape.2, shape.3)
}

fn over_pixels<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    of_parts: Matrix<E, D, T>,
    parts: &(usize, usize, usize),
) -> Result<Parts<E, D, T>, Error> {
    of_parts.try_broadcast_like::<_, Axis<1>>(parts).map_err(Error::device)
}

/// `centred / sqrt(var + eps) * scale + shift`, part by part.
fn normalise<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    centred: Parts<E, D, T>,
    var: Matrix<E, D, T>,
    affine: &Affine<'_, E, D>,
    shape: &(usize, usize, usize, usize),
) -> Result<Matrix<E, D, T>, Error> {
    check_channels("norm scale", affine.scale, shape.3)?;
    check_channels("norm shift", affine.shift, shape.3)?;
    let (parts, channels) = (*centred.shape(), *var.shape());
    let eps = E::from_f32(affine.eps).unwrap_or_default();
    let deviation = var.try_add(eps).and_then(|v| v.try_sqrt());
    let scale = affine.scale.retaped::<T>().try_broadcast_like::<_, Axis<0>>(&channels);
    let factor = scale
        .map_err(Error::device)?
        .try_div(deviation.map_err(Error::device)?)
        .map_err(Error::device)?;
    let rows: Matrix<E, D, T> = centred
        .try_mul(over_pixels(factor, &parts)?)
        .and_then(|y| y.try_reshape_like(&(parts.0 * parts.1, parts.2)))
        .map_err(Error::device)?;
    rows.try_add(over_rows(affine.shift.retaped::<T>(), shape)?).map_err(Error::device)
}

fn finish<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    y: Matrix<E, D, T>,
    shape: (usize, usize, usize, usize),
    residual: Option<FeatureMap<E, D, T>>,
    activation: Activation,
) -> Result<FeatureMap<E, D, T>, Error> {
    check_residual(residual.as_ref().map(|r| r.shape()), &shape)?;
    let mut y = y.try_reshape_like(&shape).map_err(Error::device)?;
    if let Some(residual) = residual {
        y = y.try_add(residual).map_err(Error::device)?;
    }
    match activation {
        Activation::Identity => Ok(y),
        Activation::Relu => y.try_relu().map_err(Error::device),
    }
}
