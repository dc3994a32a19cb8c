//! Batch normalisation of a matrix of pixels x channels, fused with a residual sum and a ReLU.

use rayon::prelude::*;

use crate::error::check_lengths;
use crate::lanes::LANES;
use crate::norm_rows::{BlockMoments, Differentiate, Feedback, GradientSums, Moments, Normalise};
use crate::{Error, Isa};

/// Numbers in a chunk of pixels: few enough to stay in a core's second-level cache.
const CHUNK_LEN: usize = 32 * 1024;

/// Pixels in a chunk at least, so that its sums are small beside it.
const MIN_CHUNK_ROWS: usize = 32;

/// What follows the normalisation (and the residual sum).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `max(z, 0)`; NaN stays NaN.
    Relu,
}

/// Mean and biased variance of each channel.
///
/// The biased variance (divided by n) normalises. A running variance for evaluation takes the unbiased
/// one, which is `n / (n - 1)` times as large: the convention of PyTorch and of Ioffe and Szegedy,
/// "Batch Normalization" (2015), algorithm 2. Keras takes the biased one for both.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchStats {
    /// One mean per channel.
    pub mean: Vec<f32>,
    /// One variance per channel: the mean squared distance to the mean.
    pub var: Vec<f32>,
}

/// Whether the statistics were functions of `x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistics {
    /// Mean and variance came from `x` itself, as in training.
    Batch,
    /// Mean and variance were constants, as in evaluation.
    Fixed,
}

/// Where [`batch_norm_backward`] adds its results.
#[derive(Debug)]
pub struct NormGradients<'a> {
    /// Gradient of the input, pixels x channels.
    pub x: &'a mut [f32],
    /// Gradient of the scale, one per channel.
    pub scale: &'a mut [f32],
    /// Gradient of the shift, one per channel.
    pub shift: &'a mut [f32],
    /// Gradient of the residual, pixels x channels, if it is wanted.
    pub residual: Option<&'a mut [f32]>,
}

/// Mean and biased variance of each channel of `x` (pixels x channels).
///
/// Each chunk of pixels is centred before its squares are summed, and the chunks are joined in f64,
/// so that a large mean costs no precision.
///
/// ```
/// # fn main() -> Result<(), trickbag_kernels::Error> {
/// let stats = trickbag_kernels::batch_norm_stats(&[1.0, 10.0, 3.0, 10.0], 2)?;
/// assert_eq!(stats.mean, [2.0, 10.0]);
/// assert_eq!(stats.var, [1.0, 0.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Rows`] if `x` does not divide into one pixel or more of `channels` numbers.
pub fn batch_norm_stats(x: &[f32], channels: usize) -> Result<BatchStats, Error> {
    check_rows("batch_norm_stats", x, channels)?;
    let isa = Isa::current();
    let chunks = x.par_chunks(chunk_len(channels));
    let moment = |x: &[f32]| ((x.len() / channels) as f64, isa.run(Moments { x, channels }));
    let moments: Vec<_> = chunks.map(moment).collect();
    let (mean, var) = join(&moments, (x.len() / channels) as f64);
    let narrow = |wide: Vec<[f64; LANES]>| {
        wide.into_iter().flatten().take(channels).map(|value| value as f32).collect()
    };
    Ok(BatchStats { mean: narrow(mean), var: narrow(var) })
}

/// Overwrites `y` with `act((x - mean) / sqrt(var + eps) * scale + shift [+ residual])`.
///
/// Training passes the batch's own statistics, evaluation the running ones.
///
/// # Errors
///
/// [`Error::Length`] or [`Error::Rows`] if a slice does not fit the others.
#[expect(clippy::too_many_arguments, reason = "the operands of one fused operator")]
pub fn batch_norm(
    x: &[f32],
    stats: &BatchStats,
    scale: &[f32],
    shift: &[f32],
    eps: f32,
    residual: Option<&[f32]>,
    activation: Activation,
    y: &mut [f32],
) -> Result<(), Error> {
    let operator = "batch_norm";
    let channels = stats.mean.len();
    check_rows(operator, x, channels)?;
    check_lengths(
        operator,
        &[
            ("stats.var", stats.var.len(), channels),
            ("scale", scale.len(), channels),
            ("shift", shift.len(), channels),
            ("residual", residual.map_or(x.len(), <[f32]>::len), x.len()),
            ("y", y.len(), x.len()),
        ],
    )?;
    let slope = slope(stats, scale, eps);
    let isa = Isa::current();
    let chunk = chunk_len(channels);
    y.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).enumerate().for_each(|(i, (y, x))| {
        let residual = residual.map(|residual| &residual[i * chunk..][..x.len()]);
        isa.run(Normalise { x, mean: &stats.mean, slope: &slope, shift, residual, activation, y });
    });
    Ok(())
}

