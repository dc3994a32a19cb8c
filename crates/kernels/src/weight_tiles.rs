//! The inner loops of the weight's gradient: the sums of a tile of the weight's rows and sixteen
//! channels are held in registers, while pixels pass by.

use std::ops::Range;

use crate::channels::{Block, Mix};
use crate::element::{Factor, Makes, Stored, weave};
use crate::lanes::{Kernel, LANES, Lanes};
use crate::plan::{Pixel, Run};

/// So many pixels' gradients and sources stay in the first-level cache while the tiles of all rows
/// or all blocks pass over them.
const CHUNK_PIXELS: usize = 128;

/// So many pixels ahead gradients are asked for while they are loaded, where they are many ...
const AHEAD: usize = 8;

/// ... which they are from so many blocks on.
const MANY_BLOCKS: usize = 7;

/// The factors of sixteen channels, in one cache line where these are of four bytes.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub(crate) struct Line<F>([F; LANES]);

/// Room for copies of sources.
#[repr(align(64))]
struct Copies<F>([[F; LANES]; CHUNK_PIXELS]);

/// For every number in the runs and every block of destination channels: adds the sum over some
/// pixels of source times gradient.
pub(crate) struct WeightGradient<'a, E, F> {
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
    pub(crate) gradients: &'a mut Vec<Line<F>>,
}

