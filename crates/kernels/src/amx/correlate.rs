//! Convolution and its input's gradient on tiles: rows are destination pixels, columns are destination
//! channels, and what is summed over are the numbers in the runs of taps.

use half::bf16;

use super::tiles::{DEPTH, Left, ROWS, Right, Row, SIDE, Scratch, Tile, Tiles};
use crate::channels::Block;
use crate::correlate_tiles::Correlate;
use crate::lanes::{Kernel, Lanes, first_lanes};
use crate::plan::{Pixel, Run};

/// So many left operands are gathered before weights pass by: half of a large second-level cache.
const CHUNK_STEPS: usize = 256;

/// A [`Correlate`] whose channels mix.
pub(super) struct TileCorrelate<'a> {
    pub(super) work: Correlate<'a, bf16>,
    pub(super) tiles: &'a mut dyn Tiles,
    pub(super) scratch: &'a mut Scratch,
}

impl Kernel for TileCorrelate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        for lattice in self.work.lattices {
            let steps = lattice.runs.iter().map(|run| run.len.div_ceil(DEPTH)).sum();
            let chunk = SIDE * (CHUNK_STEPS / usize::max(steps, 1)).max(1);
            for pixels in lattice.pixels(self.work.images).chunks(chunk) {
                self.chunk::<L>(&lattice.runs, steps, pixels);
            }
        }
    }
}

impl TileCorrelate<'_> {
    #[inline(always)]
    fn chunk<L: Lanes>(&mut self, runs: &[Run], steps: usize, pixels: &[Pixel]) {
        let mut first = 0;
        for group in self.work.blocks.chunk_by(|a, b| a.source == b.source) {
            self.gather::<L>(group[0].source, runs, steps, pixels);
            for pair in group.chunks(2) {
                self.pair::<L>(first, pair, runs, steps, pixels);
                first += pair.len();
            }
        }
    }

    /// Gathers the left operands of the pixels' steps.
    #[inline(always)]
    fn gather<L: Lanes>(&mut self, channel: usize, runs: &[Run], steps: usize, pixels: &[Pixel]) {
        let source = &self.work.source[channel..];
        let mut left = self.scratch.left(steps * pixels.len().div_ceil(SIDE)).iter_mut();
        for pixels in pixels.chunks(SIDE) {
            for run in runs {
                for (done, left) in (0..run.len).step_by(DEPTH).zip(&mut left) {
                    gather_step::<L>(&source[run.source + done..], pixels, run.len - done, left);
                }
            }
        }
    }

    /// Computes one or two blocks, of which this is the first, for all pixels.
    #[inline(always)]
    fn pair<L: Lanes>(
        &mut self,
        first: usize,
        blocks: &[Block],
        runs: &[Run],
        steps: usize,
        pixels: &[Pixel],
    ) {
        // A second block that is missing is the first again, and its sums are not stored.
        let panels =
            [first, first + blocks.len() - 1].map(|block| self.work.weights.from(block).rows);
        let mut rests = vec![[Tile::default(); 2]; runs.len()];
        let right = right(panels, runs, &mut rests);
        for (i, pixels) in pixels.chunks(SIDE).enumerate() {
            let Scratch { left, sums } = &mut *self.scratch;
            self.tiles.product(&left[i * steps..][..steps], &right, sums);
            for (pixel, sums) in pixels.iter().zip(&sums.0) {
                for (block, sums) in blocks.iter().zip(sums) {
                    let to = &mut self.work.destination[pixel.destination + block.destination..];
                    self.work.write.store(L::load(sums), &mut to[..block.columns]);
                }
            }
        }
    }
}

/// Gathers so many numbers from each of the pixels on, at most a row, and fills up the rows with zeros. Those
/// beyond the last pixel keep what they hold: their sums are not stored.
#[inline(always)]
fn gather_step<L: Lanes>(source: &[bf16], pixels: &[Pixel], len: usize, left: &mut Left) {
    for (row, pixel) in left.0.iter_mut().zip(pixels) {
        let pairs = source[pixel.source..][..len.min(DEPTH)].as_chunks().0;
        match pairs.first_chunk() {
            Some(whole) => *row = *whole,
            None => L::load_pairs_short(pairs).store_pairs(row),
        }
    }
}

/// The right operands of all steps: the weights where they lie, but copied and filled up with zeros into
/// `rests` at the end of a run.
fn right<'a>(panels: [&'a [Row]; 2], runs: &[Run], rests: &'a mut [[Tile; 2]]) -> Vec<Right<'a>> {
    let mut right = Vec::new();
    for (run, rest) in runs.iter().zip(rests) {
        let rows = panels.map(|panel| &panel[run.weight / 2..][..run.len / 2]);
        let [(first, first_rest), (second, second_rest)] =
            rows.map(|rows| rows.as_chunks::<ROWS>());
        right.extend(first.iter().zip(second).map(|(first, second)| [first, second]));
        if !first_rest.is_empty() {
            *rest = [first_rest, second_rest].map(first_lanes);
            let [first, second] = &*rest;
            right.push([first, second]);
        }
    }
    right
}
