//! Batch normalisation of a matrix of pixels x channels, fused with a residual sum and a ReLU.

use crate::error::check_lengths;
use crate::fresh::{chunks, in_parts_with};
use crate::lanes::LANES;
use crate::moments::ChunkMoments;
use crate::norm_rows::Normalise;
use crate::vectors::{Block, repeated, row_len};
use crate::{Element, Error, Isa, tasks};

/// Numbers in a chunk of pixels: few enough to stay in a core's second-level cache.
const CHUNK_LEN: usize = 32 * 1024;

/// Numbers in a chunk of the output, which is zeroed first: few enough for the first-level cache.
const OUTPUT_CHUNK_LEN: usize = 4 * 1024;

/// Pixels in a chunk at least, so that its sums are small beside it. All chunks have a multiple of this, and so begin
/// at whole vectors.
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
pub fn batch_norm_stats<E: Element>(x: &[E], channels: usize) -> Result<BatchStats, Error> {
    check_rows("batch_norm_stats", x, channels)?;
    let isa = Isa::current();
    let chunks = x.chunks(chunk_len(channels));
    let moments = tasks::map(chunks, |_, x| ChunkMoments::new(isa, x, channels));
    Ok(BatchStats::join(&moments, channels))
}

/// `act((x - mean) / sqrt(var + eps) * scale + shift [+ residual])`.
///
/// Training passes the batch's own statistics, evaluation the running ones.
///
/// # Errors
///
/// [`Error::Length`] or [`Error::Rows`] if a slice does not fit the others.
pub fn batch_norm<E: Element>(x: &[E], norm: FixedNorm<'_, E>) -> Result<Vec<E>, Error> {
    norm.normalised(x, &mut [])
}

/// The same, and for each sixteen numbers of the output which of them are positive before they are rounded, or NaN:
/// these the ReLU lets pass. The lowest bit is for the first.
///
/// ```
/// use trickbag_kernels::{Activation, BatchStats, FixedNorm, batch_norm_with_bits};
/// # fn main() -> Result<(), trickbag_kernels::Error> {
/// let stats = &BatchStats { mean: vec![2.0], var: vec![1.0] };
/// let (scale, shift, residual) = (&[1.0][..], &[0.0][..], Some(&[0.0, 0.0, 2.0][..]));
/// let norm = FixedNorm { stats, scale, shift, eps: 0.0, residual, activation: Activation::Relu };
/// let (y, bits) = batch_norm_with_bits(&[5.0, 0.0, 1.0], norm)?;
/// assert_eq!((y, bits), (vec![3.0, 0.0, 1.0], vec![0b101]));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Length`] or [`Error::Rows`] if a slice does not fit the others.
pub fn batch_norm_with_bits<E: Element>(
    x: &[E],
    norm: FixedNorm<'_, E>,
) -> Result<(Vec<E>, Vec<u16>), Error> {
    let mut bits = vec![0; x.len().div_ceil(LANES)];
    Ok((norm.normalised(x, &mut bits)?, bits))
}

/// A batch norm with given statistics, a residual sum and an activation.
#[derive(Debug, Clone, Copy)]
pub struct FixedNorm<'a, E> {
    /// Mean and variance of each channel.
    pub stats: &'a BatchStats,
    /// What each channel is multiplied by.
    pub scale: &'a [f32],
    /// What is added to each channel then.
    pub shift: &'a [f32],
    /// What is added to the variance.
    pub eps: f32,
    /// What is added to each number, if anything is.
    pub residual: Option<&'a [E]>,
    /// What follows.
    pub activation: Activation,
}

impl<'a, E: Element> FixedNorm<'a, E> {
    /// Checks that it fits so many numbers of so many channels.
    pub(crate) fn check(
        &self,
        operator: &'static str,
        len: usize,
        channels: usize,
    ) -> Result<(), Error> {
        let Self { stats, scale, shift, residual, .. } = self;
        check_lengths(
            operator,
            &[
                ("stats.mean", stats.mean.len(), channels),
                ("stats.var", stats.var.len(), channels),
                ("scale", scale.len(), channels),
                ("shift", shift.len(), channels),
                ("residual", residual.map_or(len, <[E]>::len), len),
            ],
        )
    }

    /// The output for `x`. Which numbers of it pass the ReLU goes into `bits`, unless these are empty.
    fn normalised(self, x: &[E], bits: &mut [u16]) -> Result<Vec<E>, Error> {
        let channels = self.stats.mean.len();
        check_rows("batch_norm", x, channels)?;
        self.check("batch_norm", x.len(), channels)?;
        let rows = self.rows();
        let row = row_len(channels);
        let chunk = (OUTPUT_CHUNK_LEN / row).max(1) * row;
        let mut bits = bits.chunks_mut(chunk / LANES);
        let parts = chunks(x.len(), chunk).map(|len| (len, bits.next().unwrap_or_default()));
        let (y, _) = in_parts_with(parts, |i, y, bits| {
            rows.normalise(i * chunk, Some(&x[i * chunk..][..y.len()]), y, bits);
        });
        Ok(y)
    }

    pub(crate) fn rows(self) -> NormRows<'a, E> {
        let Self { stats, scale, shift, eps, .. } = self;
        let of_channels = [&stats.mean, &slope(stats, scale, eps), shift].map(repeated);
        NormRows { isa: Isa::current(), norm: self, of_channels }
    }
}

/// A norm, and what it does to the channels of a row.
pub(crate) struct NormRows<'a, E> {
    isa: Isa,
    norm: FixedNorm<'a, E>,
    /// Mean, slope and shift.
    of_channels: [Vec<Block>; 3],
}

impl<E: Element> NormRows<'_, E> {
    /// Normalises `x`, or what `y` holds, into `y`, whose first number is this one of the whole and
    /// begins a pixel. Which numbers pass the ReLU goes into `bits`, unless these are empty.
    pub(crate) fn normalise(&self, first: usize, x: Option<&[E]>, y: &mut [E], bits: &mut [u16]) {
        let [mean, slope, shift] = self.of_channels.each_ref().map(Vec::as_slice);
        let FixedNorm { residual, activation, .. } = self.norm;
        let residual = residual.map(|residual| &residual[first..][..y.len()]);
        self.isa.run(Normalise { x, mean, slope, shift, residual, activation, y, bits });
    }
}

/// Numbers in a chunk: whole pixels; a function of the shape only, and so is the order of the sums.
pub(crate) fn chunk_len(channels: usize) -> usize {
    (CHUNK_LEN / channels / MIN_CHUNK_ROWS).max(1) * MIN_CHUNK_ROWS * channels
}

/// What one unit of `x` adds to the output.
pub(crate) fn slope(stats: &BatchStats, scale: &[f32], eps: f32) -> Vec<f32> {
    let channels = stats.var.iter().zip(scale);
    channels.map(|(&var, scale)| scale * inverse_deviation(var, eps)).collect()
}

pub(crate) fn inverse_deviation(var: f32, eps: f32) -> f32 {
    1.0 / (var + eps).sqrt()
}

pub(crate) fn check_rows<E>(operator: &'static str, x: &[E], channels: usize) -> Result<(), Error> {
    if channels == 0 || x.is_empty() || !x.len().is_multiple_of(channels) {
        return Err(Error::Rows { operator, operand: "x", found: x.len(), channels });
    }
    Ok(())
}
