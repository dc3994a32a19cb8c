//! The destination channels of a convolution in blocks of sixteen, and the weights of a block.

use crate::Conv;
use crate::direction::Direction;
use crate::element::Stored;
use crate::frame::{Aliasing, Layout};
use crate::lanes::{Kernel, LANES, Lanes};

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
    direction: Direction,
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
    /// For numbers of type `E`.
    pub(crate) fn new<E: Stored>(conv: &Conv, direction: Direction) -> Self {
        let (input, output) = (conv.input().channels, conv.output().channels);
        let groups = conv.groups();
        let (depth, group_columns) = match direction {
            Direction::Forward => (input / groups, output / groups),
            Direction::Backward => (output / groups, input / groups),
        };
        let all = Self {
            mix: Mix::Group,
            depth,
            pitch: depth.next_multiple_of(E::SPAN),
            direction,
            groups,
            group_columns,
            tap_len: input / groups * output,
            row_len: output,
        };
        if groups > 1 && groups == input && groups == output {
            // Depthwise: blocks may span groups.
            return Self { mix: Mix::Same, pitch: 1, groups: 1, group_columns: output, ..all };
        }
        all
    }

    /// How the source's pixels are wanted.
    pub(crate) fn layout(self, aliasing: Aliasing) -> Layout {
        Layout { aliasing, depth: self.depth, pitch: self.pitch }
    }

    /// Factors that the source channels of a tap make.
    pub(crate) fn factors<E: Stored>(self) -> usize {
        self.pitch.div_ceil(E::SPAN)
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

/// Packs the weights of blocks that follow each other, for each of the taps and the factors of the
/// source channels; the columns that a block lacks are zeros.
pub(crate) struct Pack<'a, E: Stored, T> {
    pub(crate) channels: Channels,
    pub(crate) blocks: &'a [Block],
    pub(crate) weight: &'a [E],
    pub(crate) taps: T,
    /// Rows of a block.
    pub(crate) depth: usize,
    pub(crate) panels: &'a mut [[E::Factor; LANES]],
}

impl<E: Stored, T: Iterator<Item = usize>> Kernel for Pack<'_, E, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { channels, blocks, weight, depth, panels, .. } = self;
        let factors = channels.factors::<E>();
        for (nth, tap) in self.taps.enumerate() {
            let weight = &weight[tap * channels.tap_len..];
            if (channels.mix, channels.direction) == (Mix::Group, Direction::Backward) {
                for (block, panel) in blocks.iter().zip(panels.chunks_exact_mut(depth)) {
                    let rows = &mut panel[nth * factors..][..factors];
                    let weight = weight[block.weight..].chunks(channels.row_len);
                    for (column, weight) in weight.take(block.columns).enumerate() {
                        let factors = weight[..channels.depth].chunks(E::SPAN).map(E::factor);
                        rows.iter_mut().zip(factors).for_each(|(row, factor)| row[column] = factor);
                    }
                }
                continue;
            }
            // Row by row, which is how they lie.
            for factor in 0..factors {
                let channel = factor * E::SPAN..channels.depth.min((factor + 1) * E::SPAN);
                for (block, panel) in blocks.iter().zip(panels.chunks_exact_mut(depth)) {
                    let row = |channel: usize| {
                        &weight[channel * channels.row_len + block.weight..][..block.columns]
                    };
                    E::weave::<L>(
                        &mut channel.clone().map(row),
                        &mut panel[nth * factors + factor],
                    );
                }
            }
        }
    }
}
