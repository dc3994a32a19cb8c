//! The inner loops of convolution: a tile of sums is held in registers, and every number that is
//! loaded is used for all of it.

use crate::Isa;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::plan::{Lattice, Pixel, Run};

/// Destination pixels in the largest tile.
pub(crate) const TILE_PIXELS: usize = 16;

/// Which source channels a destination channel sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// All those of its group.
    Group,
    /// The same one only.
    Same,
}

/// What happens to the destination's old content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Overwrite,
    Add,
}

/// For all pixels of a band and up to sixteen destination channels: the sum over all taps (and, with
/// [`Mix::Group`], source channels) of source times weight.
pub(crate) struct Correlate<'a> {
    pub(crate) mix: Mix,
    pub(crate) write: Write,
    pub(crate) lattices: &'a [Lattice],
    pub(crate) images: usize,
    /// Begins at the first of the source channels.
    pub(crate) source: &'a [f32],
    /// The weights of the destination channels.
    pub(crate) panel: &'a [[f32; LANES]],
    /// Begins at the first of the destination channels.
    pub(crate) destination: &'a mut [f32],
    /// Destination channels.
    pub(crate) columns: usize,
}

impl Kernel for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let tile_pixels = match L::ISA {
            Isa::Avx512 => TILE_PIXELS,
            // As many as two registers each leave room for among sixteen.
            Isa::Avx2 | Isa::Portable => 4,
        };
        for lattice in self.lattices {
            for pixels in lattice.pixels(self.images).chunks(tile_pixels) {
                match (L::ISA, pixels.len()) {
                    (Isa::Avx512, 9..) => self.tile::<L, TILE_PIXELS>(&lattice.runs, pixels),
                    (Isa::Avx512, 5..) => self.tile::<L, 8>(&lattice.runs, pixels),
                    _ => self.tile::<L, 4>(&lattice.runs, pixels),
                }
            }
        }
    }
}

impl Correlate<'_> {
    /// Computes up to `PIXELS` pixels; where there are fewer, the last one is repeated.
    #[inline(always)]
    fn tile<L: Lanes, const PIXELS: usize>(&mut self, runs: &[Run], pixels: &[Pixel]) {
        let last = pixels.len() - 1;
        let sources: [usize; PIXELS] = std::array::from_fn(|i| pixels[i.min(last)].source);
        let sums = match self.mix {
            Mix::Group => self.group_tile::<L, PIXELS>(runs, sources),
            Mix::Same => self.same_tile::<L, PIXELS>(runs, sources),
        };
        for (sum, pixel) in sums.into_iter().zip(pixels) {
            let to = &mut self.destination[pixel.destination..][..self.columns];
            let sum = match self.write {
                Write::Overwrite => sum,
                Write::Add => sum.add(L::load_padded(to)),
            };
            sum.store_part(to);
        }
    }

    #[inline(always)]
    fn group_tile<L: Lanes, const PIXELS: usize>(
        &self,
        runs: &[Run],
        sources: [usize; PIXELS],
    ) -> [L; PIXELS] {
        let mut sums = [L::splat(0.0); PIXELS];
        for run in runs {
            let weights = &self.panel[run.weight..][..run.len];
            // All as long as `weights`, which spares the bounds checks below.
            let mut rows = [&self.source[..0]; PIXELS];
            for (row, at) in rows.iter_mut().zip(&sources) {
                *row = &self.source[at + run.source..][..weights.len()];
            }
            for (k, weights) in weights.iter().enumerate() {
                let weights = L::load(weights);
                for (sum, row) in sums.iter_mut().zip(&rows) {
                    *sum = L::splat(row[k]).mul_add(weights, *sum);
                }
            }
        }
        sums
    }

    #[inline(always)]
    fn same_tile<L: Lanes, const PIXELS: usize>(
        &self,
        runs: &[Run],
        sources: [usize; PIXELS],
    ) -> [L; PIXELS] {
        let mut sums = [L::splat(0.0); PIXELS];
        for run in runs {
            let weights = L::load(&self.panel[run.weight]);
            for (sum, at) in sums.iter_mut().zip(&sources) {
                *sum = L::load_padded(&self.source[at + run.source..]).mul_add(weights, *sum);
            }
        }
        sums
    }
}

