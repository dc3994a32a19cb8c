//! The inner loops of the weight's gradient: the sums of a tile of the weight's rows and sixteen
//! channels are held in registers, while pixels pass by.

use std::ops::Range;

use crate::channels::{Block, Mix};
use crate::element::{Factor, Stored, weave};
use crate::lanes::{Kernel, LANES, Lanes};
use crate::plan::{Pixel, Run};

/// So many pixels' gradients and sources stay in the first-level cache while the tiles of all rows
/// or all blocks pass over them.
const CHUNK_PIXELS: usize = 128;

/// So many pixels ahead gradients are asked for while they are loaded, where they are many.
const AHEAD: usize = 8;

/// From so many pairs of blocks on it pays to copy the sources that they share, for these may lie far apart.
const MANY_PAIRS: usize = 4;

/// The offsets of copied sources, which lie next to each other.
const COPIED: [Pixel; CHUNK_PIXELS] = {
    let mut pixels = [Pixel { source: 0, destination: 0 }; CHUNK_PIXELS];
    let mut i = 0;
    while i < CHUNK_PIXELS {
        pixels[i].source = i * LANES;
        i += 1;
    }
    pixels
};

/// The factors of sixteen channels, in one cache line where these are of four bytes.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub(crate) struct Line<F>([F; LANES]);

/// Room for copies of sources.
#[repr(align(64))]
struct Copies<F>([[F; LANES]; CHUNK_PIXELS]);

/// For every number in the runs and every block of destination channels: adds the sum over some
/// pixels of source times gradient.
pub(crate) struct WeightGradient<'a, E: Stored> {
    pub(crate) mix: Mix,
    pub(crate) blocks: &'a [Block],
    pub(crate) runs: &'a [Run],
    pub(crate) pixels: &'a [Pixel],
    pub(crate) source: &'a [E],
    pub(crate) dy: &'a [E],
    /// The rows of the weight that the runs meet.
    pub(crate) rows: Range<usize>,
    /// For each block and each of the rows.
    pub(crate) sums: &'a mut [[f32; LANES]],
    /// Room for the gradients of all blocks and of a chunk's pixels, joined to factors.
    pub(crate) gradients: &'a mut Vec<Line<E::Factor>>,
}

impl<E: Stored> Kernel for WeightGradient<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let blocks = self.blocks;
        let groups = blocks.chunk_by(|a, b| a.source == b.source);
        let pairs: Vec<_> = groups.flat_map(|group| group.chunks(2)).collect();
        let mut rest = self.pixels;
        while !rest.is_empty() {
            let (pixels, after) = rest.split_at(CHUNK_PIXELS.min(rest.len()));
            rest = after;
            match self.mix {
                Mix::Group => {
                    let next = &rest[..CHUNK_PIXELS.min(rest.len())];
                    self.group_blocks::<L>(&pairs, pixels, next);
                }
                Mix::Same => {
                    for block in 0..self.blocks.len() {
                        self.same_rows::<L>(pixels, block);
                    }
                }
            }
        }
    }
}

