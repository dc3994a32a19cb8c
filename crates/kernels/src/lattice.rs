//! Destination pixels that see the same taps, and where they and their taps lie in memory.

use crate::ImageShape;
use crate::band::Band;
use crate::frame::Frame;
use crate::stencil::{Grid, Stencil};
use crate::tile::Run;

/// One grid of rows crossed with one grid of columns.
#[derive(Debug)]
pub(crate) struct Lattice {
    /// The kernel positions `[row, column]` that its pixels see, in the order of the runs.
    pub(crate) taps: Vec<[usize; 2]>,
    /// The numbers of the taps, relative to a source offset. Taps that follow each other in memory
    /// make one run.
    pub(crate) runs: Vec<Run>,
    /// For each pixel of the largest band, where its taps begin in the frame. The pixels are listed
    /// image by image and row by row, so that those of a smaller band are a prefix.
    source_offsets: Vec<usize>,
    /// For each pixel of the largest band, where it lies in the band.
    destination_offsets: Vec<usize>,
    first_row: usize,
    row_step: usize,
    width: usize,
}

impl Lattice {
    /// All lattices of the two stencils, for bands up to `largest`. Each tap has `depth` numbers.
    pub(crate) fn all(
        stencils: &[Stencil; 2],
        frame: &Frame,
        destination: ImageShape,
        largest: Band,
        depth: usize,
    ) -> Vec<Self> {
        let [rows, columns] = stencils;
        let pairs = rows.grids.iter().flat_map(|row| columns.grids.iter().map(move |c| [row, c]));
        pairs.map(|grids| Self::new(stencils, grids, frame, destination, largest, depth)).collect()
    }

    /// The lattice of one grid of each stencil.
    pub(crate) fn new(
        stencils: &[Stencil; 2],
        grids: [&Grid; 2],
        frame: &Frame,
        destination: ImageShape,
        largest: Band,
        depth: usize,
    ) -> Self {
        let mut lattice = Self {
            taps: Vec::new(),
            runs: Vec::new(),
            source_offsets: Vec::new(),
            destination_offsets: Vec::new(),
            first_row: grids[0].first,
            row_step: stencils[0].step,
            width: grids[1].count,
        };
        lattice.find_taps(grids, frame, depth);
        lattice.find_pixels(stencils, grids[1], frame, destination, largest);
        lattice
    }

    fn find_taps(&mut self, [rows, columns]: [&Grid; 2], frame: &Frame, depth: usize) {
        for row in &rows.taps {
            for column in &columns.taps {
                self.taps.push([row.kernel, column.kernel]);
                let start = frame.offset([row.source, column.source]);
                match self.runs.last_mut() {
                    Some(last) if last.start + last.len == start => last.len += depth,
                    _ => self.runs.push(Run { start, len: depth }),
                }
            }
        }
    }

    fn find_pixels(
        &mut self,
        [rows, columns]: &[Stencil; 2],
        grid: &Grid,
        frame: &Frame,
        destination: ImageShape,
        largest: Band,
    ) {
        for image in 0..largest.images {
            for row in 0..self.rows(&largest) {
                let source = image * frame.image_pitch + row * rows.stride * frame.row_pitch;
                let line = image * largest.rows + self.first_row + row * rows.step;
                for column in 0..grid.count {
                    let pixel = line * destination.width + grid.first + column * columns.step;
                    self.source_offsets.push(source + column * columns.stride * frame.pixel_pitch);
                    self.destination_offsets.push(pixel * destination.channels);
                }
            }
        }
    }

    /// Where the taps of the band's pixels begin in its frame, and where the pixels lie in the band.
    pub(crate) fn offsets(&self, band: &Band) -> (&[usize], &[usize]) {
        let pixels = band.images * self.rows(band) * self.width;
        (&self.source_offsets[..pixels], &self.destination_offsets[..pixels])
    }

    /// The rows of the band that belong to the lattice; its first row is a multiple of the step.
    fn rows(&self, band: &Band) -> usize {
        band.rows.saturating_sub(self.first_row).div_ceil(self.row_step)
    }
}
