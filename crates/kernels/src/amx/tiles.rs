//! The products that tiles compute, and how their operands lie in memory.

use half::bf16;

use crate::lanes::LANES;

/// Rows of a tile.
pub(super) const ROWS: usize = 16;

/// Products that each sum gains in a step: a pair for each row of a tile of the right operand.
pub(super) const DEPTH: usize = 2 * ROWS;

/// Rows and columns of the sums: two tiles high and two wide, so that each tile that is loaded is used
/// twice, and that the processor has four independent sums to work at.
pub(super) const SIDE: usize = 2 * ROWS;

/// A row of a tile: 64 bytes.
pub(super) type Row = [[bf16; 2]; LANES];

/// A tile of the right operand: for each pair of its 32 rows, that of each of its 16 columns.
pub(super) type Tile = [Row; ROWS];

/// The left operand of a step: 32 rows of 32 numbers each.
pub(super) type Left = Aligned<[Row; SIDE]>;

/// The right operand of a step: 32 rows of 32 numbers each, in two tiles side by side.
pub(super) type Right<'a> = [&'a Tile; 2];

/// The results: 32 rows of 32 numbers each.
pub(super) type Sums = Aligned<[[[f32; LANES]; 2]; SIDE]>;

/// Lies in as few lines of the cache as it can.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Aligned<T>(pub(super) T);

/// Whoever computes products of tiles.
pub(super) trait Tiles {
    /// Overwrites the sums with the products of each step's operands, added up.
    ///
    /// As the manual of the instruction TDPBF16PS has it, a sum gains in each step that of its products
    /// at even and that at odd positions, which are summed apart. Everything is rounded to the nearest
    /// `f32`, and to the even one of two that are as near; subnormal numbers are taken as zero, and
    /// become zero.
    ///
    /// # Panics
    ///
    /// If there are not as many left operands as right ones.
    fn product(&mut self, left: &[Left], right: &[Right<'_>], sums: &mut Sums);
}

impl Default for Left {
    fn default() -> Self {
        Self([Row::default(); SIDE])
    }
}

impl Default for Sums {
    fn default() -> Self {
        Self([[[0.0; LANES]; 2]; SIDE])
    }
}

/// Room that is used again and again.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) left: Vec<Left>,
    pub(super) sums: Sums,
}

impl Scratch {
    /// So many left operands, with whatever numbers are in them.
    pub(super) fn left(&mut self, steps: usize) -> &mut [Left] {
        if self.left.len() < steps {
            self.left.resize(steps, Left::default());
        }
        &mut self.left[..steps]
    }
}
