//! The inner loops of convolution: a tile of sums is held in registers, and every number that is
//! loaded is used for all of it.

use crate::Isa;
use crate::lanes::{Kernel, LANES, Lanes};

/// Destination pixels in the largest tile.
pub(crate) const TILE_PIXELS: usize = 16;

/// Numbers that follow each other in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

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

/// For some pixels and up to sixteen destination channels: the sum over all taps (and, with
/// [`Mix::Group`], channels) of source times weight.
pub(crate) struct Correlate<'a> {
    pub(crate) mix: Mix,
    pub(crate) write: Write,
    /// Begins at the first of the source channels.
    pub(crate) source: &'a [f32],
    pub(crate) source_offsets: &'a [usize],
    pub(crate) runs: &'a [Run],
    /// The weights of the destination channels, for each number in the runs.
    pub(crate) panel: &'a [[f32; LANES]],
    /// Begins at the first of the destination channels.
    pub(crate) destination: &'a mut [f32],
    pub(crate) destination_offsets: &'a [usize],
    /// Destination channels.
    pub(crate) columns: usize,
}

impl Kernel for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let pixels = match L::ISA {
            Isa::Avx512 => TILE_PIXELS,
            // As many as two registers each leave room for among sixteen.
            Isa::Avx2 | Isa::Portable => 4,
        };
        let destinations = self.destination_offsets.chunks(pixels);
        for (sources, destinations) in self.source_offsets.chunks(pixels).zip(destinations) {
            match sources.len() {
                0..=4 => self.tile::<L, 4>(sources, destinations),
                5..=8 => self.tile::<L, 8>(sources, destinations),
                _ => self.tile::<L, TILE_PIXELS>(sources, destinations),
            }
        }
    }
}

impl Correlate<'_> {
    /// Computes up to `PIXELS` pixels; where there are fewer, the last one is repeated.
    #[inline(always)]
    fn tile<L: Lanes, const PIXELS: usize>(&mut self, sources: &[usize], destinations: &[usize]) {
        let last = sources.len() - 1;
        let sources: [usize; PIXELS] = std::array::from_fn(|pixel| sources[pixel.min(last)]);
        let sums = match self.mix {
            Mix::Group => self.group_tile::<L, PIXELS>(sources),
            Mix::Same => self.same_tile::<L, PIXELS>(sources),
        };
        for (sum, &at) in sums.into_iter().zip(destinations) {
            let to = &mut self.destination[at..at + self.columns];
            let sum = match self.write {
                Write::Overwrite => sum,
                Write::Add => sum.add(L::load_padded(to)),
            };
            sum.store_part(to);
        }
    }

    #[inline(always)]
    fn group_tile<L: Lanes, const PIXELS: usize>(&self, sources: [usize; PIXELS]) -> [L; PIXELS] {
        let mut sums = [L::splat(0.0); PIXELS];
        let mut panel = self.panel;
        for run in self.runs {
            let (weights, rest) = panel.split_at(run.len);
            panel = rest;
            // All as long as `weights`, which spares the bounds checks below.
            let mut rows = [&self.source[..0]; PIXELS];
            for (row, at) in rows.iter_mut().zip(&sources) {
                *row = &self.source[at + run.start..][..weights.len()];
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
    fn same_tile<L: Lanes, const PIXELS: usize>(&self, sources: [usize; PIXELS]) -> [L; PIXELS] {
        let mut sums = [L::splat(0.0); PIXELS];
        for (run, weights) in self.runs.iter().zip(self.panel) {
            let weights = L::load(weights);
            for (sum, at) in sums.iter_mut().zip(&sources) {
                *sum = L::load_padded(&self.source[at + run.start..]).mul_add(weights, *sum);
            }
        }
        sums
    }
}

/// For every number in the runs and up to sixteen destination channels: adds the sum over some pixels
/// of source times gradient.
pub(crate) struct WeightGradient<'a> {
    pub(crate) mix: Mix,
    /// Begins at the first of the source channels.
    pub(crate) source: &'a [f32],
    pub(crate) source_offsets: &'a [usize],
    pub(crate) runs: &'a [Run],
    /// The gradients of the destination channels, for each pixel.
    pub(crate) gradients: &'a [[f32; LANES]],
    /// For each number in the runs.
    pub(crate) sums: &'a mut [[f32; LANES]],
}

impl Kernel for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        match self.mix {
            Mix::Group => self.group_runs::<L>(),
            Mix::Same => self.same_runs::<L>(),
        }
    }
}

impl WeightGradient<'_> {
    #[inline(always)]
    fn group_runs<L: Lanes>(&mut self) {
        let mut row = 0;
        for run in self.runs {
            let end = run.start + run.len;
            let mut at = run.start;
            while at < end {
                let rows = match (L::ISA, end - at) {
                    (Isa::Avx512, 16..) => self.group_tile::<L, 16>(at, row),
                    (_, 4..) => self.group_tile::<L, 4>(at, row),
                    _ => self.group_tile::<L, 1>(at, row),
                };
                at += rows;
                row += rows;
            }
        }
    }

    #[inline(always)]
    fn group_tile<L: Lanes, const ROWS: usize>(&mut self, start: usize, row: usize) -> usize {
        let mut sums = [L::splat(0.0); ROWS];
        let source = &self.source[start..];
        for (&at, gradients) in self.source_offsets.iter().zip(self.gradients) {
            let gradients = L::load(gradients);
            for (sum, &x) in sums.iter_mut().zip(&source[at..at + ROWS]) {
                *sum = L::splat(x).mul_add(gradients, *sum);
            }
        }
        self.add(sums, row)
    }

    #[inline(always)]
    fn same_runs<L: Lanes>(&mut self) {
        let mut row = 0;
        while let Some(runs) = self.runs.get(row..).filter(|runs| !runs.is_empty()) {
            row += match (L::ISA, runs) {
                (Isa::Avx512, &[a, b, c, d, e, f, g, h, i, ..]) => {
                    self.same_tile::<L, 9>([a, b, c, d, e, f, g, h, i], row)
                }
                (_, &[a, b, c, ..]) => self.same_tile::<L, 3>([a, b, c], row),
                (_, runs) => self.same_tile::<L, 1>([runs[0]], row),
            };
        }
    }

    #[inline(always)]
    fn same_tile<L: Lanes, const ROWS: usize>(&mut self, runs: [Run; ROWS], row: usize) -> usize {
        let mut sums = [L::splat(0.0); ROWS];
        for (&at, gradients) in self.source_offsets.iter().zip(self.gradients) {
            let gradients = L::load(gradients);
            for (sum, run) in sums.iter_mut().zip(&runs) {
                *sum = L::load_padded(&self.source[at + run.start..]).mul_add(gradients, *sum);
            }
        }
        self.add(sums, row)
    }

    /// Adds to the sums from `row` on, and says to how many.
    #[inline(always)]
    fn add<L: Lanes, const ROWS: usize>(&mut self, sums: [L; ROWS], row: usize) -> usize {
        for (to, sum) in self.sums[row..row + ROWS].iter_mut().zip(sums) {
            sum.add(L::load(to)).store(to);
        }
        ROWS
    }
}
