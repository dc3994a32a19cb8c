//! The destination channels of a convolution in blocks of sixteen, and the weights of a block.

use std::ops::Range;

use crate::direction::Direction;
use crate::element::{Factor, Makes, weave};
use crate::frame::Layout;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::packed::{Form, Order};
use crate::stencil::Stencil;
use crate::transpose::across;
use crate::{Conv, Isa, tasks};

/// So many rows of the weight ahead the next ones are asked for.
const AHEAD: usize = 16;

/// So many blocks' weights are packed at once, to read more than a cache line of each row.
const PACKED_BLOCKS: usize = 8;

/// Which source channels a destination channel sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// All those of its group.
    Group,
    /// The same one only.
    Same,
}

/// How source and destination channels hang together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channels {
    pub(crate) mix: Mix,
    /// Source channels that each destination channel sees.
    depth: usize,
    /// The same, filled up to whole factors.
    pitch: usize,
    pub(crate) direction: Direction,
    /// Groups of channels that are blocked apart, and destination channels in each.
    groups: usize,
    group_columns: usize,
    /// Numbers in the weight for each tap, and for each input channel of a tap.
    tap_len: usize,
    row_len: usize,
}

/// Up to sixteen destination channels of one group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    /// The first source channel that they see.
    pub(crate) source: usize,
    /// The first of them.
    pub(crate) destination: usize,
    /// How many they are.
    pub(crate) columns: usize,
    /// Where their weights begin within those of a tap.
    weight: usize,
}

impl Channels {
    /// For products of type `F`.
    pub(crate) fn new<F: Factor>(conv: &Conv, direction: Direction) -> Self {
        let (input, output) = (conv.input().channels, conv.output().channels);
        let groups = conv.groups();
        let (depth, group_columns) = match direction {
            Direction::Forward => (input / groups, output / groups),
            Direction::Backward => (output / groups, input / groups),
        };
        let all = Self {
            mix: Mix::Group,
            depth,
            pitch: depth.next_multiple_of(F::SPAN),
            direction,
            groups,
            group_columns,
            tap_len: input / groups * output,
            row_len: output,
        };
        if conv.is_depthwise() {
            // Blocks may span groups.
            return Self { mix: Mix::Same, pitch: 1, groups: 1, group_columns: output, ..all };
        }
        all
    }

    /// How the source's pixels, of type `E`, are wanted.
    pub(crate) fn layout<E: Makes<F>, F: Factor>(self) -> Layout {
        let Self { depth, pitch, .. } = self;
        Layout { depth, pitch, in_place: depth == pitch && E::in_place(&[]).is_some() }
    }

    /// Factors that the source channels of a tap make.
    pub(crate) fn factors<F: Factor>(self) -> usize {
        self.pitch / F::SPAN
    }

    /// The taps that any pixel sees, in the order of the stencils' kernels: their numbers in the weight.
    pub(crate) fn taps([rows, columns]: &[Stencil; 2], kernel_width: usize) -> Vec<usize> {
        let of_row =
            |&row: &usize| columns.kernel.iter().map(move |column| row * kernel_width + column);
        rows.kernel.iter().flat_map(of_row).collect()
    }

    /// All destination channels.
    pub(crate) fn blocks(self) -> Vec<Block> {
        let of_group = |group: usize| {
            (0..self.group_columns).step_by(LANES).map(move |column| self.block(group, column))
        };
        (0..self.groups).flat_map(of_group).collect()
    }

    fn block(self, group: usize, column: usize) -> Block {
        let destination = group * self.group_columns + column;
        let columns = LANES.min(self.group_columns - column);
        let source = group * self.pitch;
        match (self.mix, self.direction) {
            (Mix::Same, _) => {
                Block { source: destination, destination, columns, weight: destination }
            }
            (Mix::Group, Direction::Forward) => {
                Block { source, destination, columns, weight: destination }
            }
            (Mix::Group, Direction::Backward) => {
                let weight = column * self.row_len + group * self.depth;
                Block { source, destination, columns, weight }
            }
        }
    }
}

impl Block {
    /// The same block of a destination that begins with this channel.
    pub(crate) fn of_part(self, first: usize) -> Self {
        Self { destination: self.destination - first, ..self }
    }
}

