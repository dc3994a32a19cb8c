//! Convolution's forward pass and the gradient of its input: the same sum over different stencils.

use std::ops::Range;

use rayon::prelude::*;

use crate::band::{self, Band};
use crate::channels::{Block, Channels, Pack};
use crate::correlate_tiles::{Correlate, Weights};
use crate::direction::Direction;
use crate::element::Stored;
use crate::frame::Aliasing;
use crate::fresh::in_parts;
use crate::lanes::LANES;
use crate::plan::{Plan, Plans};
use crate::stencil::Stencil;
use crate::{Conv, Isa, Write};

/// Source and destination of a band, in numbers, should stay in a core's second-level cache.
const BAND_LEN: usize = 64 * 1024;

/// So many bands at least, whatever the number of threads, for these to share evenly.
const MIN_BANDS: usize = 8;

/// From so many blocks on it pays to copy sources that would alias in the cache.
const MANY_BLOCKS: usize = 8;

/// So many blocks' weights are packed at once, to read more than a cache line of each row.
const PACKED_BLOCKS: usize = 8;

/// Numbers in a small destination: for it, weights are read where they lie, and the threads share
/// blocks instead of pixels.
const SMALL_LEN: usize = 32 * 1024;

/// Into how many shares the blocks of a small destination are divided, whatever the number of threads.
const SHARES: usize = 16;

/// Everything that does not change from band to band.
struct Pass<'a, E: Stored> {
    isa: Isa,
    write: Write,
    channels: Channels,
    blocks: Vec<Block>,
    weights: Weights<'a, E>,
    source: &'a [E],
}

/// Writes the output (forward) or the gradient of the input (backward) into `destination`.
///
/// `finish` gets each band of the destination once it is written, and the number of its first number,
/// from the thread that has it in its cache; its results come in the order of the bands, which depend
/// on the shapes alone.
pub(crate) fn correlate<E: Stored, T: Send>(
    conv: &Conv,
    direction: Direction,
    write: Write,
    source: &[E],
    weight: &[E],
    destination: &mut [E],
    finish: impl Fn(usize, &mut [E]) -> T + Sync,
) -> Vec<T> {
    let (from, to) = match direction {
        Direction::Forward => (conv.input(), conv.output()),
        Direction::Backward => (conv.output(), conv.input()),
    };
    let stencils = conv.stencils(direction);
    let channels = Channels::new::<E>(conv, direction);
    let blocks = channels.blocks();
    let isa = Isa::current();
    let panels;
    let (weights, band_count) = match in_place(conv, direction, weight) {
        Some(weights) => (weights, 1),
        None => {
            panels = pack(isa, &stencils, conv.window().kernel[1], channels, &blocks, weight);
            let weights = Weights { rows: &panels, block: panels.len() / blocks.len(), step: 1 };
            (weights, ((from.len() + to.len()) / BAND_LEN).max(MIN_BANDS))
        }
    };
    let bands = Band::divide(to, band_count);
    let aliasing = if blocks.len() < MANY_BLOCKS { Aliasing::Accept } else { Aliasing::Avoid };
    let plans = Plans::new(&bands, &stencils, from, to, channels.layout(aliasing));
    let pass = Pass { isa, write, channels, blocks, weights, source };
    if let [band] = bands[..] {
        pass.run_by_blocks(plans.of(&band), &band, to.channels, destination);
        return vec![finish(0, destination)];
    }
    let parts = band::split(&bands, to, destination);
    let parts = parts.into_par_iter().map_init(Vec::new, |copy, (band, part)| {
        pass.run(plans.of(&band), &band, part, copy);
        finish(band.first(to), part)
    });
    parts.collect()
}

/// The weights where they lie, if they lie as they are read and are read so few times that it does not
/// pay to bring each block's together.
fn in_place<'a, E: Stored>(
    conv: &Conv,
    direction: Direction,
    weight: &'a [E],
) -> Option<Weights<'a, E>> {
    let columns = conv.output().channels;
    let as_they_lie = direction == Direction::Forward && conv.groups() == 1;
    if !as_they_lie || !columns.is_multiple_of(LANES) || conv.output().len() > SMALL_LEN {
        return None;
    }
    let rows = E::single_factors(weight)?.as_chunks().0;
    Some(Weights { rows, block: 1, step: columns / LANES })
}

/// The weights of all blocks, in the order of the stencils' kernels.
fn pack<E: Stored>(
    isa: Isa,
    [rows, columns]: &[Stencil; 2],
    kernel_width: usize,
    channels: Channels,
    blocks: &[Block],
    weight: &[E],
) -> Vec<[E::Factor; LANES]> {
    // There are no taps if every window lies in the padding and nothing flows back.
    let depth = rows.kernel.len() * columns.kernel.len() * channels.factors::<E>();
    if depth == 0 {
        return vec![];
    }
    let shares: Vec<_> = blocks.chunks(PACKED_BLOCKS).collect();
    in_parts(shares.iter().map(|blocks| blocks.len() * depth), |share, panels| {
        let blocks = shares[share];
        let taps = rows
            .kernel
            .iter()
            .flat_map(|&row| columns.kernel.iter().map(move |column| row * kernel_width + column));
        isa.run(Pack { channels, blocks, weight, taps, depth, panels });
    })
}

impl<E: Stored> Pass<'_, E> {
    /// Computes one band, which is `part` of the destination.
    fn run(&self, plan: &Plan, band: &Band, part: &mut [E], copy: &mut Vec<E>) {
        plan.frame.load(self.source, band, copy);
        let source = plan.frame.view(self.source, band, copy);
        self.isa.run(self.kernel(0..self.blocks.len(), plan, band, source, part));
    }

    /// Computes the only band, which is small: the threads share its blocks.
    fn run_by_blocks(&self, plan: &Plan, band: &Band, channels: usize, destination: &mut [E]) {
        let mut copy = Vec::new();
        plan.frame.load(self.source, band, &mut copy);
        let source = plan.frame.view(self.source, band, &copy);
        let old = &*destination;
        let share = self.blocks.len().div_ceil(SHARES);
        let shares = (0..self.blocks.len()).into_par_iter().step_by(share).map(|first| {
            let blocks = first..self.blocks.len().min(first + share);
            let mut part = old.to_vec();
            self.isa.run(self.kernel(blocks.clone(), plan, band, source, &mut part));
            (blocks, part)
        });
        let shares: Vec<_> = shares.collect();
        for (blocks, part) in shares {
            let [first, last] = [blocks.start, blocks.end - 1].map(|block| &self.blocks[block]);
            let columns = first.destination..last.destination + last.columns;
            let pixels = destination.chunks_exact_mut(channels).zip(part.chunks_exact(channels));
            for (to, from) in pixels {
                to[columns.clone()].copy_from_slice(&from[columns.clone()]);
            }
        }
    }

    fn kernel<'a>(
        &'a self,
        blocks: Range<usize>,
        plan: &'a Plan,
        band: &Band,
        source: &'a [E],
        destination: &'a mut [E],
    ) -> Correlate<'a, E> {
        Correlate {
            mix: self.channels.mix,
            write: self.write,
            weights: self.weights.from(blocks.start),
            blocks: &self.blocks[blocks],
            lattices: &plan.lattices,
            images: band.images,
            source,
            destination,
        }
    }
}
