//! The destination channels of a convolution in blocks of sixteen, and the weights of a block.

use crate::Conv;
use crate::direction::Direction;
use crate::lanes::LANES;

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
    pub(crate) depth: usize,
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
    pub(crate) fn new(conv: &Conv, direction: Direction) -> Self {
        let (input, output) = (conv.input().channels, conv.output().channels);
        let groups = conv.groups();
        let all = Self {
            mix: Mix::Group,
            depth: input / groups,
            direction,
            groups,
            group_columns: output / groups,
            tap_len: input / groups * output,
            row_len: output,
        };
        if groups > 1 && groups == input && groups == output {
            // Depthwise: blocks may span groups.
            return Self { mix: Mix::Same, depth: 1, groups: 1, group_columns: output, ..all };
        }
        match direction {
            Direction::Forward => all,
            Direction::Backward => {
                Self { depth: all.group_columns, group_columns: all.depth, ..all }
            }
        }
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
        let source = group * self.depth;
        match (self.mix, self.direction) {
            (Mix::Same, _) => {
                Block { source: destination, destination, columns, weight: destination }
            }
            (Mix::Group, Direction::Forward) => {
                Block { source, destination, columns, weight: destination }
            }
            (Mix::Group, Direction::Backward) => {
                Block { source, destination, columns, weight: column * self.row_len + source }
            }
        }
    }

    /// Copies the block's weights for each of the `taps` and each source channel, and zeros for the
    /// columns that the block lacks.
    pub(crate) fn pack(
        self,
        block: &Block,
        weight: &[f32],
        taps: impl Iterator<Item = usize>,
        panel: &mut [[f32; LANES]],
    ) {
        for (tap, rows) in taps.zip(panel.chunks_exact_mut(self.depth)) {
            let weight = weight[tap * self.tap_len + block.weight..].chunks(self.row_len);
            if (self.mix, self.direction) == (Mix::Group, Direction::Backward) {
                for (column, weight) in weight.take(block.columns).enumerate() {
                    rows.iter_mut().zip(weight).for_each(|(row, &weight)| row[column] = weight);
                }
            } else {
                for (row, weight) in rows.iter_mut().zip(weight) {
                    row[..block.columns].copy_from_slice(&weight[..block.columns]);
                }
            }
        }
    }
}
