//! The gradient of convolution's weight on tiles: rows are those of the weight, columns are destination
//! channels, and what is summed over are pixels.

use std::array::from_fn;
use std::ops::Range;

use half::bf16;

use super::tiles::{DEPTH, ROWS, Right, SIDE, Scratch, Tile, Tiles};
use crate::element::Stored;
use crate::lanes::{Kernel, Lanes};
use crate::plan::Pixel;
use crate::weight_tiles::WeightGradient;

/// The operands of so many steps stay in the first-level cache while the tiles of all rows or all blocks
/// pass over them.
const CHUNK_STEPS: usize = 16;

/// A [`WeightGradient`] whose channels mix.
pub(super) struct TileGradient<'a> {
    pub(super) work: WeightGradient<'a, bf16>,
    pub(super) tiles: &'a mut dyn Tiles,
    pub(super) scratch: &'a mut Scratch,
}

impl Kernel for TileGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        for pixels in self.work.pixels.chunks(CHUNK_STEPS * DEPTH) {
            self.chunk::<L>(pixels);
        }
    }
}

impl TileGradient<'_> {
    #[inline(always)]
    fn chunk<L: Lanes>(&mut self, pixels: &[Pixel]) {
        let steps = pixels.len().div_ceil(DEPTH);
        self.work.load_gradients::<L>(pixels, steps * ROWS);
        let mut first = 0;
        for group in self.work.blocks.chunk_by(|a, b| a.source == b.source) {
            let blocks = first..first + group.len();
            first = blocks.end;
            for run in self.work.runs {
                for done in (0..run.len).step_by(SIDE) {
                    let rows = SIDE.min(run.len - done);
                    self.gather::<L>(group[0].source + run.source + done, rows, pixels);
                    let row = run.weight + done - self.work.rows.start;
                    self.add::<L>(row..row + rows, blocks.clone(), steps);
                }
            }
        }
    }

    /// Gathers the left operands: so many source channels from this one on, each with all its pixels.
    #[inline(always)]
    fn gather<L: Lanes>(&mut self, channel: usize, rows: usize, pixels: &[Pixel]) {
        let left = self.scratch.left(pixels.len().div_ceil(DEPTH));
        let mut woven = Tile::default();
        for (left, pixels) in left.iter_mut().zip(pixels.chunks(DEPTH)) {
            // A tile that is left out keeps what it holds: its sums are not added.
            let tiles = left.0.as_chunks_mut().0.iter_mut().take(rows.div_ceil(ROWS));
            for (i, to) in tiles.enumerate() {
                let source = &self.work.source[channel + i * ROWS..];
                let mut pixels = pixels.iter().map(|pixel| &source[pixel.source..]);
                for pairs in &mut woven {
                    bf16::weave::<L>(&mut pixels, pairs);
                }
                transpose::<L>(&woven, to);
            }
        }
    }

    /// Adds the products of the left operands with the blocks' gradients to these rows' sums.
    #[inline(always)]
    fn add<L: Lanes>(&mut self, rows: Range<usize>, blocks: Range<usize>, steps: usize) {
        let Scratch { left, sums } = &mut *self.scratch;
        let gradients = self.work.gradients.as_chunks().0;
        for first in blocks.clone().step_by(2) {
            // A second block that is missing is the first again, and its sums are not added.
            let pair = first..blocks.end.min(first + 2);
            let right: [Right<'_>; CHUNK_STEPS] = from_fn(|step| {
                [pair.start, pair.end - 1]
                    .map(|block| &gradients[block * steps + step.min(steps - 1)])
            });
            self.tiles.product(&left[..steps], &right[..steps], sums);
            for (row, sums) in rows.clone().zip(&sums.0) {
                for (block, sums) in pair.clone().zip(sums) {
                    let to = &mut self.work.sums[block * self.work.rows.len() + row];
                    L::load(sums).add(L::load(to)).store(to);
                }
            }
        }
    }
}

/// Swaps rows and columns.
///
/// Interleaving the first and the second half of 256 pairs moves each to the place whose number, of eight
/// bits, is that of its old place rotated by one. After four times, row and column have changed places.
#[inline(always)]
fn transpose<L: Lanes>(from: &Tile, to: &mut Tile) {
    const HALF: usize = ROWS / 2;
    let mut rows = [L::splat(0.0); ROWS];
    for i in 0..ROWS {
        rows[i] = L::load_pairs(&from[i]);
    }
    for _ in 0..4 {
        let old = rows;
        for i in 0..HALF {
            [rows[2 * i], rows[2 * i + 1]] = old[i].interleave(old[HALF + i]);
        }
    }
    for i in 0..ROWS {
        rows[i].store_pairs(&mut to[i]);
    }
}
