//! The gradient of convolution's weight.

use std::ops::Range;

use crate::band::Band;
use crate::channels::{Block, Channels};
use crate::direction::Direction;
use crate::element::{Element, Factor, Makes};
use crate::frame::Layout;
use crate::fresh::in_parts;
use crate::lanes::LANES;
use crate::plan::{Plans, cut};
use crate::scratch::Scratch;
use crate::totals::add_to_rows;
use crate::weight_tiles::{PITCH, WeightGradient};
use crate::{Conv, ImageShape, Isa};

/// Into how many tasks the work is divided, whatever the number of threads.
const TASKS: usize = 16;

/// Each task sums the whole weight gradient over a band of its own, as long as all these sums together
/// have no more numbers than this. Otherwise there are fewer bands, and tasks also divide the weight.
const SUMS_LEN: usize = 512 * 1024;

/// Everything that does not change from task to task.
struct Pass<'a, E> {
    isa: Isa,
    output: ImageShape,
    channels: Channels,
    blocks: Vec<Block>,
    plans: Plans,
    x: &'a [E],
    dy: &'a [E],
}

/// Some rows of the weight and some blocks of its columns.
#[derive(Clone)]
struct Part {
    rows: Range<usize>,
    blocks: Range<usize>,
}

/// What one task computes: a part of the weight's gradient, summed over a band.
struct Task<'a> {
    band: Band,
    part: &'a Part,
}

/// Adds the gradient of the weight to `dweight`.
pub(crate) fn weight_gradient<E: Element>(conv: &Conv, x: &[E], dy: &[E], dweight: &mut [E]) {
    let (input, output) = (conv.input(), conv.output());
    // Here pixels are joined to factors; channels stay single, as those of `f32`.
    let channels = Channels::new::<f32>(conv, Direction::Forward);
    let stencils = conv.stencils(Direction::Forward);
    let band_count = (SUMS_LEN / dweight.len()).clamp(1, TASKS);
    let bands = Band::divide(output, band_count);
    let layout = Layout { in_place: true, ..channels.layout::<E, f32>() };
    let plans = Plans::new(&bands, &stencils, input, output, layout);
    let blocks = channels.blocks();
    let parts = parts(TASKS / band_count, dweight.len() / output.channels, blocks.len());
    let pass = Pass { isa: Isa::current(), output, channels, blocks, plans, x, dy };

    let tasks: Vec<_> =
        bands.iter().flat_map(|&band| parts.iter().map(move |part| Task { band, part })).collect();
    let sums = in_parts(tasks.iter().map(|task| task.part.len()), |task, sums| {
        if pass.isa.multiplies_pairs() {
            pass.sum::<E::Joined>(&tasks[task], sums);
        } else {
            pass.sum::<f32>(&tasks[task], sums);
        }
    });
    pass.reduce(&tasks, &sums, dweight);
}

impl Part {
    fn len(&self) -> usize {
        self.rows.len() * self.blocks.len()
    }
}

/// Divides the weight into about `parts` parts, such that each reads as few rows and columns as it can.
fn parts(parts: usize, rows: usize, blocks: usize) -> Vec<Part> {
    let groups = rows.div_ceil(LANES);
    let share = |block_shares: usize| {
        [groups.div_ceil(parts / block_shares), blocks.div_ceil(block_shares)]
    };
    let divisors = (1..=parts).filter(|&shares| parts.is_multiple_of(shares));
    let best = divisors.map(share).min_by_key(|[groups, blocks]| groups + blocks);
    let [groups, block_share] = best.unwrap_or([groups, blocks]);
    let row_share = groups * LANES;
    let shares = |len: usize, share: usize| {
        (0..len).step_by(share).map(move |first| first..len.min(first + share))
    };
    shares(rows, row_share)
        .flat_map(|rows| {
            shares(blocks, block_share).map(move |blocks| Part { rows: rows.clone(), blocks })
        })
        .collect()
}

impl<E: Element> Pass<'_, E> {
    /// Adds for each block and each row of the task's part, with products of type `F`.
    fn sum<F: Factor>(
        &self,
        Task { band, part: Part { rows, blocks } }: &Task<'_>,
        sums: &mut [[f32; LANES]],
    ) where
        E: Makes<F>,
    {
        let plan = self.plans.of(band);
        let blocks = &self.blocks[blocks.clone()];
        for lattice in &plan.lattices {
            let runs: Vec<_> = cut(&lattice.runs, rows).collect();
            let run_len = runs.iter().map(|run| run.len).max().unwrap_or(0);
            Scratch::Frame.with(run_len.div_ceil(LANES) * PITCH, |sources: &mut [[F; LANES]]| {
                Scratch::Gradients.with(blocks.len() * PITCH, |gradients| {
                    self.isa.run(WeightGradient {
                        mix: self.channels.mix,
                        blocks,
                        runs: &runs,
                        pixels: lattice.pixels(band.images),
                        source: &self.x[plan.frame.first(band)..],
                        dy: band.part(self.output, self.dy),
                        rows: rows.clone(),
                        sums,
                        panels: [sources, gradients],
                    });
                });
            });
        }
    }

    /// Adds all sums to the weight's gradient, in the order of the tasks.
    fn reduce(&self, tasks: &[Task<'_>], sums: &[[f32; LANES]], dweight: &mut [E]) {
        add_to_rows(self.isa, dweight, self.output.channels, |row, totals| {
            let mut rest = sums;
            for Task { part: part @ Part { rows, blocks }, .. } in tasks {
                let (sums, tail) = rest.split_at(part.len());
                rest = tail;
                if !rows.contains(&row) {
                    continue;
                }
                let sums = sums[row - rows.start..].iter().step_by(rows.len());
                for (block, sums) in self.blocks[blocks.clone()].iter().zip(sums) {
                    let totals = &mut totals[block.destination..][..block.columns];
                    totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
                }
            }
        });
    }
}
