//! Convolution's forward pass and the gradient of its input: the same sum over different stencils.

use rayon::prelude::*;

use crate::band::{self, Band};
use crate::channels::{Block, Channels};
use crate::correlate_tiles::{Correlate, Write};
use crate::direction::Direction;
use crate::frame::Aliasing;
use crate::lanes::LANES;
use crate::plan::{Plan, Plans};
use crate::stencil::Stencil;
use crate::{Conv, Isa};

/// Source and destination of a band, in numbers, should stay in a core's second-level cache.
const BAND_LEN: usize = 64 * 1024;

/// So many bands at least, whatever the number of threads, for these to share evenly.
const MIN_BANDS: usize = 8;

/// From so many blocks on it pays to copy sources that would alias in the cache.
const MANY_BLOCKS: usize = 8;

/// Everything that does not change from band to band.
struct Pass<'a> {
    isa: Isa,
    write: Write,
    channels: Channels,
    blocks: Vec<Block>,
    /// The weights of all blocks, one panel after the other.
    panels: Vec<[f32; LANES]>,
    source: &'a [f32],
}

/// Overwrites the output (forward), or adds to the gradient of the input (backward).
pub(crate) fn correlate(
    conv: &Conv,
    direction: Direction,
    source: &[f32],
    weight: &[f32],
    destination: &mut [f32],
) {
    let (from, to, write) = match direction {
        Direction::Forward => (conv.input(), conv.output(), Write::Overwrite),
        Direction::Backward => (conv.output(), conv.input(), Write::Add),
    };
    let stencils = conv.stencils(direction);
    if stencils.iter().any(|axis| axis.kernel.is_empty()) {
        // Every window lies in the padding: nothing flows back.
        return;
    }
    let channels = Channels::new(conv, direction);
    let blocks = channels.blocks();
    let bands = Band::divide(to, ((from.len() + to.len()) / BAND_LEN).max(MIN_BANDS));
    let aliasing = if blocks.len() < MANY_BLOCKS { Aliasing::Accept } else { Aliasing::Avoid };
    let plans = Plans::new(&bands, &stencils, from, to, channels.depth, aliasing);
    let panels = pack(&stencils, conv.window().kernel[1], channels, &blocks, weight);
    let pass = Pass { isa: Isa::current(), write, channels, blocks, panels, source };
    let parts = band::split(&bands, to, destination);
    parts.into_par_iter().for_each_init(Vec::new, |copy, (band, part)| {
        pass.run(plans.of(&band), &band, part, copy);
    });
}

/// The weights of all blocks, in the order of the stencils' kernels.
fn pack(
    [rows, columns]: &[Stencil; 2],
    kernel_width: usize,
    channels: Channels,
    blocks: &[Block],
    weight: &[f32],
) -> Vec<[f32; LANES]> {
    let depth = rows.kernel.len() * columns.kernel.len() * channels.depth;
    let mut panels = vec![[0.0; LANES]; blocks.len() * depth];
    panels.par_chunks_exact_mut(depth).zip(blocks).for_each(|(panel, block)| {
        let taps = rows
            .kernel
            .iter()
            .flat_map(|&row| columns.kernel.iter().map(move |column| row * kernel_width + column));
        channels.pack(block, weight, taps, panel);
    });
    panels
}

impl Pass<'_> {
    /// Computes one band, which is `part` of the destination.
    fn run(&self, plan: &Plan, band: &Band, part: &mut [f32], copy: &mut Vec<f32>) {
        plan.frame.load(self.source, band, copy);
        self.isa.run(Correlate {
            mix: self.channels.mix,
            write: self.write,
            blocks: &self.blocks,
            panels: &self.panels,
            lattices: &plan.lattices,
            images: band.images,
            source: plan.frame.view(self.source, band, copy),
            destination: part,
        });
    }
}