/// How the weights of all blocks are packed.
pub(crate) struct Packing<'a> {
    pub(crate) isa: Isa,
    pub(crate) channels: Channels,
    pub(crate) blocks: &'a [Block],
    pub(crate) taps: &'a [usize],
}

impl Packing<'_> {
    /// Rows of each block, counted in factors. There are none if every window lies in the padding and nothing flows
    /// back.
    pub(crate) fn depth<F: Factor>(&self) -> usize {
        self.taps.len() * self.channels.factors::<F>()
    }

    pub(crate) fn form<F: Factor>(&self) -> Form {
        Form {
            isa: self.isa,
            order: Order::Factors(F::SPAN),
            taps: self.taps.to_vec(),
            len: self.blocks.len() * self.depth::<F>(),
        }
    }

    /// Packs the weights of all blocks, in the order of the taps.
    pub(crate) fn pack<E: Makes<F>, F: Factor>(&self, weight: &[E], panels: &mut [[F; LANES]]) {
        let Self { isa, channels, blocks, taps } = *self;
        let depth = self.depth::<F>();
        if depth == 0 {
            return;
        }
        let panels = panels.chunks_mut(PACKED_BLOCKS * depth);
        tasks::for_each(panels.zip(blocks.chunks(PACKED_BLOCKS)), |_, (panels, blocks)| {
            match (channels.mix, channels.direction) {
                (Mix::Group, Direction::Backward) => {
                    isa.run(PackColumns { channels, blocks, weight, taps, panels });
                }
                _ => isa.run(PackRows { channels, blocks, weight, taps, rows: 0..depth, panels }),
            }
        });
    }
}

/// Packs rows of the weights of blocks that follow each other, counted in factors, tap by tap: those that a
/// forward pass reads. The columns that a block lacks are zeros.
pub(crate) struct PackRows<'a, E, F> {
    pub(crate) channels: Channels,
    pub(crate) blocks: &'a [Block],
    pub(crate) weight: &'a [E],
    pub(crate) taps: &'a [usize],
    pub(crate) rows: Range<usize>,
    pub(crate) panels: &'a mut [[F; LANES]],
}

impl<E: Makes<F>, F: Factor> Kernel for PackRows<'_, E, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { channels, blocks, rows, .. } = self;
        let (factors, len) = (channels.factors::<F>(), rows.len());
        // Row by row, which is how they lie.
        for (nth, row) in rows.enumerate() {
            let weight = &self.weight[self.taps[row / factors] * channels.tap_len..];
            let first = row % factors * F::SPAN;
            let channel = first..channels.depth.min(first + F::SPAN);
            for (block, panel) in blocks.iter().zip(self.panels.chunks_exact_mut(len)) {
                for channel in channel.clone() {
                    L::expect(weight, (channel + AHEAD) * channels.row_len + block.weight);
                }
                let row = |nth: usize| match channel.start + nth {
                    row if row < channel.end => {
                        &weight[row * channels.row_len + block.weight..][..block.columns]
                    }
                    _ => &[],
                };
                weave::<L, E, F>([row(0), row(1)], &mut panel[nth]);
            }
        }
    }
}

/// The same with rows and columns of each tap swapped: what the gradient of the input reads.
pub(crate) struct PackColumns<'a, E, F> {
    pub(crate) channels: Channels,
    pub(crate) blocks: &'a [Block],
    pub(crate) weight: &'a [E],
    pub(crate) taps: &'a [usize],
    pub(crate) panels: &'a mut [[F; LANES]],
}

impl<E: Makes<F>, F: Factor> Kernel for PackColumns<'_, E, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { channels, blocks, weight, taps, panels } = self;
        let factors = channels.factors::<F>();
        for (nth, tap) in taps.iter().enumerate() {
            let weight = &weight[tap * channels.tap_len..];
            let panels = panels.chunks_exact_mut(taps.len() * factors);
            for (block, panel) in blocks.iter().zip(panels) {
                let weight = weight[block.weight..].chunks(channels.row_len).take(block.columns);
                let rows = weight.map(|row| &row[..channels.depth]);
                let panel = panel[nth * factors..][..factors].chunks_mut(LANES);
                for (nth, panel) in panel.enumerate() {
                    panel.copy_from_slice(&across::<E, F, L>(rows.clone(), nth)[..panel.len()]);
                }
            }
        }
    }
}