impl<E: Stored + Makes<F>, F: Factor> Kernel for WeightGradient<'_, E, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        // Of the same length, about: all sums are loaded and stored once for each chunk.
        let chunks = self.pixels.len().div_ceil(CHUNK_PIXELS).max(1);
        let len = self.pixels.len().div_ceil(chunks).next_multiple_of(F::SPAN).max(1);
        let mut chunks = self.pixels.chunks(len).peekable();
        while let Some(pixels) = chunks.next() {
            match self.mix {
                Mix::Group => {
                    let next = chunks.peek().copied().unwrap_or_default();
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

impl<E: Stored + Makes<F>, F: Factor> WeightGradient<'_, E, F> {
    #[inline(always)]
    fn group_blocks<L: Lanes>(&mut self, pixels: &[Pixel], next: &[Pixel]) {
        let mut copy = Copies([[F::default(); LANES]; CHUNK_PIXELS]);
        let copy = &mut copy.0[..pixels.len().div_ceil(F::SPAN)];
        self.load_gradients::<L>(pixels, copy.len());
        let mut first = 0;
        for group in self.blocks.chunk_by(|a, b| a.source == b.source) {
            self.group_rows::<L>(pixels, next, group, first, copy);
            first += group.len();
        }
    }

    /// Loads the gradients of the pixels for each block, joined to so many factors.
    #[inline(always)]
    fn load_gradients<L: Lanes>(&mut self, pixels: &[Pixel], factors: usize) {
        let pitch = pitch(factors);
        self.gradients.resize(self.blocks.len() * pitch, Line::default());
        // Pixel by pixel, which is how they lie; where there are none left, the factors are zeros.
        for k in 0..factors {
            let pixels = &pixels[pixels.len().min(k * F::SPAN)..];
            if self.blocks.len() >= MANY_BLOCKS {
                for pixel in pixels.iter().skip(AHEAD).take(F::SPAN) {
                    for block in self.blocks {
                        L::expect(self.dy, pixel.destination + block.destination);
                    }
                }
            }
            let mut panels = &mut self.gradients[..];
            // Those that follow each other, up to one that is not whole.
            for blocks in self.blocks.chunk_by(|block, _| block.columns == LANES) {
                let columns = (blocks.len() - 1) * LANES + blocks[blocks.len() - 1].columns;
                let row = |nth: usize| match pixels.get(nth) {
                    Some(pixel) => &self.dy[pixel.destination + blocks[0].destination..][..columns],
                    None => &[],
                };
                let (some, rest) = panels.split_at_mut(blocks.len() * pitch);
                panels = rest;
                weave_rows::<L, E, F>([row(0), row(1)], some.iter_mut().skip(k).step_by(pitch));
            }
        }
    }

    /// The blocks of a group, given the number of its first. Those of `next` are the pixels that come after.
    #[inline(always)]
    fn group_rows<L: Lanes>(
        &mut self,
        pixels: &[Pixel],
        next: &[Pixel],
        blocks: &[Block],
        first: usize,
        copy: &mut [[F; LANES]],
    ) {
        let rows = self.rows.len();
        let pitch = pitch(copy.len());
        // Each tile asks for its share of what the next pixels will need.
        let dy_share = next.len().div_ceil(rows.div_ceil(LANES)).max(1);
        let source_share = next.len().div_ceil(blocks.len()).max(1);
        for run in self.runs {
            for done in (0..run.len).step_by(LANES) {
                let source = &self.source[blocks[0].source + run.source + done..];
                for (pixels, factors) in pixels.chunks(F::SPAN).zip(&mut *copy) {
                    let row =
                        |nth: usize| pixels.get(nth).map_or(&[][..], |at| &source[at.source..]);
                    weave::<L, E, F>([row(0), row(1)], factors);
                }
                let row = run.weight + done - self.rows.start;
                let len = LANES.min(run.len - done);
                let panels = self.gradients.chunks_exact(pitch).skip(first);
                let sums = self.sums[first * rows..].chunks_exact_mut(rows);
                for (nth, (block, (panel, sums))) in blocks.iter().zip(panels.zip(sums)).enumerate()
                {
                    for pixel in next.chunks(dy_share).nth(row / LANES).unwrap_or_default() {
                        L::expect_later(self.dy, pixel.destination + block.destination);
                    }
                    for pixel in next.chunks(source_share).nth(nth).unwrap_or_default() {
                        L::expect_later(source, pixel.source);
                    }
                    add_rows::<L, F>(copy, panel, &mut sums[row..][..len]);
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

/// For each sixteen columns of the rows: the factors down them.
#[inline(always)]
fn weave_rows<'a, L: Lanes, E: Makes<F>, F: Factor + 'a>(
    rows: [&[E]; 2],
    to: impl Iterator<Item = &'a mut Line<F>>,
) {
    let rows = [rows[0], rows[F::SPAN - 1]];
    let mut to = to.map(|line| &mut line.0);
    let [(first, rest), (second, other_rest)] = rows.map(<[E]>::as_chunks);
    if first.len() == second.len() {
        first.iter().zip(second).zip(&mut to).for_each(|((first, second), to)| {
            E::weave::<L>([first, second], to);
        });
        to.take(1).for_each(|to| weave::<L, E, F>([rest, other_rest], to));
    } else {
        rows[0].chunks(LANES).zip(to).for_each(|(row, to)| weave::<L, E, F>([row, &[]], to));
    }
}

/// From one block's gradients to the next one's: more than are used by one, since blocks that were a power of
/// two apart would share few sets of the first-level cache.
fn pitch(factors: usize) -> usize {
    factors + 1
}

/// Adds the products of the source's first factors, one for each of a block's sums, with the block's gradients.
#[inline(always)]
fn add_rows<L: Lanes, F: Factor>(
    source: &[[F; LANES]],
    gradients: &[Line<F>],
    sums: &mut [[f32; LANES]],
) {
    let mut done = 0;
    while done < sums.len() {
        let sums = &mut sums[done..];
        done += match (L::REGISTERS, sums.len()) {
            (17.., 16..) => tile::<L, F, 16>(source, gradients, done, sums),
            (_, 4..) => tile::<L, F, 4>(source, gradients, done, sums),
            _ => tile::<L, F, 1>(source, gradients, done, sums),
        };
    }
}

/// Does so for `ROWS` sums, given the number of the first one's factor, and says how many these are.
///
/// In AVX-512 each factor of the source is broadcast by the instruction that multiplies it, so there are hardly
/// more instructions than products, and the two threads of a core do not wait for each other.
#[inline(always)]
fn tile<L: Lanes, F: Factor, const ROWS: usize>(
    source: &[[F; LANES]],
    gradients: &[Line<F>],
    first: usize,
    to: &mut [[f32; LANES]],
) -> usize {
    let mut sums = [L::splat(0.0); ROWS];
    for (source, gradient) in source.iter().zip(gradients) {
        let gradient = F::load::<L>(&gradient.0);
        for (sum, x) in sums.iter_mut().zip(&source[first..][..ROWS]) {
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