/// Adds the gradients of [`batch_norm`]'s operands to `grads`, given its input `x`, its output `y`
/// (which says where the ReLU passed) and the gradient `dy` of the output.
///
/// # Errors
///
/// [`Error::Length`] or [`Error::Rows`] if a slice does not fit the others.
#[expect(clippy::too_many_arguments, reason = "the operands of one fused operator")]
pub fn batch_norm_backward(
    x: &[f32],
    y: &[f32],
    stats: &BatchStats,
    scale: &[f32],
    eps: f32,
    activation: Activation,
    statistics: Statistics,
    dy: &[f32],
    grads: NormGradients<'_>,
) -> Result<(), Error> {
    let operator = "batch_norm_backward";
    let channels = stats.mean.len();
    check_rows(operator, x, channels)?;
    check_lengths(
        operator,
        &[
            ("y", y.len(), x.len()),
            ("stats.var", stats.var.len(), channels),
            ("scale", scale.len(), channels),
            ("dy", dy.len(), x.len()),
            ("grads.x", grads.x.len(), x.len()),
            ("grads.scale", grads.scale.len(), channels),
            ("grads.shift", grads.shift.len(), channels),
            ("grads.residual", grads.residual.as_ref().map_or(x.len(), |r| r.len()), x.len()),
        ],
    )?;
    let mean = &stats.mean;
    let isa = Isa::current();
    let chunk = chunk_len(channels);
    let inputs = x.par_chunks(chunk).zip(y.par_chunks(chunk)).zip(dy.par_chunks(chunk));
    let sums = |((x, y), dy)| isa.run(GradientSums { x, y, dy, mean, activation });
    let sums = total(inputs.clone().map(sums).collect(), channels);
    for (c, &(sum, product)) in sums.iter().enumerate() {
        grads.shift[c] += sum as f32;
        grads.scale[c] += product as f32 * inverse_deviation(stats.var[c], eps);
    }
    let slope = slope(stats, scale, eps);
    let feedback = match statistics {
        Statistics::Batch => {
            let count = (x.len() / channels) as f32;
            Some(Feedback::new(&sums, count, &stats.var, eps, &slope))
        }
        Statistics::Fixed => None,
    };
    let (slope, feedback) = (&slope[..], feedback.as_ref());
    let residuals: Vec<_> = match grads.residual {
        Some(residual) => residual.chunks_mut(chunk).map(Some).collect(),
        None => (0..x.len().div_ceil(chunk)).map(|_| None).collect(),
    };
    let outputs = grads.x.par_chunks_mut(chunk).zip(residuals);
    inputs.zip(outputs).for_each(|(((x, y), dy), (dx, dresidual))| {
        isa.run(Differentiate { x, y, dy, mean, slope, feedback, activation, dx, dresidual });
    });
    Ok(())
}

impl Feedback {
    /// What flows back into each of `count` pixels, given the sums of [`GradientSums`].
    fn new(sums: &[(f64, f64)], count: f32, var: &[f32], eps: f32, slope: &[f32]) -> Self {
        let share = |sum: f64, slope: f32| -slope * sum as f32 / count;
        let constant = sums.iter().zip(slope).map(|(&(sum, _), &slope)| share(sum, slope));
        let multiple = sums.iter().zip(slope).zip(var).map(|((&(_, product), &slope), &var)| {
            share(product, slope) * inverse_deviation(var, eps).powi(2)
        });
        Self { constant: constant.collect(), multiple: multiple.collect() }
    }
}

/// Numbers in a chunk: whole pixels; a function of the shape only, and so is the order of the sums.
fn chunk_len(channels: usize) -> usize {
    (CHUNK_LEN / channels).max(MIN_CHUNK_ROWS) * channels
}

/// What one unit of `x` adds to the output.
fn slope(stats: &BatchStats, scale: &[f32], eps: f32) -> Vec<f32> {
    let channels = stats.var.iter().zip(scale);
    channels.map(|(&var, scale)| scale * inverse_deviation(var, eps)).collect()
}

fn inverse_deviation(var: f32, eps: f32) -> f32 {
    1.0 / (var + eps).sqrt()
}

/// The mean and variance of all chunks together, given each one's number of pixels and its moments.
fn join(chunks: &[(f64, Vec<BlockMoments>)], count: f64) -> (Vec<[f64; LANES]>, Vec<[f64; LANES]>) {
    let blocks = chunks.first().map_or(0, |(_, blocks)| blocks.len());
    let (mut mean, mut var) = (vec![[0.0; LANES]; blocks], vec![[0.0; LANES]; blocks]);
    for (rows, blocks) in chunks {
        for (mean, BlockMoments { middle, sum, .. }) in mean.iter_mut().zip(blocks) {
            for i in 0..LANES {
                mean[i] += (f64::from(middle[i]) * rows + f64::from(sum[i])) / count;
            }
        }
    }
    for (rows, blocks) in chunks {
        for ((var, mean), block) in var.iter_mut().zip(&mean).zip(blocks) {
            for i in 0..LANES {
                // The sum of squares moves from the middle to the mean.
                let shift = f64::from(block.middle[i]) - mean[i];
                let moved = shift * (2.0 * f64::from(block.sum[i]) + shift * rows);
                var[i] += (f64::from(block.squares[i]) + moved) / count;
            }
        }
    }
    var.as_flattened_mut().iter_mut().filter(|var| **var < 0.0).for_each(|var| *var = 0.0);
    (mean, var)
}

/// Sums the chunks' sums and products for each channel, in the chunks' order.
fn total(chunks: Vec<Vec<[[f32; LANES]; 2]>>, channels: usize) -> Vec<(f64, f64)> {
    let mut totals = vec![[[0.0; LANES]; 2]; channels.div_ceil(LANES)];
    for chunk in &chunks {
        let totals = totals.as_flattened_mut().as_flattened_mut().iter_mut();
        let sums = chunk.as_flattened().as_flattened();
        totals.zip(sums).for_each(|(total, &sum)| *total += f64::from(sum));
    }
    let pairs = totals.into_iter().flat_map(|[sums, products]| sums.into_iter().zip(products));
    pairs.take(channels).collect()
}

fn check_rows(operator: &'static str, x: &[f32], channels: usize) -> Result<(), Error> {
    if channels == 0 || x.is_empty() || !x.len().is_multiple_of(channels) {
        return Err(Error::Rows { operator, operand: "x", found: x.len(), channels });
    }
    Ok(())
}