impl<E: Stored> WeightGradient<'_, E> {
    #[inline(always)]
    fn group_blocks<L: Lanes>(&mut self, pairs: &[&[Block]], pixels: &[Pixel], next: &[Pixel]) {
        let mut copy = Copies([[E::Factor::default(); LANES]; CHUNK_PIXELS]);
        let copy = &mut copy.0[..pixels.len().div_ceil(E::SPAN)];
        self.load_gradients::<L>(pairs, pixels, copy.len());
        let (mut first, mut block) = (0, 0);
        for group in pairs.chunk_by(|a, b| a[0].source == b[0].source) {
            self.group_rows::<L>(pixels, next, group, first, block, copy);
            first += group.len();
            block += group.iter().map(|pair| pair.len()).sum::<usize>();
        }
    }

    /// Loads the gradients of the pixels, joined to so many factors, for each pair of blocks that see the
    /// same, or block that has no other.
    #[inline(always)]
    fn load_gradients<L: Lanes>(&mut self, pairs: &[&[Block]], pixels: &[Pixel], factors: usize) {
        let pitch = pitch(factors);
        self.gradients.resize(pairs.len() * pitch, Line::default());
        // Pixel by pixel, which is how they lie; where there are none left, the factors are zeros.
        for k in 0..factors {
            let pixels = &pixels[pixels.len().min(k * E::SPAN)..];
            if pairs.len() >= MANY_PAIRS {
                for pixel in pixels.iter().skip(AHEAD).take(E::SPAN) {
                    for block in self.blocks {
                        L::expect(self.dy, pixel.destination + block.destination);
                    }
                }
            }
            let start =
                |nth: usize| pixels.get(nth).map_or(self.dy.len(), |pixel| pixel.destination);
            let rows = [start(0), start(1)].map(|start| &self.dy[start..]);
            for (pair, panel) in pairs.iter().zip(self.gradients.chunks_exact_mut(pitch)) {
                let factors = &mut panel[k * pair.len()..][..pair.len()];
                for (block, factors) in pair.iter().zip(factors) {
                    let rows = rows.map(|row| row.get(block.destination..).unwrap_or_default());
                    weave::<L, E>(rows, &mut factors.0);
                }
            }
        }
    }

    /// The pairs of a group, given the numbers of its first pair and of its first block. Those of `next` are
    /// the pixels that come after.
    #[inline(always)]
    fn group_rows<L: Lanes>(
        &mut self,
        pixels: &[Pixel],
        next: &[Pixel],
        pairs: &[&[Block]],
        first: usize,
        block: usize,
        copy: &mut [[E::Factor; LANES]],
    ) {
        let (factors, rows) = (copy.len(), self.rows.len());
        // Each tile asks for its share of what the next pixels will need.
        let dy_share = next.len().div_ceil(rows.div_ceil(LANES)).max(1);
        let source_share = next.len().div_ceil(pairs.len()).max(1);
        for run in self.runs {
            for done in (0..run.len).step_by(LANES) {
                let source_of_run = &self.source[pairs[0][0].source + run.source + done..];
                let (source, offsets) = match E::single_factors(source_of_run) {
                    Some(source) if pairs.len() < MANY_PAIRS => (source, pixels),
                    _ => {
                        let whole = pixels.chunks_exact(E::SPAN);
                        if let ([last], Some(factors)) = (whole.remainder(), copy.last_mut()) {
                            weave::<L, E>([&source_of_run[last.source..], &[]], factors);
                        }
                        for (pixels, factors) in whole.zip(&mut *copy) {
                            let rows = [pixels[0], pixels[E::SPAN - 1]];
                            let rows = rows.map(|pixel| &source_of_run[pixel.source..]);
                            weave::<L, E>(rows, factors);
                        }
                        (copy.as_flattened(), &COPIED[..factors])
                    }
                };
                let row = run.weight + done - self.rows.start;
                let len = LANES.min(run.len - done);
                let panels = self.gradients.chunks_exact(pitch(factors)).skip(first);
                let sums = self.sums[block * rows..].chunks_mut(2 * rows);
                for (nth, (pair, (panel, sums))) in pairs.iter().zip(panels.zip(sums)).enumerate() {
                    for pixel in next.chunks(dy_share).nth(row / LANES).unwrap_or_default() {
                        for block in *pair {
                            L::expect_later(self.dy, pixel.destination + block.destination);
                        }
                    }
                    for pixel in next.chunks(source_share).nth(nth).unwrap_or_default() {
                        L::expect_later(source_of_run, pixel.source);
                    }
                    let (a, b) = sums.split_at_mut(rows);
                    let a = &mut a[row..][..len];
                    if pair.len() == 2 {
                        let sums = [a, &mut b[row..][..len]];
                        add_group::<L, _, 2>(source, offsets, panel.as_chunks().0, sums);
                    } else {
                        add_group::<L, _, 1>(source, offsets, panel.as_chunks().0, [a]);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn same_rows<L: Lanes>(&mut self, pixels: &[Pixel], block: usize) {
        let Block { source, destination, .. } = self.blocks[block];
        let rows = SameRows {
            source: &self.source[source..],
            dy: &self.dy[destination..],
            pixels,
            first: self.rows.start,
        };
        let sums = &mut self.sums[block * self.rows.len()..][..self.rows.len()];
        let mut runs = self.runs;
        while !runs.is_empty() {
            let (some, rest) = runs.split_at(match (L::REGISTERS, runs.len()) {
                (16.., 9..) => 9,
                (_, 3..) => 3,
                _ => 1,
            });
            runs = rest;
            match some {
                [a, b, c, d, e, f, g, h, i] => {
                    rows.add::<L, 9>([a, b, c, d, e, f, g, h, i], sums);
                }
                [a, b, c] => rows.add::<L, 3>([a, b, c], sums),
                _ => rows.add::<L, 1>([&some[0]], sums),
            }
        }
    }
}

/// From one pair's gradients to the next one's: more than are used by one, since pairs that were a power of
/// two apart would share few sets of the first-level cache.
fn pitch(factors: usize) -> usize {
    2 * factors + 1
}

/// Adds the products of the source's first factors, one for each of a block's sums, with the gradients of each
/// block.
#[inline(always)]
fn add_group<L: Lanes, F: Factor, const BLOCKS: usize>(
    source: &[F],
    offsets: &[Pixel],
    gradients: &[[Line<F>; BLOCKS]],
    mut sums: [&mut [[f32; LANES]]; BLOCKS],
) {
    let (mut done, len) = (0, sums[0].len());
    while done < len {
        let source = &source[done..];
        let sums = sums.each_mut().map(|sums| &mut sums[done..]);
        done += match (L::REGISTERS, BLOCKS, len - done) {
            (17.., 1, 16..) => group_tile::<L, F, 16, BLOCKS>(source, offsets, gradients, sums),
            (17.., _, 8..) => group_tile::<L, F, 8, BLOCKS>(source, offsets, gradients, sums),
            (_, _, 4..) => group_tile::<L, F, 4, BLOCKS>(source, offsets, gradients, sums),
            _ => group_tile::<L, F, 1, BLOCKS>(source, offsets, gradients, sums),
        };
    }
}

/// Does so for the first `ROWS` sums of each block, and says how many these are.
#[inline(always)]
fn group_tile<L: Lanes, F: Factor, const ROWS: usize, const BLOCKS: usize>(
    source: &[F],
    offsets: &[Pixel],
    gradients: &[[Line<F>; BLOCKS]],
    to: [&mut [[f32; LANES]]; BLOCKS],
) -> usize {
    let mut sums = [[L::splat(0.0); ROWS]; BLOCKS];
    for (offset, gradients) in offsets.iter().zip(gradients) {
        let source = &source[offset.source..][..ROWS];
        for (sums, gradient) in sums.iter_mut().zip(gradients) {
            let gradient = F::load::<L>(&gradient.0);
            for (sum, x) in sums.iter_mut().zip(source) {
                *sum = F::mul_add(x.splat(), gradient, *sum);
            }
        }
    }
    for (to, sums) in to.into_iter().zip(sums) {
        for (to, sum) in to.iter_mut().zip(sums) {
            sum.add(L::load(to)).store(to);
        }
    }
    ROWS
}

/// Some pixels of sixteen channels, each of which is its own source.
struct SameRows<'a, E> {
    source: &'a [E],
    dy: &'a [E],
    pixels: &'a [Pixel],
    /// The first row of the weight that the sums are for.
    first: usize,
}

impl<E: Stored> SameRows<'_, E> {
    /// Adds the products of each run's source channels with the same channels' gradients.
    #[inline(always)]
    fn add<L: Lanes, const ROWS: usize>(&self, runs: [&Run; ROWS], to: &mut [[f32; LANES]]) {
        let mut sums = [L::splat(0.0); ROWS];
        for pixel in self.pixels {
            let gradient = L::load_padded(&self.dy[pixel.destination..]);
            for (sum, run) in sums.iter_mut().zip(runs) {
                let source = L::load_padded(&self.source[pixel.source + run.source..]);
                *sum = source.mul_add(gradient, *sum);
            }
        }
        for (run, sum) in runs.iter().zip(sums) {
            let to = &mut to[run.weight - self.first];
            sum.add(L::load(to)).store(to);
        }
    }
}