/// So many pixels' gradients, and what they see of the source, stay in the first-level cache while
/// all tiles pass over them.
const CHUNK_PIXELS: usize = 128;

/// For all numbers in the runs and up to sixteen destination channels: adds the sum over some pixels
/// of source times gradient.
pub(crate) struct WeightGradient<'a> {
    pub(crate) mix: Mix,
    /// Of the numbers for which there are sums.
    pub(crate) runs: &'a [Run],
    /// Begins at the first of the source channels.
    pub(crate) source: &'a [f32],
    pub(crate) pixels: &'a [Pixel],
    /// The gradients of the destination channels, for each pixel.
    pub(crate) gradients: &'a [[f32; LANES]],
    /// For each row of the weight from `first_row` on.
    pub(crate) sums: &'a mut [[f32; LANES]],
    pub(crate) first_row: usize,
}

impl Kernel for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let chunks = self.pixels.chunks(CHUNK_PIXELS);
        for (pixels, gradients) in chunks.zip(self.gradients.chunks(CHUNK_PIXELS)) {
            (self.pixels, self.gradients) = (pixels, gradients);
            match self.mix {
                Mix::Group => self.group_runs::<L>(),
                Mix::Same => self.same_runs::<L>(),
            }
        }
    }
}

impl WeightGradient<'_> {
    #[inline(always)]
    fn group_runs<L: Lanes>(&mut self) {
        for run in self.runs {
            let mut done = 0;
            while done < run.len {
                let (at, row) = (run.source + done, run.weight + done);
                done += match (L::ISA, run.len - done) {
                    (Isa::Avx512, 16..) => self.group_tile::<L, 16>(at, row),
                    (_, 4..) => self.group_tile::<L, 4>(at, row),
                    _ => self.group_tile::<L, 1>(at, row),
                };
            }
        }
    }

    #[inline(always)]
    fn group_tile<L: Lanes, const ROWS: usize>(&mut self, start: usize, row: usize) -> usize {
        let mut sums = [L::splat(0.0); ROWS];
        let source = &self.source[start..];
        for (pixel, gradients) in self.pixels.iter().zip(self.gradients) {
            let gradients = L::load(gradients);
            for (sum, &x) in sums.iter_mut().zip(&source[pixel.source..][..ROWS]) {
                *sum = L::splat(x).mul_add(gradients, *sum);
            }
        }
        for (i, sum) in sums.into_iter().enumerate() {
            self.add(sum, row + i);
        }
        ROWS
    }

    #[inline(always)]
    fn same_runs<L: Lanes>(&mut self) {
        let mut runs = self.runs;
        while let [first, ..] = runs {
            let done = match (L::ISA, runs) {
                (Isa::Avx512, &[a, b, c, d, e, f, g, h, i, ..]) => {
                    self.same_tile::<L, 9>([a, b, c, d, e, f, g, h, i])
                }
                (_, &[a, b, c, ..]) => self.same_tile::<L, 3>([a, b, c]),
                _ => self.same_tile::<L, 1>([*first]),
            };
            runs = &runs[done..];
        }
    }

    #[inline(always)]
    fn same_tile<L: Lanes, const ROWS: usize>(&mut self, runs: [Run; ROWS]) -> usize {
        let mut sums = [L::splat(0.0); ROWS];
        for (pixel, gradients) in self.pixels.iter().zip(self.gradients) {
            let gradients = L::load(gradients);
            for (sum, run) in sums.iter_mut().zip(&runs) {
                let source = L::load_padded(&self.source[pixel.source + run.source..]);
                *sum = source.mul_add(gradients, *sum);
            }
        }
        for (sum, run) in sums.into_iter().zip(&runs) {
            self.add(sum, run.weight);
        }
        ROWS
    }

    #[inline(always)]
    fn add<L: Lanes>(&mut self, sum: L, row: usize) {
        let to = &mut self.sums[row - self.first_row];
        sum.add(L::load(to)).store(to);
    }
}
