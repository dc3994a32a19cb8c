//! The inner loops of convolution and of its input's gradient: the sums of a tile of pixels and
//! sixteen channels are held in registers, and every number that is loaded is used for all of it.

use crate::Isa;
use crate::channels::{Block, Mix};
use crate::lanes::{Kernel, LANES, Lanes};
use crate::plan::{Lattice, Pixel};

/// Destination pixels in the largest tile.
pub(crate) const TILE_PIXELS: usize = 16;

/// Destination pixels in the smallest tile: as many as sixteen registers have room for where a sum
/// takes two.
const FEW_PIXELS: usize = 4;

/// What happens to the destination's old content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Overwrite,
    Add,
}

/// For all pixels of a band and all destination channels: the sum over all taps (and, with
/// [`Mix::Group`], source channels) of source times weight.
pub(crate) struct Correlate<'a> {
    pub(crate) mix: Mix,
    pub(crate) write: Write,
    pub(crate) blocks: &'a [Block],
    /// The weights of the blocks, one panel after the other.
    pub(crate) panels: &'a [[f32; LANES]],
    pub(crate) lattices: &'a [Lattice],
    pub(crate) images: usize,
    pub(crate) source: &'a [f32],
    pub(crate) destination: &'a mut [f32],
}

impl Kernel for Correlate<'_> {
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

impl Correlate<'_> {
    #[inline(always)]
    fn tiles(&mut self, index: usize) -> Tiles<'_> {
        let block = &self.blocks[index];
        let depth = self.panels.len() / self.blocks.len();
        Tiles {
            write: self.write,
            columns: block.columns,
            panel: &self.panels[index * depth..][..depth],
            source: &self.source[block.source..],
            destination: &mut self.destination[block.destination..],
        }
    }
}

/// The tiles of one block of destination channels.
struct Tiles<'a> {
    write: Write,
    columns: usize,
    panel: &'a [[f32; LANES]],
    /// Begins at the first channel that the block sees.
    source: &'a [f32],
    /// Begins at the block's first channel.
    destination: &'a mut [f32],
}

impl Tiles<'_> {
    #[inline(always)]
    fn group<L: Lanes>(mut self, lattices: &[Lattice], images: usize) {
        let tile_pixels = match L::ISA {
            Isa::Avx512 => TILE_PIXELS,
            Isa::Avx2 | Isa::Portable => FEW_PIXELS,
        };
        for lattice in lattices {
            for pixels in lattice.pixels(images).chunks(tile_pixels) {
                match (L::ISA, pixels.len()) {
                    (Isa::Avx512, 9..) => self.group_tile::<L, TILE_PIXELS>(lattice, pixels),
                    (Isa::Avx512, 5..) => self.group_tile::<L, 8>(lattice, pixels),
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
            let weights = &self.panel[run.weight..][..run.len];
            let mut rows = sources;
            for row in &mut rows {
                *row = &row[run.source..][..weights.len()];
            }
            for (k, weights) in weights.iter().enumerate() {
                let weights = L::load(weights);
                for (sum, row) in sums.iter_mut().zip(&rows) {
                    *sum = L::splat(row[k]).mul_add(weights, *sum);
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
            let weights = L::load(&self.panel[run.weight]);
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
            let to = &mut self.destination[pixel.destination..][..self.columns];
            let sum = match self.write {
                Write::Overwrite => sum,
                Write::Add => sum.add(L::load_padded(to)),
            };
            sum.store_part(to);
        }
    }
}
