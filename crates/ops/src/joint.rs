//! The statistics of a batch that ranks share, and what flows back through them.

use std::sync::Arc;

use trickbag_collective::{Collective, Values};
use trickbag_kernels::BatchStats;

use crate::Error;

/// The statistics of the pixels of all ranks.
#[derive(Debug, Clone)]
pub(crate) struct Joint {
    pub(crate) stats: BatchStats,
    pub(crate) pixels: u64,
    ranks: Arc<dyn Collective>,
}

impl Joint {
    /// Joins the statistics of this rank's pixels with those of the others, in `f64`, where the
    /// difference of two large moments costs no digit of an `f32`.
    pub(crate) fn new(
        own: &BatchStats,
        pixels: usize,
        ranks: &Arc<dyn Collective>,
    ) -> Result<Self, Error> {
        let count = pixels as f64;
        let mut sums = vec![count];
        sums.extend(own.mean.iter().map(|&mean| count * f64::from(mean)));
        let squares = own.mean.iter().zip(&own.var);
        let squares = squares.map(|(&mean, &var)| f64::from(var) + f64::from(mean).powi(2));
        sums.extend(squares.map(|square| count * square));
        ranks.all_reduce(Values::F64(&mut sums))?;
        let (count, (first, second)) = (sums[0], sums[1..].split_at(own.mean.len()));
        let variance = |(first, second): (&f64, &f64)| {
            let var = second / count - (first / count).powi(2);
            if var < 0.0 { 0.0 } else { var as f32 }
        };
        let stats = BatchStats {
            mean: first.iter().map(|sum| (sum / count) as f32).collect(),
            var: first.iter().zip(second).map(variance).collect(),
        };
        Ok(Self { stats, pixels: count as u64, ranks: ranks.clone() })
    }

    /// What flows back to `x` through the statistics: the factor of the normalised `x`, and what is
    /// added, for each channel. It takes this rank's gradients of the norm's scale and shift.
    ///
    /// NaN where a rank is missing: a tape has no room for the error, which the next call brings.
    pub(crate) fn feedback(
        &self,
        scale: &[f32],
        eps: f32,
        dscale: &[f32],
        dshift: &[f32],
    ) -> [Vec<f32>; 2] {
        let mut sums: Vec<f64> = dscale.iter().chain(dshift).copied().map(f64::from).collect();
        if self.ranks.all_reduce(Values::F64(&mut sums)).is_err() {
            sums.fill(f64::NAN);
        }
        let (dscale, dshift) = sums.split_at(scale.len());
        [dscale, dshift].map(|sums| {
            let channels = sums.iter().zip(scale).zip(&self.stats.var);
            let mean = channels.map(|((sum, &scale), &var)| {
                let slope = f64::from(scale) / f64::from(var + eps).sqrt();
                (-slope * sum / self.pixels as f64) as f32
            });
            mean.collect()
        })
    }
}
