//! Mean and variance of channels, chunk by chunk.

use crate::column_sums::{Terms, column_sums};
use crate::element::Stored;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::{BatchStats, Isa};

/// The first and second moments of each channel of some pixels.
pub(crate) struct ChunkMoments {
    pixels: f64,
    blocks: Vec<BlockMoments>,
}

/// Sixteen channels' moments about a point that is near the mean.
struct BlockMoments {
    middle: [f32; LANES],
    /// The sum of the distances to the middle.
    sum: [f32; LANES],
    /// The sum of their squares.
    squares: [f32; LANES],
}

impl ChunkMoments {
    /// The moments of `x` (pixels x channels).
    pub(crate) fn new<E: Stored>(isa: Isa, x: &[E], channels: usize) -> Self {
        Self { pixels: (x.len() / channels) as f64, blocks: isa.run(Moments { x, channels }) }
    }
}

impl BatchStats {
    /// The statistics of one or more chunks together, joined in f64 and in their order.
    pub(crate) fn join(chunks: &[ChunkMoments], channels: usize) -> Self {
        let mean = mean(chunks, channels.div_ceil(LANES));
        let var = variance(chunks, &mean);
        let narrow = |wide: Vec<[f64; LANES]>| {
            wide.into_iter().flatten().take(channels).map(|value| value as f32).collect()
        };
        Self { mean: narrow(mean), var: narrow(var) }
    }
}

fn count(chunks: &[ChunkMoments]) -> f64 {
    chunks.iter().map(|chunk| chunk.pixels).sum()
}

fn mean(chunks: &[ChunkMoments], blocks: usize) -> Vec<[f64; LANES]> {
    let (count, mut means) = (count(chunks), vec![[0.0; LANES]; blocks]);
    for chunk in chunks {
        for (mean, BlockMoments { middle, sum, .. }) in means.iter_mut().zip(&chunk.blocks) {
            for i in 0..LANES {
                mean[i] += (f64::from(middle[i]) * chunk.pixels + f64::from(sum[i])) / count;
            }
        }
    }
    means
}

fn variance(chunks: &[ChunkMoments], means: &[[f64; LANES]]) -> Vec<[f64; LANES]> {
    let (count, mut vars) = (count(chunks), vec![[0.0; LANES]; means.len()]);
    for chunk in chunks {
        for ((var, mean), block) in vars.iter_mut().zip(means).zip(&chunk.blocks) {
            for i in 0..LANES {
                // The sum of squares moves from the middle to the mean.
                let shift = f64::from(block.middle[i]) - mean[i];
                let moved = shift * (2.0 * f64::from(block.sum[i]) + shift * chunk.pixels);
                var[i] += (f64::from(block.squares[i]) + moved) / count;
            }
        }
    }
    vars.as_flattened_mut().iter_mut().filter(|var| **var < 0.0).for_each(|var| *var = 0.0);
    vars
}

struct Moments<'a, E> {
    x: &'a [E],
    channels: usize,
}

impl<E: Stored> Kernel for Moments<'_, E> {
    type Output = Vec<BlockMoments>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<BlockMoments> {
        let Self { x, channels } = self;
        let rows = x.len() / channels;
        let mut middles = vec![[0.0; LANES]; channels.div_ceil(LANES)];
        for (block, middle) in middles.iter_mut().enumerate() {
            L::load_padded(&x[block * LANES..]).store(middle);
        }
        let first = middle_rows(rows);
        let distances = Distances { x, middles: &middles };
        let sums = column_sums::<L, 1>(first, channels, &distances);
        for (middle, [sum]) in middles.iter_mut().zip(sums) {
            middle.iter_mut().zip(sum).for_each(|(middle, sum)| *middle += sum / first as f32);
        }
        let distances = Distances { x, middles: &middles };
        let sums = column_sums::<L, 2>(rows, channels, &distances);
        let moments = middles.into_iter().zip(sums);
        moments.map(|(middle, [sum, squares])| BlockMoments { middle, sum, squares }).collect()
    }
}

/// How many of a chunk's rows have the middle as their mean: a quarter, and not fewer than eight.
///
/// By Cauchy's inequality the squared distance between the mean of `k` of `n` numbers and that of all is
/// at most `n / k` variances. It is this distance alone that costs precision: here little more than two bits, at
/// worst.
fn middle_rows(rows: usize) -> usize {
    rows.div_ceil(4).max(8).min(rows)
}

/// The distances to the middles, alone or with their squares.
struct Distances<'a, E> {
    x: &'a [E],
    middles: &'a [[f32; LANES]],
}

impl<E: Stored> Distances<'_, E> {
    #[inline(always)]
    fn middle<L: Lanes>(&self, column: usize) -> L {
        L::load(&self.middles[column / LANES])
    }

    #[inline(always)]
    fn distance<L: Lanes>(&self, middle: L, at: usize) -> L {
        L::load_padded(&self.x[at..]).sub(middle)
    }
}

impl<E: Stored> Terms<1> for Distances<'_, E> {
    type Shared<L: Lanes> = L;

    #[inline(always)]
    fn shared<L: Lanes>(&self, column: usize) -> L {
        self.middle(column)
    }

    #[inline(always)]
    fn term<L: Lanes>(&self, middle: L, at: usize) -> [L; 1] {
        [self.distance(middle, at)]
    }
}

impl<E: Stored> Terms<2> for Distances<'_, E> {
    type Shared<L: Lanes> = L;

    #[inline(always)]
    fn shared<L: Lanes>(&self, column: usize) -> L {
        self.middle(column)
    }

    #[inline(always)]
    fn term<L: Lanes>(&self, middle: L, at: usize) -> [L; 2] {
        let distance: L = self.distance(middle, at);
        [distance, distance.mul_add(distance, L::splat(0.0))]
    }
}
