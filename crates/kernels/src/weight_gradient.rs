//! The gradient of convolution's weight.

use std::ops::Range;

use rayon::prelude::*;

use crate::band::Band;
use crate::channels::{Block, Channels, Direction};
use crate::lanes::LANES;
use crate::plan::Plan;
use crate::stencil;
use crate::tile::{Run, WeightGradient};
use crate::{Conv, ImageShape, Isa};

/// Up to this many numbers, each share of the images gets a weight gradient of its own, and these
/// are summed; a larger weight is divided by its rows instead.
const SMALL_WEIGHT: usize = 128 * 1024;

/// Into how many tasks the work is divided, whatever the number of threads.
const TASKS: usize = 16;

/// So many bands are copied for all tasks before they divide the rows of the weight.
const WAVE: usize = 64;

/// Everything that does not change from task to task.
struct Pass<'a> {
    isa: Isa,
    output: ImageShape,
    channels: Channels,
    blocks: Vec<Block>,
    plan: Plan,
    runs: Vec<Run>,
    x: &'a [f32],
    dy: &'a [f32],
}

/// Adds the gradient of the weight to `dweight`.
pub(crate) fn weight_gradient(conv: &Conv, x: &[f32], dy: &[f32], dweight: &mut [f32]) {
    let (input, output) = (conv.input(), conv.output());
    let channels = Channels::new(conv, Direction::Forward);
    let largest = Band::largest(input, output, 1);
    let plan = Plan::new(stencil::forward(conv.window(), output), input, output, largest);
    let runs = plan.runs(channels.depth);
    let blocks = channels.blocks();
    let isa = Isa::current();
    let pass = Pass { isa, output, channels, blocks, plan, runs, x, dy };
    let bands = largest.all(output);
    if dweight.len() <= SMALL_WEIGHT {
        pass.share_bands(&bands, dweight);
    } else {
        pass.share_rows(&bands, dweight);
    }
}

/// What the tiles read of one band.
#[derive(Default)]
struct Operands {
    /// The plan's copy of the source.
    source: Vec<f32>,
    /// The output's gradients for each block and each pixel.
    gradients: Vec<[f32; LANES]>,
}

impl Pass<'_> {
    /// Each task sums the whole weight gradient over its share of the bands.
    fn share_bands(&self, bands: &[Band], dweight: &mut [f32]) {
        let sums = bands.par_chunks(bands.len().div_ceil(TASKS)).map(|bands| {
            let mut sums = vec![0.0; dweight.len()];
            let mut operands = Operands::default();
            for band in bands {
                self.load(band, &mut operands);
                self.add(band, &operands, &mut sums, 0);
            }
            sums
        });
        for sums in sums.collect::<Vec<_>>() {
            dweight.iter_mut().zip(sums).for_each(|(dweight, sum)| *dweight += sum);
        }
    }

    /// Each task sums its share of the weight gradient's rows over all bands.
    fn share_rows(&self, bands: &[Band], dweight: &mut [f32]) {
        let row_len = self.output.channels;
        let share = (dweight.len() / row_len).div_ceil(TASKS).next_multiple_of(LANES);
        let mut operands: Vec<Operands> = Vec::new();
        for bands in bands.chunks(WAVE) {
            operands.resize_with(bands.len(), Operands::default);
            let loads = operands.par_iter_mut().zip(bands);
            loads.for_each(|(operands, band)| self.load(band, operands));
            let parts = dweight.par_chunks_mut(share * row_len).enumerate();
            parts.for_each(|(part, dweight)| {
                for (band, operands) in bands.iter().zip(&operands) {
                    self.add(band, operands, dweight, part * share);
                }
            });
        }
    }

    fn load(&self, band: &Band, operands: &mut Operands) {
        self.plan.load(self.x, band, &mut operands.source);
        let pixels = band.pixels(self.output);
        operands.gradients.resize(self.blocks.len() * pixels, [0.0; LANES]);
        let dy = band.of(self.output, self.dy);
        let panels = operands.gradients.chunks_exact_mut(pixels);
        for (block, panel) in self.blocks.iter().zip(panels) {
            for (packed, dy) in panel.iter_mut().zip(dy.chunks_exact(self.output.channels)) {
                let dy = &dy[block.destination..][..block.columns];
                packed[..block.columns].copy_from_slice(dy);
            }
        }
    }

    /// Adds what the band contributes to the rows of the weight from `first_row` on.
    fn add(&self, band: &Band, operands: &Operands, dweight: &mut [f32], first_row: usize) {
        let pitch = self.output.channels;
        let runs = cut(&self.runs, first_row..first_row + dweight.len() / pitch);
        let source = self.plan.loaded(self.x, band, &operands.source);
        let (source_offsets, _) = self.plan.offsets(band);
        let panels = operands.gradients.chunks_exact(source_offsets.len());
        for (block, gradients) in self.blocks.iter().zip(panels) {
            self.isa.run(WeightGradient {
                mix: self.channels.mix,
                source: &source[block.source..],
                source_offsets,
                runs: &runs,
                gradients,
                dweight: &mut dweight[block.destination..],
                pitch,
                columns: block.columns,
            });
        }
    }
}

/// The part of the runs that holds these of their numbers.
fn cut(runs: &[Run], numbers: Range<usize>) -> Vec<Run> {
    let mut first = 0;
    let part = |run: &Run| {
        let (start, end) = (numbers.start.max(first), numbers.end.min(first + run.len));
        let part = (start < end).then(|| Run { start: run.start + start - first, len: end - start });
        first += run.len;
        part
    };
    runs.iter().filter_map(part).collect()
}
