//! The trait that bundles dfdx's bounds and has one method per image operator.

use std::sync::Arc;

use dfdx::dtypes::Dtype;
use dfdx::prelude::{Device, Gradients, NoneTape, Shape, Storage, Tape, Tensor};
use trickbag_collective::Collective;
use trickbag_kernels::{BatchStats, Packed};

use crate::{Activation, Divisor, Error, Pointwise, Rounding, Tensors, Window};

/// Images or activations: `(batch, height, width, channels)`.
pub type FeatureMap<E, D, T = NoneTape> = Tensor<(usize, usize, usize, usize), E, D, T>;
/// Two dimensions: `(batch, features)`, or a linear layer's `(inputs, outputs)`.
pub type Matrix<E, D, T = NoneTape> = Tensor<(usize, usize), E, D, T>;
/// One dimension: a value per channel, or a parameter laid out flat.
pub type Vector<E, D, T = NoneTape> = Tensor<(usize,), E, D, T>;

/// What batch norm does after centring and dividing by the standard deviation.
pub struct Affine<'a, E: Dtype, D: Storage<E>> {
    /// Factor per channel (gamma).
    pub scale: &'a Vector<E, D>,
    /// Offset per channel (beta).
    pub shift: &'a Vector<E, D>,
    /// Added to the variance; PyTorch's default is 1e-5.
    pub eps: f32,
    /// Applied last, after the residual is added.
    pub activation: Activation,
}

/// A convolution's filter, `(kernel height, kernel width, inputs / groups, outputs)`.
pub struct Filter<'a, E: Dtype, D: Storage<E>> {
    /// Its numbers.
    pub values: &'a FeatureMap<E, D>,
    /// What was packed of them, if they no longer change. It belongs to them alone; see [`Packed`].
    pub packed: Option<&'a Packed>,
}

impl<'a, E: Dtype, D: Storage<E>> From<&'a FeatureMap<E, D>> for Filter<'a, E, D> {
    fn from(values: &'a FeatureMap<E, D>) -> Self {
        Self { values, packed: None }
    }
}

/// Mean and *biased* variance per channel, always in `f32`.
#[derive(Debug, Clone)]
pub struct BatchStatistics<D: Device<f32>> {
    /// Mean per channel.
    pub mean: Vector<f32, D>,
    /// Variance per channel, the sum of squares divided by the number of pixels.
    pub var: Vector<f32, D>,
}

impl<D: Device<f32>> BatchStatistics<D> {
    /// The same numbers on a device.
    pub(crate) fn on(dev: &D, stats: &BatchStats) -> Result<Self, Error> {
        let vector = |values: &Vec<f32>| {
            let shape = (values.len(),);
            dev.try_tensor_from_vec(values.clone(), shape).map_err(Error::device)
        };
        Ok(Self { mean: vector(&stats.mean)?, var: vector(&stats.var)? })
    }
}

/// Whether an operator's backward pass goes on to its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The gradient of the input is computed.
    Through,
    /// The input is data: nobody will ask for its gradient.
    Stop,
}

/// What batch norm returns in training: its output, and the statistics of the batch.
pub type Normalised<E, D, T = NoneTape> = (FeatureMap<E, D, T>, BatchStatistics<D>);

/// What batch norm over several ranks returns in training: its output, the statistics of all ranks
/// together, and the number of pixels that these are of.
pub type Synchronised<E, D, T = NoneTape> = (FeatureMap<E, D, T>, BatchStatistics<D>, u64);

