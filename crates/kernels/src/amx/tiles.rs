//! The products that tiles compute, and how their operands lie in memory.

use half::bf16;

use crate::Write;
use crate::lanes::LANES;

/// Rows of a tile.
pub(super) const ROWS: usize = 16;

/// Products that each sum gains in a step at most: a pair for each row of a tile of the right operand.
pub(super) const DEPTH: usize = 2 * ROWS;

/// Tiles of sums: all that the processor has room for besides four tiles of operands.
pub(super) const SUMS: usize = 4;

/// A row of a tile of the right operand, 64 bytes: for sixteen columns a pair of numbers each.
pub(super) type Row = [[bf16; 2]; LANES];

/// Lies in as few lines of the cache as it can.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Aligned<T>(pub(super) T);

/// How the tiles of sums lie side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Two rows of tiles and two columns: each operand is used twice.
    Square,
    /// Four rows of tiles and one column.
    Tall,
}

/// Where the operands of each step lie, in bytes after those of a first step.
#[derive(Debug)]
pub(super) struct Steps {
    /// The left operand's offset, and the right one's.
    offsets: Vec<[usize; 2]>,
    /// Numbers of the left operand from the first step's to the last one's, and rows of the right one.
    reach: [usize; 2],
}

/// The operands of a product.
pub(super) struct Operands<'a> {
    /// The numbers of the left operand.
    pub(super) left: &'a [bf16],
    /// From each of its rows to the next.
    pub(super) pitch: usize,
    /// Where each row of tiles begins; a square has two.
    pub(super) firsts: [usize; SUMS],
    /// The rows of each column's right operand; a tall shape has one.
    pub(super) right: [&'a [Row]; 2],
}

/// Where the sums are.
pub(super) struct Sums<'a> {
    /// Rows of sixteen.
    pub(super) rows: &'a mut [[f32; LANES]],
    /// The first row of each tile. Two may be the same if their operands are.
    pub(super) firsts: [usize; SUMS],
    /// Rows from one of a tile to the next.
    pub(super) pitch: usize,
    pub(super) write: Write,
}

/// Whoever computes products of tiles.
pub(super) trait Tiles {
    /// Adds up the products of each step's operands.
    ///
    /// As the manual of the instruction TDPBF16PS has it, a sum gains in each step that of its products
    /// at even and that at odd positions, which are summed apart. Everything is rounded to the nearest
    /// `f32`, and to the even one of two that are as near; subnormal numbers are taken as zero, and
    /// become zero.
    ///
    /// # Panics
    ///
    /// If a step reaches beyond an operand, or the sums do not exist.
    fn product(&mut self, shape: Shape, steps: &Steps, operands: &Operands<'_>, sums: Sums<'_>);
}

impl Shape {
    /// The row and the column of tiles that this tile of sums belongs to.
    pub(super) fn place(self, tile: usize) -> [usize; 2] {
        match self {
            Self::Square => [tile / 2, tile % 2],
            Self::Tall => [tile, 0],
        }
    }

    /// How many rows and columns of tiles there are.
    pub(super) fn size(self) -> [usize; 2] {
        match self {
            Self::Square => [2, 2],
            Self::Tall => [SUMS, 1],
        }
    }
}

impl Steps {
    /// Steps at these numbers of the left operand and these rows of the right one, after the first ones.
    pub(super) fn new(steps: impl IntoIterator<Item = [usize; 2]>) -> Self {
        let mut reach = [0; 2];
        let offset = |[left, right]: [usize; 2]| {
            reach = [reach[0].max(left), reach[1].max(right)];
            [left * size_of::<bf16>(), right * size_of::<Row>()]
        };
        let offsets = steps.into_iter().map(offset).collect();
        Self { offsets, reach }
    }

    pub(super) fn offsets(&self) -> &[[usize; 2]] {
        &self.offsets
    }

    /// Checks that no step of this depth reaches beyond the operands, and no tile beyond the sums.
    pub(super) fn check(
        &self,
        shape: Shape,
        depth: usize,
        operands: &Operands<'_>,
        sums: &Sums<'_>,
    ) {
        let last = (ROWS - 1).saturating_mul(sums.pitch);
        assert!(sums.firsts.iter().all(|first| first.saturating_add(last) < sums.rows.len()));
        if self.offsets.is_empty() {
            return;
        }
        let Operands { left, pitch, firsts, right } = operands;
        let [height, width] = shape.size();
        let last =
            (ROWS - 1).saturating_mul(*pitch).saturating_add(self.reach[0]).saturating_add(depth);
        assert!(firsts[..height].iter().all(|first| first.saturating_add(last) <= left.len()));
        let rows = self.reach[1].saturating_add(depth / 2);
        assert!(right[..width].iter().all(|right| rows <= right.len()));
    }
}
