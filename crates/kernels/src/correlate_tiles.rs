//! The inner loops of convolution and of its input's gradient: the sums of a tile of pixels and
//! sixteen channels are held in registers, and every number that is loaded is used for all of it.

use crate::Write;
use crate::channels::{Block, Mix};
use crate::element::{Factor, Stored};
use crate::lanes::{Kernel, LANES, Lanes};
use crate::plan::{Lattice, Pixel};

/// Destination pixels in the largest tile.
pub(crate) const TILE_PIXELS: usize = 16;

/// Destination pixels in the smallest tile: as many as sixteen registers have room for where a sum
/// takes two.
const FEW_PIXELS: usize = 4;

/// For all pixels of a band and all destination channels: the sum over all taps (and, with
/// [`Mix::Group`], source channels) of source times weight.
pub struct Correlate<'a, E: Stored> {
    pub(crate) mix: Mix,
    pub(crate) write: Write,
    pub(crate) blocks: &'a [Block],
    pub(crate) weights: Weights<'a, E>,
    pub(crate) lattices: &'a [Lattice],
    pub(crate) images: usize,
    pub(crate) source: &'a [E],
    pub(crate) destination: &'a mut [E],
}

impl<E: Stored> Kernel for Correlate<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        match self.mix {
            // The weights of a block stay in the cache while all pixels pass by.
            Mix::Group => {
                for block in 0..self.blocks.len() {
                    let (lattices, images) = (self.lattices, self.images);
                    self.tiles(block).group::<L>(lattices, images);
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

impl<E: Stored> Correlate<'_, E> {
    #[inline(always)]
    fn tiles(&mut self, index: usize) -> Tiles<'_, E> {
        let block = &self.blocks[index];
        Tiles {
            write: self.write,
            columns: block.columns,
            weights: self.weights.from(index),
            source: &self.source[block.source..],
            destination: &mut self.destination[block.destination..],
        }
    }
}

/// For each block of destination channels, one row for each factor of each tap.
pub(crate) struct Weights<'a, E: Stored> {
    pub(crate) rows: &'a [[E::Factor; LANES]],
    /// Rows from one block to the next.
    pub(crate) block: usize,
    /// Rows from one factor to the next.
    pub(crate) step: usize,
}

impl<'a, E: Stored> Weights<'a, E> {
    /// Those of this block and the ones after it.
    #[inline(always)]
    pub(crate) fn from(self, block: usize) -> Self {
        Self { rows: &self.rows[block * self.block..], ..self }
    }
}

impl<E: Stored> Clone for Weights<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Stored> Copy for Weights<'_, E> {}

/// The tiles of one block of destination channels.
struct Tiles<'a, E: Stored> {
    write: Write,
    columns: usize,
    /// They begin at the block's.
    weights: Weights<'a, E>,
    /// Begins at the first channel that the block sees.
    source: &'a [E],
    /// Begins at the block's first channel.
    destination: &'a mut [E],
}

impl<E: Stored> Tiles<'_, E> {
    #[inline(always)]
    fn group<L: Lanes>(mut self, lattices: &[Lattice], images: usize) {
        let largest = if L::REGISTERS > TILE_PIXELS { TILE_PIXELS } else { FEW_PIXELS };
        for lattice in lattices {
            for pixels in lattice.pixels(images).chunks(largest) {
                match (largest, pixels.len()) {
                    (TILE_PIXELS, 9..) => self.group_tile::<L, TILE_PIXELS>(lattice, pixels),
                    (TILE_PIXELS, 5..) => self.group_tile::<L, 8>(lattice, pixels),
                    _ => self.group_tile::<L, FEW_PIXELS>(lattice, pixels),
                }
            }
        }
    }

    /// Computes up to `PIXELS` pixels; where there are fewer, the last one is repeated.
    #[inline(always)]
    fn group_tile<L: Lanes, const PIXELS: usize>(&mut self, lattice: &Lattice, pixels: &[Pixel]) {
        let mut sums = [L::splat(0.0); PIXELS];
        // Slices of one length: what is checked for the first need not be checked for the others.
        let mut sources = [&self.source[..0]; PIXELS];
        for (i, source) in sources.iter_mut().enumerate() {
            let pixel = pixels[i.min(pixels.len() - 1)];
            *source = &self.source[pixel.source..][..lattice.reach];
        }
        for run in &lattice.runs {
            let (len, step) = (run.len / E::SPAN, self.weights.step);
            let mut rows = [&[][..]; PIXELS];
            for (row, source) in rows.iter_mut().zip(&sources) {
                *row = &E::factors(&source[run.source..])[..len];
            }
            let weights = self.weights.rows[run.weight / E::SPAN * step..].chunks(step);
            for (k, weights) in (0..len).zip(weights) {
                let weights = E::Factor::load::<L>(&weights[0]);
                for (sum, row) in sums.iter_mut().zip(&rows) {
                    *sum = E::Factor::mul_add(row[k].splat(), weights, *sum);
                }
            }
        }
        self.store(sums, pixels);
    }

    #[inline(always)]
    fn same_tile<L: Lanes>(&mut self, lattice: &Lattice, pixels: &[Pixel]) {
        let mut sums = [L::splat(0.0); FEW_PIXELS];
        let mut sources = [0; FEW_PIXELS];
        for (i, source) in sources.iter_mut().enumerate() {
            *source = pixels[i.min(pixels.len() - 1)].source;
        }
        for run in &lattice.runs {
            let weights =
                E::Factor::load_firsts::<L>(&self.weights.rows[run.weight * self.weights.step]);
            for (sum, at) in sums.iter_mut().zip(&sources) {
                let source = L::load_padded(&self.source[at + run.source..]);
                *sum = source.mul_add(weights, *sum);
            }
        }
        self.store(sums, pixels);
    }

    #[inline(always)]
    fn store<L: Lanes, const PIXELS: usize>(&mut self, sums: [L; PIXELS], pixels: &[Pixel]) {
        for (sum, pixel) in sums.into_iter().zip(pixels) {
            self.write.store(sum, &mut self.destination[pixel.destination..][..self.columns]);
        }
    }
}
