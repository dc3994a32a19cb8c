//! Convolutions of 3x3 with stride 1 by Winograd's minimal filtering: a fraction of the products, and
//! sums that are transformed before and after.

mod geometry;
mod passes;
mod points;
mod product;
mod transform;
mod weights;

use std::cell::RefCell;

use rayon::prelude::*;

use crate::band;
use crate::direction::Direction;
use crate::element::Stored;
use crate::fresh::in_parts;
use crate::lanes::LANES;
use crate::totals::add_to_rows;
use crate::{Element, Isa, Write};

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

/// Writes the output (forward) or the gradient of the input (backward) into `destination`; `finish` sees
/// each band of it once it is written.
pub(crate) fn correlate<E: Stored, T: Send>(
    geometry: &Geometry,
    direction: Direction,
    write: Write,
    source: &[E],
    weight: &[E],
    destination: &mut [E],
    finish: impl Fn(usize, &mut [E]) -> T + Sync,
) -> Vec<T> {
    let isa = Isa::current();
    let panels = &weights::panels(geometry, isa, direction, weight);
    let bands = geometry.bands();
    let parts = band::split(&bands, geometry.destination, destination);
    let parts = parts.into_par_iter().map(|(band, destination)| {
        SCRATCH.with_borrow_mut(|scratch| {
            let destination = &mut *destination;
            isa.run(Correlate { geometry, band, source, panels, write, destination, scratch });
        });
        finish(band.first(geometry.destination), destination)
    });
    parts.collect()
}

/// Adds the gradient of the weight to `dweight`.
pub(crate) fn weight_gradient<E: Element>(
    geometry: &Geometry,
    x: &[E],
    dy: &[E],
    dweight: &mut [E],
) {
    let isa = Isa::current();
    let (depth, columns) = (geometry.source.channels, geometry.destination.channels);
    let blocks = columns / LANES;
    let shares = blocks.div_ceil(TASK_BLOCKS);
    let bands = geometry.shares((TASKS / shares).max(1));
    // For each band, each block and each tap: one for each source channel.
    let block_len = TAPS * depth;
    let first_blocks = || (0..blocks).step_by(TASK_BLOCKS);
    let tasks: Vec<_> =
        bands.iter().flat_map(|band| first_blocks().map(move |block| (*band, block))).collect();
    let lengths = tasks.iter().map(|(_, block)| TASK_BLOCKS.min(blocks - block) * block_len);
    let sums = in_parts(lengths, |task, sums| {
        let (band, first_block) = tasks[task];
        SCRATCH.with_borrow_mut(|scratch| {
            isa.run(WeightGradient { geometry, band, first_block, x, dy, sums, scratch });
        });
    });
    add_to_rows(isa, dweight, columns, |row, totals| {
        for sums in sums.chunks_exact(blocks * block_len) {
            let sums = sums[row..].iter().step_by(block_len).flatten();
            totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
    });
}
