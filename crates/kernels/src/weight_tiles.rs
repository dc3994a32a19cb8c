//! The inner loops of the weight's gradient: the sums of a tile of the weight's rows and sixteen
//! channels are held in registers, while pixels pass by.

use std::ops::Range;

use crate::Isa;
use crate::channels::{Block, Mix};
use crate::lanes::{Kernel, LANES, Lanes};
use crate::plan::{Pixel, Run};

/// So many pixels' gradients and sources stay in the first-level cache while the tiles of all rows
/// or all blocks pass over them.
const CHUNK_PIXELS: usize = 128;

/// From so many blocks on it pays to copy the sources that they share, for these may lie far apart.
const MANY_BLOCKS: usize = 8;

/// The pixels of copied sources, which lie next to each other.
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
pub(crate) struct WeightGradient<'a> {
    pub(crate) mix: Mix,
    pub(crate) blocks: &'a [Block],
    pub(crate) runs: &'a [Run],
    pub(crate) pixels: &'a [Pixel],
    pub(crate) source: &'a [f32],
    pub(crate) dy: &'a [f32],
    /// The rows of the weight that the runs meet.
    pub(crate) rows: Range<usize>,
    /// For each block and each of the rows.
    pub(crate) sums: &'a mut [[f32; LANES]],
    /// Room for the gradients of each block and each pixel of a chunk.
    pub(crate) gradients: &'a mut Vec<[f32; LANES]>,
}

impl Kernel for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        for pixels in self.pixels.chunks(CHUNK_PIXELS) {
            self.load_gradients::<L>(pixels);
            let mut first = 0;
            for group in self.blocks.chunk_by(|a, b| a.source == b.source) {
                let blocks = first..first + group.len();
                first = blocks.end;
                match self.mix {
                    Mix::Group => self.group_rows::<L>(pixels, group[0].source, blocks),
                    Mix::Same => self.same_rows::<L>(pixels, group[0].source, blocks.start),
                }
            }
        }
    }
}

impl WeightGradient<'_> {
    #[inline(always)]
    fn load_gradients<L: Lanes>(&mut self, pixels: &[Pixel]) {
        self.gradients.resize(self.blocks.len() * pixels.len(), [0.0; LANES]);
        for (i, pixel) in pixels.iter().enumerate() {
            let panels = self.gradients.chunks_exact_mut(pixels.len());
            for (block, panel) in self.blocks.iter().zip(panels) {
                let dy = L::load_padded(&self.dy[pixel.destination + block.destination..]);
                dy.store(&mut panel[i]);
            }
        }
    }

    #[inline(always)]
    fn group_rows<L: Lanes>(&mut self, pixels: &[Pixel], channel: usize, blocks: Range<usize>) {
        let mut copy = [[0.0; LANES]; CHUNK_PIXELS];
        for run in self.runs {
            for done in (0..run.len).step_by(LANES) {
                let mut source = &self.source[channel + run.source + done..];
                let mut source_pixels = pixels;
                if blocks.len() >= MANY_BLOCKS {
                    for (copy, pixel) in copy.iter_mut().zip(pixels) {
                        L::load_padded(&source[pixel.source..]).store(copy);
                    }
                    (source, source_pixels) = (copy.as_flattened(), &COPIED[..pixels.len()]);
                }
                let row = run.weight + done - self.rows.start;
                for block in blocks.clone() {
                    let gradients = &self.gradients[block * pixels.len()..][..pixels.len()];
                    let sums = &mut self.sums[block * self.rows.len() + row..];
                    let sums = &mut sums[..LANES.min(run.len - done)];
                    add_group::<L>(source, source_pixels, gradients, sums);
                }
            }
        }
    }

    #[inline(always)]
    fn same_rows<L: Lanes>(&mut self, pixels: &[Pixel], channel: usize, block: usize) {
        let (source, first) = (&self.source[channel..], self.rows.start);
        let gradients = &self.gradients[block * pixels.len()..][..pixels.len()];
        let sums = &mut self.sums[block * self.rows.len()..][..self.rows.len()];
        let mut runs = self.runs;
        while !runs.is_empty() {
            let (some, rest) = runs.split_at(match (L::ISA, runs.len()) {
                (Isa::Avx512, 9..) => 9,
                (_, 3..) => 3,
                _ => 1,
            });
            runs = rest;
            match some {
                [a, b, c, d, e, f, g, h, i] => {
                    let runs = [a, b, c, d, e, f, g, h, i];
                    add_same::<L, 9>(source, pixels, gradients, runs, first, sums);
                }
                [a, b, c] => add_same::<L, 3>(source, pixels, gradients, [a, b, c], first, sums),
                _ => add_same::<L, 1>(source, pixels, gradients, [&some[0]], first, sums),
            }
        }
    }
}

/// Adds the products of the sources' first numbers, one for each of the sums, with the gradients.
#[inline(always)]
fn add_group<L: Lanes>(
    source: &[f32],
    pixels: &[Pixel],
    gradients: &[[f32; LANES]],
    sums: &mut [[f32; LANES]],
) {
    let mut done = 0;
    while done < sums.len() {
        let (source, sums) = (&source[done..], &mut sums[done..]);
        done += match (L::ISA, sums.len()) {
            (Isa::Avx512, 16..) => group_tile::<L, 16>(source, pixels, gradients, sums),
            (_, 4..) => group_tile::<L, 4>(source, pixels, gradients, sums),
            _ => group_tile::<L, 1>(source, pixels, gradients, sums),
        };
    }
}

/// Does so for the first `ROWS` sums, and says how many these are.
#[inline(always)]
fn group_tile<L: Lanes, const ROWS: usize>(
    source: &[f32],
    pixels: &[Pixel],
    gradients: &[[f32; LANES]],
    to: &mut [[f32; LANES]],
) -> usize {
    let mut sums = [L::splat(0.0); ROWS];
    for (pixel, gradient) in pixels.iter().zip(gradients) {
        let gradient = L::load(gradient);
        for (sum, &x) in sums.iter_mut().zip(&source[pixel.source..][..ROWS]) {
            *sum = L::splat(x).mul_add(gradient, *sum);
        }
    }
    for (to, sum) in to.iter_mut().zip(sums) {
        sum.add(L::load(to)).store(to);
    }
    ROWS
}

/// Adds the products of each run's source channels with the same channels' gradients.
#[inline(always)]
fn add_same<L: Lanes, const ROWS: usize>(
    source: &[f32],
    pixels: &[Pixel],
    gradients: &[[f32; LANES]],
    runs: [&Run; ROWS],
    first_row: usize,
    to: &mut [[f32; LANES]],
) {
    let mut sums = [L::splat(0.0); ROWS];
    for (pixel, gradient) in pixels.iter().zip(gradients) {
        let gradient = L::load(gradient);
        for (sum, run) in sums.iter_mut().zip(runs) {
            let source = L::load_padded(&source[pixel.source + run.source..]);
            *sum = source.mul_add(gradient, *sum);
        }
    }
    for (run, sum) in runs.iter().zip(sums) {
        let to = &mut to[run.weight - first_row];
        sum.add(L::load(to)).store(to);
    }
}
