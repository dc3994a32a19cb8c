//! The products between the transforms: for each point a small product of matrices, whose sums are held
//! in registers.
#![expect(
    clippy::needless_range_loop,
    reason = "with indices all loops unroll, and arrays are registers"
)]

use crate::lanes::{LANES, Lanes};
use crate::winograd::transform::POINTS;

/// Tiles, or channels, come in multiples of this.
pub(crate) const TILE_ROWS: usize = 8;

/// Rows in a tile where sixteen numbers take two of sixteen registers.
const FEW_ROWS: usize = 4;

/// A product of matrices for one point, which is computed tile by tile.
pub(crate) trait Product: Sized {
    /// Computes so many rows and blocks of sixteen columns of the result, from these on.
    fn tile<L: Lanes, const ROWS: usize, const BLOCKS: usize>(&mut self, row: usize, block: usize);

    /// Computes everything; `rows` is a multiple of [`TILE_ROWS`].
    #[inline(always)]
    fn run<L: Lanes>(mut self, rows: usize, blocks: usize) {
        let mut block = 0;
        while block < blocks {
            block += match (L::REGISTERS > 2 * TILE_ROWS, blocks - block) {
                (true, 2..) => self.column::<L, TILE_ROWS, 2>(rows, block),
                (true, _) => self.column::<L, TILE_ROWS, 1>(rows, block),
                (false, _) => self.column::<L, FEW_ROWS, 1>(rows, block),
            };
        }
    }

    /// Computes all rows of so many blocks from this one on, and says how many these are.
    #[inline(always)]
    fn column<L: Lanes, const ROWS: usize, const BLOCKS: usize>(
        &mut self,
        rows: usize,
        block: usize,
    ) -> usize {
        for row in (0..rows).step_by(ROWS) {
            self.tile::<L, ROWS, BLOCKS>(row, block);
        }
        BLOCKS
    }
}

/// For each tile: its channels times the weights. Where tiles are `FEW`, so that the weights are not in a cache, memory is
/// asked for those of the next point.
pub(crate) struct Correlation<'a, const FEW: bool> {
    pub(crate) point: usize,
    pub(crate) tiles: usize,
    /// For each block of source channels and each tile.
    pub(crate) source: &'a [[f32; LANES]],
    pub(crate) source_blocks: usize,
    /// For each block of destination channels and each point: one for each source channel.
    pub(crate) panels: &'a [[f32; LANES]],
    /// For each block of destination channels and each tile.
    pub(crate) to: &'a mut [[f32; LANES]],
}

impl<const FEW: bool> Product for Correlation<'_, FEW> {
    #[inline(always)]
    fn tile<L: Lanes, const ROWS: usize, const BLOCKS: usize>(&mut self, row: usize, block: usize) {
        let depth = self.source_blocks * LANES;
        let mut panels = [&self.panels[..depth]; BLOCKS];
        for j in 0..BLOCKS {
            panels[j] = &self.panels[((block + j) * POINTS + self.point) * depth..][..depth];
        }
        let mut sums = [[L::splat(0.0); ROWS]; BLOCKS];
        for k in 0..self.source_blocks {
            let mut rows = [&[0.0; LANES]; ROWS];
            for i in 0..ROWS {
                rows[i] = &self.source[k * self.tiles + row + i];
            }
            if FEW {
                // All rows together ask for all.
                for lane in row * LANES / self.tiles..(row + ROWS) * LANES / self.tiles {
                    for j in 0..BLOCKS {
                        let next = ((block + j) * POINTS + self.point + 1) * depth;
                        L::expect_later(self.panels, next + k * LANES + lane);
                    }
                }
            }
            for lane in 0..LANES {
                let mut weights = [L::splat(0.0); BLOCKS];
                for j in 0..BLOCKS {
                    weights[j] = L::load(&panels[j][k * LANES + lane]);
                }
                for i in 0..ROWS {
                    let x = L::splat(rows[i][lane]);
                    for j in 0..BLOCKS {
                        sums[j][i] = x.mul_add(weights[j], sums[j][i]);
                    }
                }
            }
        }
        for j in 0..BLOCKS {
            for i in 0..ROWS {
                sums[j][i].store(&mut self.to[(block + j) * self.tiles + row + i]);
            }
        }
    }
}

/// Some tiles of the source and of the gradient.
pub(crate) struct Operands<'a> {
    pub(crate) tiles: usize,
    /// For each block of source channels and each tile.
    pub(crate) source: &'a [[f32; LANES]],
    /// For each block of destination channels and each tile.
    pub(crate) gradient: &'a [[f32; LANES]],
}

/// For each source channel: adds the sum over all tiles of it times the gradient.
pub(crate) struct WeightProduct<'a> {
    pub(crate) operands: &'a [Operands<'a>],
    pub(crate) channels: usize,
    /// For each block of destination channels and each source channel.
    pub(crate) to: &'a mut [[f32; LANES]],
}

impl Product for WeightProduct<'_> {
    #[inline(always)]
    fn tile<L: Lanes, const ROWS: usize, const BLOCKS: usize>(&mut self, row: usize, block: usize) {
        let mut sums = [[L::splat(0.0); ROWS]; BLOCKS];
        for j in 0..BLOCKS {
            for i in 0..ROWS {
                sums[j][i] = L::load(&self.to[(block + j) * self.channels + row + i]);
            }
        }
        for &Operands { tiles, source, gradient } in self.operands {
            let source = &source[row / LANES * tiles..][..tiles];
            let mut gradients = [source; BLOCKS];
            for j in 0..BLOCKS {
                gradients[j] = &gradient[(block + j) * tiles..][..tiles];
            }
            for tile in 0..tiles {
                let mut dy = [L::splat(0.0); BLOCKS];
                for j in 0..BLOCKS {
                    dy[j] = L::load(&gradients[j][tile]);
                }
                let source = &source[tile][row % LANES..][..ROWS];
                for i in 0..ROWS {
                    let x = L::splat(source[i]);
                    for j in 0..BLOCKS {
                        sums[j][i] = x.mul_add(dy[j], sums[j][i]);
                    }
                }
            }
        }
        for j in 0..BLOCKS {
            for i in 0..ROWS {
                sums[j][i].store(&mut self.to[(block + j) * self.channels + row + i]);
            }
        }
    }
}
