//! Mean and variance of channels, chunk by chunk.

use crate::column_sums::{PAIRED, Terms, column_sums};
use crate::element::Stored;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::vectors::{Block, Vectors, repeated};
use crate::{BatchStats, Isa};

/// The first and second moments of each channel of some pixels, about a point that is near the mean.
pub(crate) struct ChunkMoments {
    pixels: f64,
    middle: Vec<f32>,
    /// The sums of the distances to the middle.
    sum: Vec<f32>,
    /// The sums of their squares.
    squares: Vec<f32>,
}

impl ChunkMoments {
    /// The moments of `x` (pixels x channels).
    pub(crate) fn new<E: Stored>(isa: Isa, x: &[E], channels: usize) -> Self {
        isa.run(Moments { x, channels })
    }
}

impl BatchStats {
    /// The statistics of one or more chunks together, joined in f64 and in their order.
    pub(crate) fn join(chunks: &[ChunkMoments], channels: usize) -> Self {
        Isa::current().run(Join { chunks, channels })
    }
}

/// A kernel for the sake of the instructions with which its loops are compiled.
struct Join<'a> {
    chunks: &'a [ChunkMoments],
    channels: usize,
}

impl Kernel for Join<'_> {
    type Output = BatchStats;

    #[inline(always)]
    fn run<L: Lanes>(self) -> BatchStats {
        let mean = self.mean();
        let var = self.variance(&mean);
        let narrow = |wide: Vec<f64>| wide.into_iter().map(|value| value as f32).collect();
        BatchStats { mean: narrow(mean), var: narrow(var) }
    }
}

impl Join<'_> {
    fn count(&self) -> f64 {
        self.chunks.iter().map(|chunk| chunk.pixels).sum()
    }

    #[inline(always)]
    fn mean(&self) -> Vec<f64> {
        let (count, mut means) = (self.count(), vec![0.0; self.channels]);
        for ChunkMoments { pixels, middle, sum, .. } in self.chunks {
            for ((mean, &middle), &sum) in means.iter_mut().zip(middle).zip(sum) {
                *mean += f64::from(middle) * pixels + f64::from(sum);
            }
        }
        means.iter_mut().for_each(|mean| *mean /= count);
        means
    }

    #[inline(always)]
    fn variance(&self, means: &[f64]) -> Vec<f64> {
        let (count, mut vars) = (self.count(), vec![0.0; means.len()]);
        for ChunkMoments { pixels, middle, sum, squares } in self.chunks {
            let moments = middle.iter().zip(sum).zip(squares);
            for ((var, mean), ((&middle, &sum), &squares)) in
                vars.iter_mut().zip(means).zip(moments)
            {
                // The sum of squares moves from the middle to the mean.
                let shift = f64::from(middle) - mean;
                *var += f64::from(squares) + shift * (2.0 * f64::from(sum) + shift * pixels);
            }
        }
        for var in &mut vars {
            *var /= count;
            // NaN stays.
            if *var < 0.0 {
                *var = 0.0;
            }
        }
        vars
    }
}

struct Moments<'a, E> {
    x: &'a [E],
    channels: usize,
}

impl<E: Stored> Kernel for Moments<'_, E> {
    type Output = ChunkMoments;

    #[inline(always)]
    fn run<L: Lanes>(self) -> ChunkMoments {
        let Self { x, channels } = self;
        let rows = x.len() / channels;
        let mut middle = vec![0.0; channels];
        for (middle, x) in middle.chunks_mut(LANES).zip(x[..channels].chunks(LANES)) {
            L::load_padded(x).store_part(middle);
        }
        let first = middle_rows(rows);
        let [sum] = sums::<L, E, 1>(&x[..first * channels], &middle);
        middle.iter_mut().zip(sum).for_each(|(middle, sum)| *middle += sum / first as f32);
        let [sum, squares] = sums::<L, E, 2>(x, &middle);
        ChunkMoments { pixels: rows as f64, middle, sum, squares }
    }
}

/// The sums of the distances to the middle, alone or with their squares.
#[inline(always)]
fn sums<L: Lanes, E: Stored, const N: usize>(x: &[E], middle: &[f32]) -> [Vec<f32>; N]
where
    for<'a> Distances<'a, E>: Terms<N>,
{
    let distances = Distances { x: Vectors::new(x), middles: &repeated(middle) };
    column_sums::<L, N>(x.len(), middle.len(), &distances)
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
    x: Vectors<'a, E>,
    middles: &'a [Block],
}

impl<E: Stored> Distances<'_, E> {
    #[inline(always)]
    fn distance<L: Lanes, const WHOLE: bool>(&self, middle: L, vector: usize) -> L {
        self.x.expect::<L>(vector + PAIRED * self.middles.len());
        self.x.load_if::<L, WHOLE>(vector).sub(middle)
    }
}

impl<E: Stored> Terms<1> for Distances<'_, E> {
    type Shared<L: Lanes> = L;

    #[inline(always)]
    fn shared<L: Lanes>(&self, block: usize) -> L {
        self.middles[block].load()
    }

    #[inline(always)]
    fn term<L: Lanes, const WHOLE: bool>(&self, middle: L, vector: usize) -> [L; 1] {
        [self.distance::<L, WHOLE>(middle, vector)]
    }
}

impl<E: Stored> Terms<2> for Distances<'_, E> {
    type Shared<L: Lanes> = L;

    #[inline(always)]
    fn shared<L: Lanes>(&self, block: usize) -> L {
        self.middles[block].load()
    }

    #[inline(always)]
    fn term<L: Lanes, const WHOLE: bool>(&self, middle: L, vector: usize) -> [L; 2] {
        let distance = self.distance::<L, WHOLE>(middle, vector);
        [distance, distance.mul_add(distance, L::splat(0.0))]
    }
}
