//! The inner loops of the weight's gradient: the sums of a tile of the weight's rows and sixteen
//! channels are held in registers, while pixels pass by.

use std::ops::Range;

use crate::channels::{Block, Mix};
use crate::element::{Factor, Stored};
use crate::lanes::{Kernel, LANES, Lanes};
use crate::plan::{Pixel, Run};

/// So many pixels' gradients and sources stay in the first-level cache while the tiles of all rows
/// or all blocks pass over them.
const CHUNK_PIXELS: usize = 128;

/// From so many blocks on it pays to copy the sources that they share, for these may lie far apart.
const MANY_BLOCKS: usize = 8;

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
    /// Room for the gradients of each block and of a chunk's pixels, joined to factors.
    pub(crate) gradients: &'a mut Vec<[E::Factor; LANES]>,
}

impl<E: Stored> Kernel for WeightGradient<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let mut rest = self.pixels;
        while !rest.is_empty() {
            let (pixels, after) = rest.split_at(CHUNK_PIXELS.min(rest.len()));
            rest = after;
            match self.mix {
                Mix::Group => {
                    let next = &rest[..CHUNK_PIXELS.min(rest.len())];
                    self.group_blocks::<L>(pixels, next);
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
    fn group_blocks<L: Lanes>(&mut self, pixels: &[Pixel], next: &[Pixel]) {
        let mut copy = [[E::Factor::default(); LANES]; CHUNK_PIXELS];
        let copy = &mut copy[..pixels.len().div_ceil(E::SPAN)];
        self.load_gradients::<L>(pixels, copy.len());
        let mut first = 0;
        for group in self.blocks.chunk_by(|a, b| a.source == b.source) {
            let blocks = first..first + group.len();
            first = blocks.end;
            self.group_rows::<L>(pixels, next, group[0].source, blocks, copy);
        }
    }

    /// Loads each block's gradients of the pixels, joined to so many factors.
    #[inline(always)]
    pub(crate) fn load_gradients<L: Lanes>(&mut self, pixels: &[Pixel], factors: usize) {
        self.gradients.resize(self.blocks.len() * factors, [E::Factor::default(); LANES]);
        // Pixel by pixel, which is how they lie; where there are none left, the factors are zeros.
        for k in 0..factors {
            let pixels = &pixels[pixels.len().min(k * E::SPAN)..];
            let pixels = &pixels[..pixels.len().min(E::SPAN)];
            for (block, panel) in self.blocks.iter().zip(self.gradients.chunks_exact_mut(factors)) {
                let row = |pixel: &Pixel| &self.dy[pixel.destination + block.destination..];
                E::weave::<L>(&mut pixels.iter().map(row), &mut panel[k]);
            }
        }
    }

    /// Those of `next` are the pixels that come after.
    #[inline(always)]
    fn group_rows<L: Lanes>(
        &mut self,
        pixels: &[Pixel],
        next: &[Pixel],
        channel: usize,
        blocks: Range<usize>,
        copy: &mut [[E::Factor; LANES]],
    ) {
        let factors = copy.len();
        // Each tile asks for its share of what the next pixels will need.
        let dy_share = next.len().div_ceil(self.rows.len().div_ceil(LANES)).max(1);
        let source_share = next.len().div_ceil(blocks.len()).max(1);
        for run in self.runs {
            for done in (0..run.len).step_by(LANES) {
                let source_of_run = &self.source[channel + run.source + done..];
                let (source, offsets) = match E::single_factors(source_of_run) {
                    Some(source) if blocks.len() < MANY_BLOCKS => (source, pixels),
                    _ => {
                        let mut rows = pixels.iter().map(|pixel| &source_of_run[pixel.source..]);
                        copy.iter_mut().for_each(|factors| E::weave::<L>(&mut rows, factors));
                        (copy.as_flattened(), &COPIED[..factors])
                    }
                };
                let row = run.weight + done - self.rows.start;
                for block in blocks.clone() {
                    for pixel in next.chunks(dy_share).nth(row / LANES).unwrap_or_default() {
                        let channel = self.blocks[block].destination;
                        L::expect(self.dy, pixel.destination + channel);
                    }
                    let nth = block - blocks.start;
                    for pixel in next.chunks(source_share).nth(nth).unwrap_or_default() {
                        L::expect(source_of_run, pixel.source);
                    }
                    let gradients = &self.gradients[block * factors..][..factors];
                    let sums = &mut self.sums[block * self.rows.len() + row..];
                    let sums = &mut sums[..LANES.min(run.len - done)];
                    add_group::<L, E::Factor>(source, offsets, gradients, sums);
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

/// Adds the products of the sources' first factors, one for each of the sums, with the gradients.
#[inline(always)]
fn add_group<L: Lanes, F: Factor>(
    source: &[F],
    offsets: &[Pixel],
    gradients: &[[F; LANES]],
    sums: &mut [[f32; LANES]],
) {
    let mut done = 0;
    while done < sums.len() {
        let (source, sums) = (&source[done..], &mut sums[done..]);
        done += match (L::REGISTERS, sums.len()) {
            (17.., 16..) => group_tile::<L, F, 16>(source, offsets, gradients, sums),
            (_, 4..) => group_tile::<L, F, 4>(source, offsets, gradients, sums),
            _ => group_tile::<L, F, 1>(source, offsets, gradients, sums),
        };
    }
}

/// Does so for the first `ROWS` sums, and says how many these are.
#[inline(always)]
fn group_tile<L: Lanes, F: Factor, const ROWS: usize>(
    source: &[F],
    offsets: &[Pixel],
    gradients: &[[F; LANES]],
    to: &mut [[f32; LANES]],
) -> usize {
    let mut sums = [L::splat(0.0); ROWS];
    for (offset, gradient) in offsets.iter().zip(gradients) {
        let gradient = F::load::<L>(gradient);
        for (sum, x) in sums.iter_mut().zip(&source[offset.source..][..ROWS]) {
            *sum = F::mul_add(x.splat(), gradient, *sum);
        }
    }
    for (to, sum) in to.iter_mut().zip(sums) {
        sum.add(L::load(to)).store(to);
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
