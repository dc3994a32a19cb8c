//! Convolution's forward pass and the gradient of its input: the same sum over a stencil.

use rayon::prelude::*;

use crate::band::{self, Band};
use crate::channels::{Block, Channels, Direction};
use crate::lanes::LANES;
use crate::plan::Plan;
use crate::stencil;
use crate::tile::{Correlate, Run, Write};
use crate::{Conv, Isa};

/// A stencil with everything that does not change from band to band.
struct Pass {
    plan: Plan,
    runs: Vec<Run>,
    /// The weights of all blocks, one panel after the other.
    panels: Vec<[f32; LANES]>,
}

/// Overwrites the output (forward), or adds to the gradient of the input (backward).
pub(crate) fn correlate(
    conv: &Conv,
    direction: Direction,
    source: &[f32],
    weight: &[f32],
    destination: &mut [f32],
) {
    let isa = Isa::current();
    let window = conv.window();
    let (from, to, write, step, stencils) = match direction {
        Direction::Forward => {
            let stencils = vec![stencil::forward(window, conv.output())];
            (conv.input(), conv.output(), Write::Overwrite, 1, stencils)
        }
        Direction::Backward => {
            let stencils = stencil::backward(window, conv.input());
            (conv.output(), conv.input(), Write::Add, window.stride[0], stencils)
        }
    };
    let channels = Channels::new(conv, direction);
    let blocks = channels.blocks();
    let largest = Band::largest(from, to, step);
    let passes: Vec<_> = stencils
        .into_iter()
        .map(|stencil| Plan::new(stencil, from, to, largest))
        .map(|plan| Pass::new(plan, window.kernel[1], channels, &blocks, weight))
        .collect();
    let bands = band::split(largest.all(to), to, destination);
    bands.into_par_iter().for_each_init(Vec::new, |copy, (band, destination)| {
        for pass in &passes {
            pass.run(isa, write, channels, &blocks, source, &band, destination, copy);
        }
    });
}

impl Pass {
    fn new(
        plan: Plan,
        kernel_width: usize,
        channels: Channels,
        blocks: &[Block],
        weight: &[f32],
    ) -> Self {
        let runs = plan.runs(channels.depth);
        let depth = plan.taps().count() * channels.depth;
        let mut panels = vec![[0.0; LANES]; blocks.len() * depth];
        panels.par_chunks_exact_mut(depth).zip(blocks).for_each(|(panel, block)| {
            let taps = plan.taps().map(|[row, column]| row * kernel_width + column);
            channels.pack(block, weight, taps, panel);
        });
        Self { plan, runs, panels }
    }

    fn run(
        &self,
        isa: Isa,
        write: Write,
        channels: Channels,
        blocks: &[Block],
        source: &[f32],
        band: &Band,
        destination: &mut [f32],
        copy: &mut Vec<f32>,
    ) {
        let (source_offsets, destination_offsets) = self.plan.offsets(band);
        if source_offsets.is_empty() {
            return;
        }
        self.plan.load(source, band, copy);
        let source = self.plan.loaded(source, band, copy);
        let depth = self.panels.len() / blocks.len();
        for (block, panel) in blocks.iter().zip(self.panels.chunks_exact(depth)) {
            isa.run(Correlate {
                mix: channels.mix,
                write,
                source: &source[block.source..],
                source_offsets,
                runs: &self.runs,
                panel,
                destination: &mut destination[block.destination..],
                destination_offsets,
                columns: block.columns,
            });
        }
    }
}
