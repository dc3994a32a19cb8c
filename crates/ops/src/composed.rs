//! The composed form of each operator: dfdx's own operators only, on any device and number format.
//!
//! Tests hold the fast forms against these. CUDA runs them, and keeps nothing but inputs and outputs
//! for the way back; what lies in between is computed again there. In a 16-bit format matrix
//! products take their sums in `f32` (dfdx's `AMP`), and all other sums, norms and functions are
//! `f32` between their inputs and outputs.

use std::sync::Arc;

use dfdx::dtypes::{AMP, Dtype, f16};
use dfdx::prelude::*;
use trickbag_collective::Collective;
use trickbag_kernels::{Conv, ImageShape};

use crate::{
    Affine, Backend, BatchStatistics, Divisor, Error, FeatureMap, Matrix, Normalised, Pointwise,
    Rounding, Synchronised, Vector, Widen, Window,
};

mod blur;
mod channels;
mod conv;
mod norm;
mod pointwise;
mod pool;
mod recompute;
mod rows;

pub use blur::blur_pool;
pub(crate) use channels::{check_factors, concatenated};
pub use channels::{concat_channels, scale_channels};
pub use conv::conv2d;
pub use norm::{batch_norm, batch_norm_fixed, ghost_batch_norm};
pub use pointwise::pointwise;
pub use pool::{avg_pool, global_avg_pool, max_pool};

/// A device whose [`Backend`] for `E` is the composed forms.
pub trait Composed<E: Dtype>: Widen<E> {}

/// The shape of a feature map.
type Dims = (usize, usize, usize, usize);

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
        conv::lean(x, filter, window, groups)
    }

    fn ghost_batch_norm<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        ghosts: usize,
        affine: &Affine<'_, E, Self>,
        residual: Option<FeatureMap<E, Self, T>>,
    ) -> Result<Normalised<E, Self, T>, Error> {
        norm::lean(x, ghosts, affine, residual)
    }

    fn sync_batch_norm<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        affine: &Affine<'_, E, Self>,
        residual: Option<FeatureMap<E, Self, T>>,
        ranks: &Arc<dyn Collective>,
    ) -> Result<Synchronised<E, Self, T>, Error> {
        norm::lean_sync(x, affine, residual, ranks)
    }

    fn batch_norm_fixed<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        statistics: &BatchStatistics<Self>,
        affine: &Affine<'_, E, Self>,
        residual: Option<FeatureMap<E, Self, T>>,
    ) -> Result<FeatureMap<E, Self, T>, Error> {
        norm::lean_fixed(x, statistics, affine, residual)
    }

    fn max_pool<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        window: &Window,
    ) -> Result<FeatureMap<E, Self, T>, Error> {
        pool::lean_max(x, window)
    }

    fn avg_pool<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        window: &Window,
        rounding: Rounding,
        divisor: Divisor,
    ) -> Result<FeatureMap<E, Self, T>, Error> {
        pool::lean_avg(x, window, rounding, divisor)
    }

    fn global_avg_pool<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
    ) -> Result<Matrix<E, Self, T>, Error> {
        pool::lean_global(x)
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
        blur::lean(x)
    }

    fn pointwise<S: Shape, T: Tape<E, Self>>(
        x: Tensor<S, E, Self, T>,
        function: Pointwise,
    ) -> Result<Tensor<S, E, Self, T>, Error> {
        pointwise::lean(x, function)
    }

    fn scale_channels<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        factors: Matrix<E, Self, T>,
    ) -> Result<FeatureMap<E, Self, T>, Error> {
        channels::lean_scale(x, factors)
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

/// See [`Backend::linear`].
///
/// The bias is a product with ones, whose gradient is a sum with all the digits that matrix products
/// have.
pub fn linear<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: Matrix<E, D, T>,
    weight: &Matrix<E, D>,
    bias: &Vector<E, D>,
) -> Result<Matrix<E, D, T>, Error> {
    let (batch, outputs) = linear_shape(x.shape(), weight.shape(), bias.shape())?;
    let run = || {
        let ones: Matrix<E, D> = x.device().try_ones_like(&(batch, 1))?;
        let bias = bias.retaped::<T>().try_reshape_like(&(1, outputs))?;
        let bias = ones.retaped::<T>().try_matmul(bias)?;
        x.try_matmul(weight.retaped::<T>())?.try_add(bias)
    };
    run().map_err(Error::device)
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

/// Pixels by channels.
fn flatten<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
) -> Result<Matrix<E, D, T>, D::Err> {
    let (batch, height, width, channels) = *x.shape();
    x.try_reshape_like(&(batch * height * width, channels))
}
