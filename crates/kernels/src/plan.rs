//! What a band computes: which pixels see which taps, and where all of them lie in memory.

use std::ops::Range;

use crate::ImageShape;
use crate::band::Band;
use crate::frame::{Frame, Layout};
use crate::stencil::{Grid, Stencil};

/// The plans of all bands.
#[derive(Debug)]
pub(crate) struct Plans {
    band_rows: usize,
    /// Bands with the same rows share one, whatever their images.
    plans: Vec<Plan>,
}

/// What a band computes.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) frame: Frame,
    pub(crate) lattices: Vec<Lattice>,
}

/// Pixels of a band that see the same taps: a grid of rows crossed with a grid of columns.
#[derive(Debug)]
pub(crate) struct Lattice {
    pub(crate) runs: Vec<Run>,
    /// Where the last run ends, relative to the pixel's source.
    pub(crate) reach: usize,
    /// Image by image.
    pixels: Vec<Pixel>,
    image_pixels: usize,
}

/// Numbers of taps that follow each other in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Where they begin, relative to the pixel's source.
    pub(crate) source: usize,
    /// Which row of the weight the first one meets, where the weight is filled up like the source.
    pub(crate) weight: usize,
    pub(crate) len: usize,
}

/// A destination pixel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pixel {
    /// Where its taps begin in the frame.
    pub(crate) source: usize,
    /// Where it lies in the band.
    pub(crate) destination: usize,
}

impl Plans {
    /// Plans the bands; each tap has `layout.pitch` numbers.
    pub(crate) fn new(
        bands: &[Band],
        stencils: &[Stencil; 2],
        source: ImageShape,
        destination: ImageShape,
        layout: Layout,
    ) -> Self {
        let of_first_image = bands.iter().take_while(|band| band.image == 0);
        let plan = |band| Planner { stencils, source, destination, band, layout }.plan();
        Self { band_rows: bands[0].rows, plans: of_first_image.map(plan).collect() }
    }

    pub(crate) fn of(&self, band: &Band) -> &Plan {
        &self.plans[band.row / self.band_rows]
    }
}

impl Lattice {
    /// The pixels of the band's images, which may be fewer than were planned for.
    pub(crate) fn pixels(&self, images: usize) -> &[Pixel] {
        &self.pixels[..images * self.image_pixels]
    }

    /// The same pixels, which see no more than these rows of the weight, counted from the first of them.
    pub(crate) fn within(&self, rows: &Range<usize>) -> Self {
        let runs = cut(&self.runs, rows);
        let runs: Vec<_> = runs.map(|run| Run { weight: run.weight - rows.start, ..run }).collect();
        let (pixels, image_pixels) = (self.pixels.clone(), self.image_pixels);
        Self { reach: reach(&runs), runs, pixels, image_pixels }
    }
}

/// The parts of the runs that meet these rows of the weight.
pub(crate) fn cut<'a>(
    runs: &'a [Run],
    rows: &'a Range<usize>,
) -> impl Iterator<Item = Run> + use<'a> {
    let part = |run: &Run| {
        let start = rows.start.max(run.weight);
        let end = rows.end.min(run.weight + run.len);
        let source = run.source + start.saturating_sub(run.weight);
        (start < end).then(|| Run { source, weight: start, len: end - start })
    };
    runs.iter().filter_map(part)
}

/// Where the last run ends, relative to the pixel's source.
fn reach(runs: &[Run]) -> usize {
    runs.last().map_or(0, |run| run.source + run.len)
}

struct Planner<'a> {
    stencils: &'a [Stencil; 2],
    source: ImageShape,
    destination: ImageShape,
    band: &'a Band,
    layout: Layout,
}

impl Planner<'_> {
    fn plan(&self) -> Plan {
        let [rows, columns] = self.stencils;
        let of_band =
            |grid| (grid, rows.within(grid, self.band.row..self.band.row + self.band.rows));
        let row_grids = rows.grids.iter().map(of_band).filter(|(_, within)| !within.is_empty());
        let seen = row_grids.clone().map(|(grid, within)| rows.sources(grid, within));
        let seen = seen.filter(|seen| !seen.is_empty());
        let seen = seen.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
        let frame = Frame::new(self.source, seen.unwrap_or_default(), self.layout);
        let mut lattices = Vec::new();
        for (row_grid, within) in row_grids {
            for column_grid in &columns.grids {
                let grids = [row_grid, column_grid];
                let runs = self.runs(&frame, grids);
                lattices.push(Lattice {
                    reach: reach(&runs),
                    runs,
                    pixels: self.pixels(&frame, grids, &within),
                    image_pixels: within.len() * column_grid.count,
                });
            }
        }
        Plan { frame, lattices }
    }

    fn runs(&self, frame: &Frame, grids: [&Grid; 2]) -> Vec<Run> {
        let [rows, columns] = self.stencils;
        let len = self.layout.pitch;
        let mut runs: Vec<Run> = Vec::new();
        for (row, kernel_row) in grids[0].taps.clone().enumerate() {
            for (column, kernel_column) in grids[1].taps.clone().enumerate() {
                let source = row * rows.spacing * frame.row_pitch
                    + column * columns.spacing * frame.pixel_pitch;
                let weight = (kernel_row * columns.kernel.len() + kernel_column) * len;
                let follows = |run: &&mut Run| {
                    (run.source + run.len, run.weight + run.len) == (source, weight)
                };
                match runs.last_mut().filter(follows) {
                    Some(run) => run.len += len,
                    None => runs.push(Run { source, weight, len }),
                }
            }
        }
        runs
    }

    /// The pixels of both grids whose row is `within` the band.
    fn pixels(&self, frame: &Frame, grids: [&Grid; 2], within: &Range<usize>) -> Vec<Pixel> {
        let [rows, columns] = self.stencils;
        let ImageShape { width, channels, .. } = self.destination;
        let sees_padding_only = grids.iter().any(|grid| grid.taps.is_empty());
        let mut pixels = Vec::with_capacity(self.band.images * within.len() * grids[1].count);
        for image in 0..self.band.images {
            for row in within.clone() {
                let from = (grids[0].source + row * rows.stride).saturating_sub(frame.rows.start);
                let from = image * frame.image_pitch + from * frame.row_pitch;
                let to = grids[0].first + row * rows.step - self.band.row;
                let to = (image * self.band.rows + to) * width;
                pixels.extend((0..grids[1].count).map(|column| {
                    let source =
                        from + (grids[1].source + column * columns.stride) * frame.pixel_pitch;
                    let destination = (to + grids[1].first + column * columns.step) * channels;
                    Pixel { source: if sees_padding_only { 0 } else { source }, destination }
                }));
            }
        }
        pixels
    }
}