/// A dfdx device that has Trickbag's image operators for the number format `E`.
///
/// Errors: shapes that do not fit ([`Error::Shape`], [`Error::Filter`], [`Error::Operand`]) and
/// failures of the device ([`Error::Device`]).
pub trait Backend<E: Dtype>: Tensors<E> {
    /// Convolution without bias (cross-correlation, as everywhere in deep learning).
    ///
    /// `x` is `(batch, height, width, inputs)`, `filter` is `(kernel height, kernel width,
    /// inputs / groups, outputs)`; output channel `o` belongs to group `o / (outputs / groups)`.
    fn conv2d<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        filter: &FeatureMap<E, Self>,
        window: &Window,
        groups: usize,
    ) -> Result<FeatureMap<E, Self, T>, Error>;

    /// Batch norm with the batch's own statistics, then `+ residual`, then the activation.
    ///
    /// Normalises with the biased variance and returns the statistics, from which the caller moves
    /// its running ones (Ioffe and Szegedy, arXiv 1502.03167; PyTorch's `BatchNorm2d`).
    fn batch_norm<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        affine: &Affine<'_, E, Self>,
        residual: Option<FeatureMap<E, Self, T>>,
    ) -> Result<Normalised<E, Self, T>, Error> {
        Self::ghost_batch_norm(x, 1, affine, residual)
    }

    /// [`batch_norm`](Self::batch_norm) of `ghosts` equal parts of the batch, one after the other,
    /// each with its own statistics; their mean is returned (Hoffer et al., arXiv 1705.08741,
    /// algorithm 1).
    ///
    /// [`Error::Ghosts`] for a batch that is not divided by `ghosts`.
    fn ghost_batch_norm<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        ghosts: usize,
        affine: &Affine<'_, E, Self>,
        residual: Option<FeatureMap<E, Self, T>>,
    ) -> Result<Normalised<E, Self, T>, Error>;

    /// [`batch_norm`](Self::batch_norm) of the share of a batch that this rank has, with the statistics
    /// of all ranks together, each as much as it has pixels: PyTorch's `SyncBatchNorm`.
    ///
    /// All ranks must come here together, and go back together. What flows back to `x` is the gradient
    /// of the *sum* of the losses of all ranks, so each rank divides its loss by the samples of all of
    /// them. The gradients of scale and shift are this rank's terms of such a sum, as those of all other
    /// parameters.
    ///
    /// [`Error::Collective`] where a rank is missing. The way back has no room for this error: then the
    /// gradients are NaN, and the next call to the collective fails.
    fn sync_batch_norm<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        affine: &Affine<'_, E, Self>,
        residual: Option<FeatureMap<E, Self, T>>,
        ranks: &Arc<dyn Collective>,
    ) -> Result<Synchronised<E, Self, T>, Error>;

    /// Batch norm with given statistics (evaluation), then `+ residual`, then the activation.
    fn batch_norm_fixed<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        statistics: &BatchStatistics<Self>,
        affine: &Affine<'_, E, Self>,
        residual: Option<FeatureMap<E, Self, T>>,
    ) -> Result<FeatureMap<E, Self, T>, Error>;

    /// [`conv2d`](Self::conv2d), then [`batch_norm`](Self::batch_norm) of its output, which nothing
    /// else may need: where the two are one operator, the output in between has no gradient. `flow`
    /// says whether the gradient of `x` is wanted; where it costs nothing to know, it may come anyway.
    fn conv2d_batch_norm<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        filter: &FeatureMap<E, Self>,
        window: &Window,
        groups: usize,
        _flow: Flow,
        affine: &Affine<'_, E, Self>,
        residual: Option<FeatureMap<E, Self, T>>,
    ) -> Result<Normalised<E, Self, T>, Error> {
        Self::batch_norm(Self::conv2d(x, filter, window, groups)?, affine, residual)
    }

    /// [`conv2d`](Self::conv2d), then [`batch_norm_fixed`](Self::batch_norm_fixed) of its output. A filter's packed form
    /// is used, and kept, where a device packs filters and there is no tape.
    fn conv2d_batch_norm_fixed<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        filter: Filter<'_, E, Self>,
        window: &Window,
        groups: usize,
        statistics: &BatchStatistics<Self>,
        affine: &Affine<'_, E, Self>,
        residual: Option<FeatureMap<E, Self, T>>,
    ) -> Result<FeatureMap<E, Self, T>, Error> {
        let x = Self::conv2d(x, filter.values, window, groups)?;
        Self::batch_norm_fixed(x, statistics, affine, residual)
    }

    /// Maximum over each window; padding never wins, and of equal values the first does.
    fn max_pool<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        window: &Window,
    ) -> Result<FeatureMap<E, Self, T>, Error>;

    /// Average over each window.
    fn avg_pool<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        window: &Window,
        rounding: Rounding,
        divisor: Divisor,
    ) -> Result<FeatureMap<E, Self, T>, Error>;

    /// Average over all pixels: `(batch, height, width, channels)` to `(batch, channels)`.
    fn global_avg_pool<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
    ) -> Result<Matrix<E, Self, T>, Error>;

    /// `x · weight + bias`: `x` is `(batch, inputs)`, `weight` is `(inputs, outputs)`.
    fn linear<T: Tape<E, Self>>(
        x: Matrix<E, Self, T>,
        weight: &Matrix<E, Self>,
        bias: &Vector<E, Self>,
    ) -> Result<Matrix<E, Self, T>, Error>;

    /// Blurs with the binomial filter `[1, 2, 1] / 4` along each axis, and takes every second
    /// pixel: `n` pixels become `ceil(n / 2)` (Zhang, arXiv 1904.11486).
    ///
    /// The border is a mirror (PyTorch's `reflect`), as in timm's `BlurPool2d`; Composer pads with
    /// zeros. [`Error::Mirror`] for images of fewer than two pixels along an axis.
    fn blur_pool<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
    ) -> Result<FeatureMap<E, Self, T>, Error>;

    /// A function of each number by itself.
    fn pointwise<S: Shape, T: Tape<E, Self>>(
        x: Tensor<S, E, Self, T>,
        function: Pointwise,
    ) -> Result<Tensor<S, E, Self, T>, Error>;

    /// Multiplies each channel of each image by a factor: `factors` is `(batch, channels)`.
    ///
    /// With a gate's output this is squeeze and excitation, with a random mask dropout or
    /// stochastic depth.
    fn scale_channels<T: Tape<E, Self>>(
        x: FeatureMap<E, Self, T>,
        factors: Matrix<E, Self, T>,
    ) -> Result<FeatureMap<E, Self, T>, Error>;

    /// The channels of all parts one after the other; the parts agree in all else.
    fn concat_channels<T: Tape<E, Self>>(
        parts: Vec<FeatureMap<E, Self, T>>,
    ) -> Result<FeatureMap<E, Self, T>, Error>;

    /// Casts to the format that computes; no copy where that is `f32` already.
    fn from_f32<S: Shape>(x: Tensor<S, f32, Self>) -> Result<Tensor<S, E, Self>, Error>;

    /// Casts to the format that remembers; no copy where that is `f32` already.
    fn to_f32<S: Shape>(x: Tensor<S, E, Self>) -> Result<Tensor<S, f32, Self>, Error>;

    /// Takes the gradient of `of` out of `gradients` as `f32`; zeros where nothing flowed.
    fn take_gradient<S: Shape>(
        gradients: &mut Gradients<E, Self>,
        of: &Tensor<S, E, Self>,
    ) -> Result<Tensor<S, f32, Self>, Error>;
}
