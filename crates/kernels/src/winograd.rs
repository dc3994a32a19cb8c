//! Convolutions of 3x3 with stride 1 by Winograd's minimal filtering: a fraction of the products, and
//! sums that are transformed before and after.

mod geometry;
mod passes;
mod product;
mod transform;
mod weights;

use std::cell::RefCell;

use rayon::prelude::*;

use crate::Isa;
use crate::band;
use crate::correlate_tiles::Write;
use crate::direction::Direction;
use crate::lanes::LANES;

pub(crate) use geometry::Geometry;
use passes::{Correlate, Scratch, WeightGradient};
use transform::TAPS;

/// Into how many tasks the weight's gradient is divided, whatever the number of threads.
const TASKS: usize = 16;

/// Blocks of columns in a task, if there are so many: the transformed source serves all of them.
const TASK_BLOCKS: usize = 4;

thread_local! {
    /// Some megabytes, which are in the cache when the next task needs them.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Overwrites the output (forward), or adds to the gradient of the input (backward).
pub(crate) fn correlate(
    geometry: &Geometry,
    direction: Direction,
    source: &[f32],
    weight: &[f32],
    destination: &mut [f32],
) {
    let isa = Isa::current();
    let write = match direction {
        Direction::Forward => Write::Overwrite,
        Direction::Backward => Write::Add,
    };
    let panels = weights::panels(geometry, isa, direction, weight);
    let bands = geometry.bands();
    let parts = band::split(&bands, geometry.destination, destination);
    parts.into_par_iter().for_each(|(band, destination)| {
        SCRATCH.with_borrow_mut(|scratch| {
            let panels = &panels;
            isa.run(Correlate { geometry, band, source, panels, write, destination, scratch });
        });
    });
}

/// Adds the gradient of the weight to `dweight`.
pub(crate) fn weight_gradient(geometry: &Geometry, x: &[f32], dy: &[f32], dweight: &mut [f32]) {
    let isa = Isa::current();
    let (depth, columns) = (geometry.source.channels, geometry.destination.channels);
    let blocks = columns / LANES;
    let shares = blocks.div_ceil(TASK_BLOCKS);
    let bands = geometry.shares((TASKS / shares).max(1));
    // For each band, each block and each tap: one for each source channel.
    let block_len = TAPS * depth;
    let mut sums = vec![[0.0; LANES]; bands.len() * blocks * block_len];
    let tasks: Vec<_> = sums
        .chunks_mut(blocks * block_len)
        .zip(&bands)
        .flat_map(|(sums, band)| {
            let shares = sums.chunks_mut(TASK_BLOCKS * block_len).enumerate();
            shares.map(move |(i, sums)| (band, i * TASK_BLOCKS, sums))
        })
        .collect();
    tasks.into_par_iter().for_each(|(&band, first_block, sums)| {
        SCRATCH.with_borrow_mut(|scratch| {
            isa.run(WeightGradient { geometry, band, first_block, x, dy, sums, scratch });
        });
    });
    dweight.par_chunks_exact_mut(columns).enumerate().for_each(|(row, dweight)| {
        for sums in sums.chunks_exact(blocks * block_len) {
            let sums = sums[row..].iter().step_by(block_len).flatten();
            dweight.iter_mut().zip(sums).for_each(|(dweight, sum)| *dweight += sum);
        }
    });
}
