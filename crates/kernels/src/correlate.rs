//! Convolution's forward pass and the gradient of its input: the same sum over different stencils.

use rayon::prelude::*;

use crate::band::{self, Band};
use crate::channels::{Block, Channels, Direction};
use crate::frame::Frame;
use crate::lanes::LANES;
use crate::lattice::Lattice;
use crate::tile::{Correlate, Write};
use crate::{Conv, Isa};

/// Everything that does not change from band to band.
struct Pass {
    isa: Isa,
    write: Write,
    channels: Channels,
    blocks: Vec<Block>,
    frame: Frame,
    /// Each with the weights of all blocks, one panel after the other.
    lattices: Vec<(Lattice, Vec<[f32; LANES]>)>,
}

/// Overwrites the output (forward), or adds to the gradient of the input (backward).
pub(crate) fn correlate(
    conv: &Conv,
    direction: Direction,
    source: &[f32],
    weight: &[f32],
    destination: &mut [f32],
) {
    let (from, to) = match direction {
        Direction::Forward => (conv.input(), conv.output()),
        Direction::Backward => (conv.output(), conv.input()),
    };
    let stencils = conv.stencils(direction);
    let largest = Band::largest(from, to, stencils[0].step);
    let frame = Frame::new(&stencils, from, largest, to.width);
    let channels = Channels::new(conv, direction);
    let blocks = channels.blocks();
    let lattices = Lattice::all(&stencils, &frame, to, largest, channels.depth);
    let packed = |lattice: Lattice| {
        let panels = pack(&lattice, conv.window().kernel[1], channels, &blocks, weight);
        (lattice, panels)
    };
    let pass = Pass {
        isa: Isa::current(),
        write: match direction {
            Direction::Forward => Write::Overwrite,
            Direction::Backward => Write::Add,
        },
        channels,
        lattices: lattices.into_iter().map(packed).collect(),
        blocks,
        frame,
    };
    let bands = band::split(largest.all(to), to, destination);
    bands
        .into_par_iter()
        .for_each_init(Vec::new, |copy, (band, part)| pass.run(source, &band, part, copy));
}

/// The weights of all blocks for the lattice's taps.
fn pack(
    lattice: &Lattice,
    kernel_width: usize,
    channels: Channels,
    blocks: &[Block],
    weight: &[f32],
) -> Vec<[f32; LANES]> {
    let depth = lattice.taps.len() * channels.depth;
    let mut panels = vec![[0.0; LANES]; blocks.len() * depth];
    panels.par_chunks_exact_mut(depth).zip(blocks).for_each(|(panel, block)| {
        let taps = lattice.taps.iter().map(|[row, column]| row * kernel_width + column);
        channels.pack(block, weight, taps, panel);
    });
    panels
}

impl Pass {
    /// Computes one band, which is `part` of the destination.
    fn run(&self, source: &[f32], band: &Band, part: &mut [f32], copy: &mut Vec<f32>) {
        self.frame.load(source, band, copy);
        let source = self.frame.loaded(source, band, copy);
        for (lattice, panels) in &self.lattices {
            let (source_offsets, destination_offsets) = lattice.offsets(band);
            if source_offsets.is_empty() {
                continue;
            }
            let depth = panels.len() / self.blocks.len();
            for (block, panel) in self.blocks.iter().zip(panels.chunks_exact(depth)) {
                self.isa.run(Correlate {
                    mix: self.channels.mix,
                    write: self.write,
                    source: &source[block.source..],
                    source_offsets,
                    runs: &lattice.runs,
                    panel,
                    destination: &mut part[block.destination..],
                    destination_offsets,
                    columns: block.columns,
                });
            }
        }
    }
}
