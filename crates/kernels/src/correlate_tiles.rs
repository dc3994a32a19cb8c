//! The inner loops of convolution and of its input's gradient: the sums of a tile of pixels and
//! sixteen, thirty-two or sixty-four channels are held in registers, and every number that is loaded is
//! used for all of it.

use std::ops::Range;

use crate::Write;
use crate::channels::{Block, Mix};
use crate::element::{Factor, Stored};
use crate::lanes::{Kernel, LANES, Lanes, first_lanes};
use crate::plan::{Lattice, Pixel};

/// Destination pixels in the largest tile.
pub(crate) const TILE_PIXELS: usize = 16;

/// Rows of a block's weights, up to which four blocks are computed at once: their weights are read anew for
/// each tile, from the second-level cache where they outgrow the first.
const MAX_ROWS_OF_FOUR: usize = 512;

/// Destination pixels in the smallest tile.
const FEW_PIXELS: usize = 4;

/// For all pixels of a band and all destination channels: the sum over all taps (and, with
/// [`Mix::Group`], source channels) of source times weight. Where the pixels are `FEW`, so that the weights are not in a
/// cache, memory is asked for them ahead.
pub(crate) struct Correlate<'a, F, D, const FEW: bool> {
    pub(crate) mix: Mix,
    pub(crate) write: Write,
    pub(crate) blocks: &'a [Block],
    pub(crate) weights: Weights<'a, F>,
    pub(crate) lattices: &'a [Lattice],
    pub(crate) images: usize,
    pub(crate) source: &'a [F],
    pub(crate) destination: &'a mut [D],
}

impl<F: Factor, D: Stored, const FEW: bool> Kernel for Correlate<'_, F, D, FEW> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        match self.mix {
            // The weights of a block stay in the cache while all pixels pass by.
            Mix::Group => {
                let (lattices, images) = (self.lattices, self.images);
                let mut first = 0;
                while first < self.blocks.len() {
                    let blocks = self.joined::<L>(first);
                    self.tiles(first).group::<L>(lattices, images, blocks);
                    first += blocks;
                }
            }
            // All weights are few: the pixels stay.
            Mix::Same => {
                for lattice in self.lattices {
                    for pixels in lattice.pixels(self.images).chunks(FEW_PIXELS) {
                        for block in 0..self.blocks.len() {
                            self.tiles(block).same_tile::<L>(lattice, pixels);
                        }
                    }
                }
            }
        }
    }
}

impl<F: Factor, D: Stored, const FEW: bool> Correlate<'_, F, D, FEW> {
    /// How many blocks from this one on are computed at once: four or two, if there are registers
    /// enough, and all are whole and see the same.
    fn joined<L: Lanes>(&self, index: usize) -> usize {
        let first = &self.blocks[index];
        let alike = |block: &&Block| (block.source, block.columns) == (first.source, LANES);
        let most = match (L::REGISTERS > TILE_PIXELS, self.weights.block <= MAX_ROWS_OF_FOUR) {
            (true, true) => 4,
            (true, false) => 2,
            (false, _) => 1,
        };
        match self.blocks[index..].iter().take(most).take_while(alike).count() {
            4 => 4,
            2 | 3 => 2,
            _ => 1,
        }
    }

    #[inline(always)]
    fn tiles(&mut self, index: usize) -> Tiles<'_, F, D, FEW> {
        let block = &self.blocks[index];
        Tiles {
            write: self.write,
            source_is: if index == 0 { Nearness::Far } else { Nearness::Near },
            columns: block.columns,
            weights: self.weights.from(index),
            source: &self.source[block.source / F::SPAN..],
            destination: &mut self.destination[block.destination..],
        }
    }
}

/// For each block of destination channels, one row for each factor of each tap.
pub(crate) struct Weights<'a, F> {
    pub(crate) rows: &'a [[F; LANES]],
    /// How many of each block.
    pub(crate) block: usize,
}

impl<'a, F> Weights<'a, F> {
    /// Those of this block and the ones after it.
    #[inline(always)]
    pub(crate) fn from(self, block: usize) -> Self {
        Self { rows: &self.rows[block * self.block..], ..self }
    }

    /// For each of the first blocks: the rows of `len` factors, from the `first` on.
    #[inline(always)]
    fn panels<const BLOCKS: usize>(self, first: usize, len: usize) -> [&'a [[F; LANES]]; BLOCKS] {
        let mut panels = [&self.rows[..0]; BLOCKS];
        for (block, panel) in panels.iter_mut().enumerate() {
            *panel = &self.rows[block * self.block + first..][..len];
        }
        panels
    }
}

impl<F> Clone for Weights<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Weights<'_, F> {}

/// Whether the source was read shortly before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nearness {
    Far,
    Near,
}

/// What comes after a tile.
struct After<'a> {
    pixels: &'a [Pixel],
    /// Of each sixteen rows of the next blocks' weights: those to ask for. All tiles of a lattice together ask for all.
    rows: Range<usize>,
}

/// The tiles of one block of destination channels, or of two or four.
struct Tiles<'a, F, D, const FEW: bool> {
    write: Write,
    source_is: Nearness,
    columns: usize,
    /// They begin at the block's.
    weights: Weights<'a, F>,
    /// Begins at the first channel that the block sees.
    source: &'a [F],
    /// Begins at the block's first channel.
    destination: &'a mut [D],
}

