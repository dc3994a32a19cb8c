//! The destination channels of a convolution in blocks of sixteen, and the weights of a block.

use crate::Conv;
use crate::lanes::LANES;
use crate::tile::Mix;

/// Which way numbers flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the input to the output.
    Forward,
    /// From the output's gradient to the input's.
    Backward,
}

/// How source and destination channels hang together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channels {
    pub(crate) mix: Mix,
    /// Source channels that a destination channel sees.
    pub(crate) depth: usize,
    direction: Direction,
    groups: usize,
    /// Source channels from group to group.
    source: usize,
    /// Destination channels of a group.
    destination: usize,
    /// All output channels of the convolution: what a row of the weight holds.
    row: usize,
    /// Numbers in the weight per tap.
    tap: usize,
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
    /// Their first weight.
    weight: usize,
}

impl Channels {
    pub(crate) fn new(conv: &Conv, direction: Direction) -> Self {
        let (input, output) = (conv.input().channels, conv.output().channels);
        let groups = conv.groups();
        let tap = input / groups * output;
        // A single channel is a group: its taps may form longer runs.
        if groups > 1 && groups == input && groups == output {
            return Self {
                mix: Mix::Same,
                depth: 1,
                direction,
                groups: 1,
                source: input,
                destination: output,
                row: output,
                tap,
            };
        }
        let (source, destination) = match direction {
            Direction::Forward => (input / groups, output / groups),
            Direction::Backward => (output / groups, input / groups),
        };
        let mix = Mix::Group;
        Self { mix, depth: source, direction, groups, source, destination, row: output, tap }
    }

    /// All destination channels.
    pub(crate) fn blocks(self) -> Vec<Block> {
        let group = |group: usize| {
            (0..self.destination).step_by(LANES).map(move |column| self.block(group, column))
        };
        (0..self.groups).flat_map(group).collect()
    }

    fn block(self, group: usize, column: usize) -> Block {
        let columns = LANES.min(self.destination - column);
        let destination = group * self.destination + column;
        let (source, weight) = match (self.mix, self.direction) {
            (Mix::Same, _) => (column, column),
            (Mix::Group, Direction::Forward) => (group * self.source, destination),
            (Mix::Group, Direction::Backward) => {
                (group * self.source, column * self.row + group * self.source)
            }
        };
        Block { source, destination, columns, weight }
    }

    /// Copies the block's weights for each of the `taps` and each source channel, with zeros for the
    /// channels that the block lacks.
    pub(crate) fn pack(
        self,
        block: &Block,
        weight: &[f32],
        taps: impl Iterator<Item = usize>,
        panel: &mut [[f32; LANES]],
    ) {
        for (tap, rows) in taps.zip(panel.chunks_exact_mut(self.depth)) {
            let weight = &weight[tap * self.tap + block.weight..];
            if self.mix == Mix::Group && self.direction == Direction::Backward {
                for (column, weight) in weight.chunks(self.row).take(block.columns).enumerate() {
                    rows.iter_mut().zip(weight).for_each(|(row, &weight)| row[column] = weight);
                }
            } else {
                for (row, weight) in rows.iter_mut().zip(weight.chunks(self.row)) {
                    row[..block.columns].copy_from_slice(&weight[..block.columns]);
                }
            }
        }
    }
}
