//! The composed forms of pooling.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use trickbag_kernels::{AvgPool, Divisor, ImageShape, MaxPool, Rounding, Window};

use super::recompute::of_map;
use super::rows::{Rows, gather, padded_rows, seen, taps};
use super::{dims, image_shape};
use crate::{Descent, Error, FeatureMap, Matrix, Vector, Widen};

/// What an average pool is beside its numbers.
#[derive(Debug, Clone, Copy)]
struct Averages {
    input: ImageShape,
    output: ImageShape,
    window: Window,
    divisor: Divisor,
}

/// See [`Backend::max_pool`](crate::Backend::max_pool).
pub fn max_pool<E: Dtype, D: Device<E> + Descent, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    window: &Window,
) -> Result<FeatureMap<E, D, T>, Error> {
    let pool = MaxPool::new(image_shape(x.shape()), *window)?;
    largest(x, &pool, *window).map_err(Error::device)
}

/// [`max_pool`] that keeps nothing for the way back.
pub(super) fn lean_max<E: Dtype, D: Widen<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    window: &Window,
) -> Result<FeatureMap<E, D, T>, Error> {
    let (pool, window) = (MaxPool::new(image_shape(x.shape()), *window)?, *window);
    of_map(x, move |x| largest(x, &pool, window), move |x| largest(x, &pool, window))
}

fn largest<E: Dtype, D: Device<E> + Descent, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    pool: &MaxPool,
    window: Window,
) -> Result<FeatureMap<E, D, T>, D::Err> {
    let (input, output) = (pool.input(), pool.output());
    let rows = |tap| Rows::Tap { input, output, window, tap };
    let lowest = E::from_f64(f64::NEG_INFINITY).unwrap_or_default();
    let pixels = padded_rows(x, lowest)?;
    let again = pixels.retaped::<NoneTape>();
    let mut best = gather(pixels, rows(0))?;
    // One comparison after another, so that of equal values exactly the first gets the gradient.
    for tap in 1..taps(&window) {
        let candidate = gather(again.retaped::<T>(), rows(tap))?;
        let wins = candidate.try_gt(&best)?;
        best = wins.try_choose(candidate, best)?;
    }
    best.try_reshape_like(&dims(output))
}

/// See [`Backend::avg_pool`](crate::Backend::avg_pool).
pub fn avg_pool<E: Dtype, D: Device<E> + Descent, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    window: &Window,
    rounding: Rounding,
    divisor: Divisor,
) -> Result<FeatureMap<E, D, T>, Error> {
    Averages::new(x.shape(), window, rounding, divisor)?.of(x).map_err(Error::device)
}

/// [`avg_pool`] that keeps nothing for the way back, and computes in `f32` at least.
pub(super) fn lean_avg<E: Dtype, D: Widen<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    window: &Window,
    rounding: Rounding,
    divisor: Divisor,
) -> Result<FeatureMap<E, D, T>, Error> {
    let averages = Averages::new(x.shape(), window, rounding, divisor)?;
    of_map(x, move |x| averages.of(x), move |x| averages.of(x))
}

/// See [`Backend::global_avg_pool`](crate::Backend::global_avg_pool).
pub fn global_avg_pool<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
) -> Result<Matrix<E, D, T>, Error> {
    mean(x).map_err(Error::device)
}

/// [`global_avg_pool`] that computes in `f32` at least.
pub(super) fn lean_global<E: Dtype, D: Widen<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
) -> Result<Matrix<E, D, T>, Error> {
    of_map(x, mean, mean)
}

fn mean<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
) -> Result<Matrix<E, D, T>, D::Err> {
    let (batch, height, width, channels) = *x.shape();
    x.try_reshape_like(&(batch, height * width, channels))?.try_mean::<(usize, usize), Axis<1>>()
}

impl Averages {
    fn new(
        x: &(usize, usize, usize, usize),
        window: &Window,
        rounding: Rounding,
        divisor: Divisor,
    ) -> Result<Self, Error> {
        let pool = AvgPool::new(image_shape(x), *window, rounding, divisor)?;
        Ok(Self { input: pool.input(), output: pool.output(), window: *window, divisor })
    }

    fn of<E: Dtype, D: Device<E> + Descent, T: Tape<E, D>>(
        self,
        x: FeatureMap<E, D, T>,
    ) -> Result<FeatureMap<E, D, T>, D::Err> {
        let Self { input, output, window, .. } = self;
        let shares = self.counts().into_iter();
        let shares = shares.map(|count| E::from_f64(1.0 / count as f64).unwrap_or_default());
        let shares: Vector<E, D> =
            x.device().try_tensor_from_vec(shares.collect(), (output.pixels(),))?;
        let flat = (output.pixels(), output.channels);
        let shares = shares.retaped::<T>().try_broadcast_like::<_, Axis<1>>(&flat)?;
        gather(padded_rows(x, E::default())?, Rows::Windows { input, output, window })?
            .try_reshape_like(&(output.pixels(), taps(&window), output.channels))?
            .try_sum::<(usize, usize), Axis<1>>()?
            .try_mul(shares)?
            .try_reshape_like(&dims(output))
    }

    /// Per output pixel, the taps that count.
    fn counts(self) -> Vec<usize> {
        let Self { input, output, .. } = self;
        let columns: Vec<_> = (0..output.width).map(|ow| self.count(1, ow, input.width)).collect();
        let rows = (0..output.height).map(|oh| self.count(0, oh, input.height));
        let image: Vec<_> = rows.flat_map(|r| columns.iter().map(move |c| r * c)).collect();
        image.repeat(output.batch)
    }

    /// Along one axis: all but those where rounding up ends a window beyond the padding, or those
    /// that lie in the image.
    fn count(self, axis: usize, output: usize, size: usize) -> usize {
        let Self { window, divisor, .. } = self;
        let counts = |tap: &usize| match divisor {
            Divisor::Window => output * window.stride[axis] + tap < size + 2 * window.padding[axis],
            Divisor::Valid => seen(&window, axis, output, *tap).is_some_and(|i| i < size),
        };
        (0..window.kernel[axis]).filter(counts).count()
    }
}
