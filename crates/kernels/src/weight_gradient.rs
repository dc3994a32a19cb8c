//! The gradient of convolution's weight.

use std::ops::Range;

use rayon::prelude::*;

use crate::band::Band;
use crate::channels::{Block, Channels};
use crate::direction::Direction;
use crate::lanes::{LANES, first_lanes};
use crate::plan::{Plans, Run};
use crate::tile::WeightGradient;
use crate::{Conv, ImageShape, Isa};

/// Up to this many numbers, each share of the bands gets a weight gradient of its own, and these
/// are summed; the rows of a larger weight are shared out instead.
const SMALL_WEIGHT: usize = 256 * 1024;

/// Into how many tasks the work is divided, whatever the number of threads.
const TASKS: usize = 16;

/// So many bands are copied for all tasks before they share out the rows of the weight.
const WAVE: usize = 64;

/// Source and destination of a band, in numbers.
const BAND_LEN: usize = 128 * 1024;

/// Everything that does not change from task to task.
struct Pass<'a> {
    isa: Isa,
    output: ImageShape,
    channels: Channels,
    blocks: Vec<Block>,
    plans: Plans,
    x: &'a [f32],
    dy: &'a [f32],
}

/// What the tiles read of one band.
#[derive(Default)]
struct Operands {
    /// The frame's copy of the source.
    source: Vec<f32>,
    /// The output's gradients for each block, each lattice and each of its pixels.
    gradients: Vec<[f32; LANES]>,
}

/// The gradients of some rows of the weight. Blocks lie one after the other, so that a tile's rows
/// are contiguous, unlike in the weight itself.
struct Sums {
    rows: Range<usize>,
    /// For each block and each row.
    sums: Vec<[f32; LANES]>,
}

/// Adds the gradient of the weight to `dweight`.
pub(crate) fn weight_gradient(conv: &Conv, x: &[f32], dy: &[f32], dweight: &mut [f32]) {
    let (input, output) = (conv.input(), conv.output());
    let channels = Channels::new(conv, Direction::Forward);
    let stencils = conv.stencils(Direction::Forward);
    let bands = Band::divide(input, output, BAND_LEN);
    let plans = Plans::new(&bands, &stencils, input, output, channels.depth);
    let blocks = channels.blocks();
    let pass = Pass { isa: Isa::current(), output, channels, blocks, plans, x, dy };
    let rows = dweight.len() / output.channels;
    let sums = if dweight.len() <= SMALL_WEIGHT {
        pass.share_bands(&bands, rows)
    } else {
        pass.share_rows(&bands, rows)
    };
    pass.reduce(&sums, dweight);
}

impl Pass<'_> {
    /// Each task sums all rows over its share of the bands.
    fn share_bands(&self, bands: &[Band], rows: usize) -> Vec<Sums> {
        let shares = bands.par_chunks(bands.len().div_ceil(TASKS));
        let sum = |bands: &[Band]| {
            let (mut sums, mut operands) = (self.zeros(0..rows), Operands::default());
            for band in bands {
                self.load(band, &mut operands);
                self.add(band, &operands, &mut sums);
            }
            sums
        };
        shares.map(sum).collect()
    }

    /// Each task sums its share of the rows over all bands.
    fn share_rows(&self, bands: &[Band], rows: usize) -> Vec<Sums> {
        let share = rows.div_ceil(TASKS).next_multiple_of(LANES);
        let shares = (0..rows).step_by(share).map(|row| row..rows.min(row + share));
        let mut sums: Vec<_> = shares.map(|rows| self.zeros(rows)).collect();
        let mut operands: Vec<Operands> = Vec::new();
        for bands in bands.chunks(WAVE) {
            operands.resize_with(bands.len(), Operands::default);
            let loads = operands.par_iter_mut().zip(bands);
            loads.for_each(|(operands, band)| self.load(band, operands));
            sums.par_iter_mut().for_each(|sums| {
                let operands = bands.iter().zip(&operands);
                operands.for_each(|(band, operands)| self.add(band, operands, sums));
            });
        }
        sums
    }

    fn zeros(&self, rows: Range<usize>) -> Sums {
        let sums = vec![[0.0; LANES]; self.blocks.len() * rows.len()];
        Sums { rows, sums }
    }

    fn load(&self, band: &Band, operands: &mut Operands) {
        let plan = self.plans.of(band);
        plan.frame.load(self.x, band, &mut operands.source);
        let dy = band.part(self.output, self.dy);
        operands.gradients.clear();
        for block in &self.blocks {
            for lattice in &plan.lattices {
                let pixels = lattice.pixels(band.images).iter();
                let pixels = pixels.map(|pixel| &dy[pixel.destination + block.destination..]);
                let gradients = pixels.map(|dy| first_lanes(&dy[..block.columns]));
                operands.gradients.extend(gradients);
            }
        }
    }

    /// Adds what the band contributes.
    fn add(&self, band: &Band, operands: &Operands, sums: &mut Sums) {
        let plan = self.plans.of(band);
        let source = plan.frame.loaded(self.x, band, &operands.source);
        let mut gradients = &operands.gradients[..];
        let Sums { rows, sums } = sums;
        for (block, sums) in self.blocks.iter().zip(sums.chunks_exact_mut(rows.len())) {
            for lattice in &plan.lattices {
                let pixels = lattice.pixels(band.images);
                let (of_lattice, rest) = gradients.split_at(pixels.len());
                gradients = rest;
                self.isa.run(WeightGradient {
                    mix: self.channels.mix,
                    runs: &cut(&lattice.runs, rows),
                    source: &source[block.source..],
                    pixels,
                    gradients: of_lattice,
                    sums,
                    first_row: rows.start,
                });
            }
        }
    }

    /// Adds all sums to the weight's gradient, in the order of the tasks.
    fn reduce(&self, sums: &[Sums], dweight: &mut [f32]) {
        let rows = dweight.par_chunks_exact_mut(self.output.channels).enumerate();
        rows.for_each(|(row, dweight)| {
            for Sums { rows, sums } in sums.iter().filter(|sums| sums.rows.contains(&row)) {
                let sums = sums[row - rows.start..].iter().step_by(rows.len());
                for (block, sums) in self.blocks.iter().zip(sums) {
                    let dweight = &mut dweight[block.destination..][..block.columns];
                    dweight.iter_mut().zip(sums).for_each(|(dweight, sum)| *dweight += sum);
                }
            }
        });
    }
}

/// The part of the runs that meets these rows of the weight.
fn cut(runs: &[Run], rows: &Range<usize>) -> Vec<Run> {
    let part = |run: &Run| {
        let start = rows.start.max(run.weight);
        let end = rows.end.min(run.weight + run.len);
        let source = run.source + start.saturating_sub(run.weight);
        (start < end).then(|| Run { source, weight: start, len: end - start })
    };
    runs.iter().filter_map(part).collect()
}