impl<F: Factor, D: Stored, const FEW: bool> Tiles<'_, F, D, FEW> {
    #[inline(always)]
    fn group<L: Lanes>(mut self, lattices: &[Lattice], images: usize, blocks: usize) {
        let has_room = L::REGISTERS > TILE_PIXELS;
        let largest = match (has_room, blocks) {
            (true, 1 | 2) => TILE_PIXELS / blocks,
            // Also for one block where a sum takes two of sixteen registers.
            _ => 6,
        };
        for lattice in lattices {
            let mut rest = lattice.pixels(images);
            let tiles = rest.len().div_ceil(largest);
            for tile in 0..tiles {
                // Tiles of four, five and six pixels take as long for each pixel.
                let len = if has_room { largest } else { rest.len().div_ceil(tiles - tile) };
                let (pixels, after) = rest.split_at(len.min(rest.len()));
                rest = after;
                let after =
                    After { pixels: after, rows: tile * LANES / tiles..(tile + 1) * LANES / tiles };
                match (blocks, pixels.len()) {
                    (1, 9..) => self.group_tile::<L, 16, 1>(lattice, pixels, after),
                    (1, 7..) => self.group_tile::<L, 8, 1>(lattice, pixels, after),
                    (1, 6..) => self.group_tile::<L, 6, 1>(lattice, pixels, after),
                    (1, 5..) => self.group_tile::<L, 5, 1>(lattice, pixels, after),
                    (1, _) => self.group_tile::<L, 4, 1>(lattice, pixels, after),
                    (4, 4..) => self.group_tile::<L, 6, 4>(lattice, pixels, after),
                    (4, _) => self.group_tile::<L, 3, 4>(lattice, pixels, after),
                    (_, 5..) => self.group_tile::<L, 8, 2>(lattice, pixels, after),
                    _ => self.group_tile::<L, 4, 2>(lattice, pixels, after),
                }
            }
        }
    }

    /// Computes up to `PIXELS` pixels of `BLOCKS` blocks; where there are fewer pixels, the last one is
    /// repeated.
    #[inline(always)]
    fn group_tile<L: Lanes, const PIXELS: usize, const BLOCKS: usize>(
        &mut self,
        lattice: &Lattice,
        pixels: &[Pixel],
        after: After<'_>,
    ) {
        let reach = lattice.reach / F::SPAN;
        let mut rows = [self.source.as_ptr(); PIXELS];
        for (i, row) in rows.iter_mut().enumerate() {
            let pixel = pixels[i.min(pixels.len() - 1)];
            *row = self.source[pixel.source / F::SPAN..][..reach].as_ptr();
            for block in 0..BLOCKS {
                L::expect(self.destination, pixel.destination + block * LANES);
            }
        }
        let mut sums = [[L::splat(0.0); PIXELS]; BLOCKS];
        for run in &lattice.runs {
            let (first, len) = (run.source / F::SPAN, run.len / F::SPAN);
            assert!(first + len <= reach, "{run:?} ends behind {reach}");
            let panels = self.weights.panels::<BLOCKS>(run.weight / F::SPAN, len);
            let ahead = match (self.source_is, &lattice.runs[..]) {
                // Where there are more runs, the next tile sees much of what this one sees.
                (Nearness::Far, [_]) => &after.pixels[..PIXELS.min(after.pixels.len())],
                _ => &[],
            };
            for done in (0..len).step_by(LANES) {
                for pixel in ahead {
                    L::expect(self.source, pixel.source / F::SPAN + done);
                }
                if FEW {
                    for block in BLOCKS..2 * BLOCKS {
                        let first = block * self.weights.block + run.weight / F::SPAN + done;
                        for row in after.rows.clone() {
                            L::expect_later(self.weights.rows, first + row);
                        }
                    }
                }
                let end = len.min(done + LANES);
                let panels = panels.map(|panel| &panel[done..end]);
                for k in 0..end - done {
                    for (panel, sums) in panels.iter().zip(&mut sums) {
                        let weights = F::load::<L>(&panel[k]);
                        for (sum, row) in sums.iter_mut().zip(&rows) {
                            // SAFETY: each row is the start of a slice of `reach` factors, and
                            // `first + done + k` is below `first + len`, which is not above `reach`.
                            let factor = unsafe { &*row.add(first + done + k) };
                            *sum = F::mul_add(factor.splat(), weights, *sum);
                        }
                    }
                }
            }
        }
        for (block, sums) in sums.into_iter().enumerate() {
            self.store(block, sums, pixels);
        }
    }

    /// Only where a factor is one number.
    #[inline(always)]
    fn same_tile<L: Lanes>(&mut self, lattice: &Lattice, pixels: &[Pixel]) {
        let mut sums = [L::splat(0.0); FEW_PIXELS];
        let mut sources = [0; FEW_PIXELS];
        for (i, source) in sources.iter_mut().enumerate() {
            *source = pixels[i.min(pixels.len() - 1)].source;
        }
        for run in &lattice.runs {
            let weights = F::load::<L>(&self.weights.rows[run.weight]);
            for (sum, at) in sums.iter_mut().zip(&sources) {
                let source = F::load(&first_lanes(&self.source[at + run.source..]));
                *sum = F::mul_add(source, weights, *sum);
            }
        }
        self.store(0, sums, pixels);
    }

    /// Stores the sums of a block, counted from the tiles' first.
    #[inline(always)]
    fn store<L: Lanes, const PIXELS: usize>(
        &mut self,
        block: usize,
        sums: [L; PIXELS],
        pixels: &[Pixel],
    ) {
        for (i, sum) in sums.into_iter().enumerate() {
            let Some(pixel) = pixels.get(i) else { return };
            let to = &mut self.destination[pixel.destination + block * LANES..][..self.columns];
            self.write.store(sum, to);
        }
    }
}
