//! The inner loops of the weight's gradient: the sums of a tile of the weight's rows and sixteen or thirty-two
//! channels are held in registers, while pixels pass by.

use std::ops::Range;

use crate::channels::{Block, Mix};
use crate::element::{Factor, Makes, Stored, weave};
use crate::lanes::{Kernel, LANES, Lanes};
use crate::plan::{Pixel, Run};

/// So many factors of each channel's pixels are brought together, for all rows or all blocks: what a tile reads stays in the
/// first-level cache.
const CHUNK_FACTORS: usize = 128;

/// From one panel of factors to the next one: more than are used of it, since panels that were a power of two apart would
/// share few sets of the first-level cache.
pub(crate) const PITCH: usize = CHUNK_FACTORS + 1;

/// So many pixels ahead numbers are asked for while they are laid into panels ...
const AHEAD: usize = 8;

/// ... where they are so many of each pixel.
const MANY: usize = 7 * LANES;

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
    /// Room for the panels of the sources of a run, and of the gradients of all blocks.
    pub(crate) panels: [&'a mut [[F; LANES]]; 2],
}

impl<E: Stored + Makes<F>, F: Factor> Kernel for WeightGradient<'_, E, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        // Of the same length, about: all sums are loaded and stored once for each chunk.
        let chunks = self.pixels.len().div_ceil(CHUNK_FACTORS * F::SPAN).max(1);
        let len = self.pixels.len().div_ceil(chunks).next_multiple_of(F::SPAN).max(1);
        let mut chunks = self.pixels.chunks(len).peekable();
        while let Some(pixels) = chunks.next() {
            match self.mix {
                Mix::Group => {
                    let next = chunks.peek().copied().unwrap_or_default();
                    let mut first = 0;
                    for group in self.blocks.chunk_by(|a, b| a.source == b.source) {
                        self.group::<L>(pixels, next, group, first);
                        first += group.len();
                    }
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
    /// The blocks of a group, given the number of its first. Those of `next` are the pixels that come after.
    #[inline(always)]
    fn group<L: Lanes>(
        &mut self,
        pixels: &[Pixel],
        next: &[Pixel],
        blocks: &[Block],
        first: usize,
    ) {
        let [sources, gradients] = &mut self.panels;
        let (rows, factors) = (self.rows.len(), pixels.len().div_ceil(F::SPAN));
        let dy = &self.dy[blocks[0].destination..];
        let columns = blocks.iter().map(|block| block.columns).sum();
        lay_panels::<L, E, F>(dy, pixels.iter().map(|pixel| pixel.destination), columns, gradients);
        // Tiles of the same rows share out what the next pixels will need of x; those of the same blocks, of dy.
        let joined = L::JOINED_GRADIENTS;
        let x_share = next.len().div_ceil(blocks.len().div_ceil(joined)).max(1);
        let dy_share = next.len().div_ceil(rows.div_ceil(LANES)).max(1);
        for run in self.runs {
            let x = &self.source[blocks[0].source + run.source..];
            lay_panels::<L, E, F>(x, pixels.iter().map(|pixel| pixel.source), run.len, sources);
            for (done, source) in (0..run.len).step_by(LANES).zip(sources.chunks(PITCH)) {
                let source = &source[..factors];
                let row = run.weight - self.rows.start + done;
                let of_rows = row..row + LANES.min(run.len - done);
                let dy_next = next.chunks(dy_share).nth(row / LANES).unwrap_or_default();
                let mut x_next = next.chunks(x_share);
                let mut panels = gradients.chunks_exact(PITCH).map(|panel| &panel[..factors]);
                let mut panel = || panels.next().unwrap_or_default();
                let mut sums = self.sums[first * rows..].chunks_exact_mut(rows);
                let mut sum =
                    || sums.next().map(|sums| &mut sums[of_rows.clone()]).unwrap_or_default();
                for nth in (0..blocks.len()).step_by(joined) {
                    let dy_ahead = dy_next.iter().map(|pixel| {
                        for block in nth..nth + joined {
                            L::expect_later(dy, pixel.destination + block * LANES);
                        }
                    });
                    let x_ahead = x_next.next().unwrap_or_default().iter();
                    let x_ahead = x_ahead.map(|pixel| L::expect_later(x, pixel.source + done));
                    let ahead = &mut dy_ahead.chain(x_ahead);
                    if joined == 2 && nth + 1 < blocks.len() {
                        let (panels, sums) = ([panel(), panel()], [sum(), sum()]);
                        add_rows::<L, F, 2>(source, panels, sums, ahead);
                    } else {
                        add_rows::<L, F, 1>(source, [panel()], [sum()], ahead);
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

/// Lays `len` numbers of each pixel, which begin at `starts`, into panels of [`PITCH`] lines: each has the factors of sixteen
/// channels, which join pixels that follow each other. A missing pixel is zeros, and what the last panel has beyond `len` may
/// be anything.
#[inline(always)]
fn lay_panels<L: Lanes, E: Makes<F>, F: Factor>(
    numbers: &[E],
    starts: impl Iterator<Item = usize> + Clone,
    len: usize,
    panels: &mut [[F; LANES]],
) {
    let mut later = starts.clone().skip(AHEAD);
    let mut nth = 0;
    let mut starts = starts.map(|start| &numbers[start..]);
    while let Some(first) = starts.next() {
        let second = if F::SPAN == 1 { first } else { starts.next().unwrap_or_default() };
        if len >= MANY {
            for start in later.by_ref().take(F::SPAN) {
                for done in (0..len).step_by(LANES) {
                    L::expect(numbers, start + done);
                }
            }
        }
        let mut line = nth;
        let rows = [first, second].map(|row| row[..len.min(row.len())].as_chunks().0);
        for (first, second) in rows[0].iter().zip(rows[1]) {
            E::weave::<L>([first, second], &mut panels[line]);
            line += PITCH;
        }
        for done in (rows[0].len().min(rows[1].len()) * LANES..len).step_by(LANES) {
            let rows = [first, second].map(|row| row.get(done..).unwrap_or_default());
            weave::<L, E, F>(rows, &mut panels[line]);
            line += PITCH;
        }
        nth += 1;
    }
}

/// Adds the products of the source's factors, one for each of a block's sums, with each block's gradients. As many of
/// `ahead` are done as there is time for.
#[inline(always)]
fn add_rows<L: Lanes, F: Factor, const BLOCKS: usize>(
    source: &[[F; LANES]],
    gradients: [&[[F; LANES]]; BLOCKS],
    mut sums: [&mut [[f32; LANES]]; BLOCKS],
    ahead: &mut impl Iterator<Item = ()>,
) {
    let (mut done, len) = (0, sums[0].len());
    while done < len {
        let sums = sums.each_mut().map(|sums| &mut sums[done..]);
        done += match (L::REGISTERS, BLOCKS, len - done) {
            (17.., 1, 13..) => tile::<L, F, 16, BLOCKS>(source, gradients, done, sums, ahead),
            (17.., _, 5..) => tile::<L, F, 8, BLOCKS>(source, gradients, done, sums, ahead),
            // Sixteen are two times six and four, eight are two times four.
            (..17, _, 5..=7 | 9..) => tile::<L, F, 6, BLOCKS>(source, gradients, done, sums, ahead),
            _ => tile::<L, F, 4, BLOCKS>(source, gradients, done, sums, ahead),
        };
    }
}

/// Does so for up to `ROWS` sums of each block, given the number of the first one's factor, and says how many these are.
///
/// In AVX-512 a factor of the source that one block needs is broadcast by the instruction that multiplies it, so there are
/// hardly more instructions than products, and the two threads of a core do not wait for each other.
#[inline(always)]
fn tile<L: Lanes, F: Factor, const ROWS: usize, const BLOCKS: usize>(
    source: &[[F; LANES]],
    gradients: [&[[F; LANES]]; BLOCKS],
    first: usize,
    to: [&mut [[f32; LANES]]; BLOCKS],
    ahead: &mut impl Iterator<Item = ()>,
) -> usize {
    let mut sums = [[L::splat(0.0); ROWS]; BLOCKS];
    let gradients = gradients.map(|gradients| &gradients[..source.len()]);
    let mut rows = source.iter().map(|source| &source[first..][..ROWS]).enumerate();
    // In two loops, since even to ask whether there is something to do costs a tile some 3 %.
    while ahead.next().is_some() {
        let Some((k, source)) = rows.next() else { break };
        add_products(&mut sums, source, gradients, k);
    }
    for (k, source) in rows {
        add_products(&mut sums, source, gradients, k);
    }
    for (to, sums) in to.into_iter().zip(sums) {
        for (to, sum) in to.iter_mut().zip(sums) {
            sum.add(L::load(to)).store(to);
        }
    }
    ROWS
}

/// Adds the products of a row of the source with the `k`th gradients.
#[inline(always)]
fn add_products<L: Lanes, F: Factor, const ROWS: usize, const BLOCKS: usize>(
    sums: &mut [[L; ROWS]; BLOCKS],
    source: &[F],
    gradients: [&[[F; LANES]]; BLOCKS],
    k: usize,
) {
    for (sums, gradients) in sums.iter_mut().zip(gradients) {
        let gradient = F::load::<L>(&gradients[k]);
        for (sum, x) in sums.iter_mut().zip(source) {
            *sum = F::mul_add(x.splat(), gradient, *sum);
        }
    }
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
