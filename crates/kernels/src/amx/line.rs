//! The positions of a band, row by row and image by image, as one line.

use std::ops::Range;

use super::axis::Axis;
use crate::ImageShape;
use crate::band::Band;

/// A convolution of one group, or its input's gradient, along a line at every position of which the taps lie
/// at the same distances.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) source: ImageShape,
    pub(super) destination: ImageShape,
    /// That of the rows, and that of the columns.
    pub(super) axes: [Axis; 2],
}

/// The part of the line that belongs to a band.
#[derive(Debug)]
pub(super) struct Stretch<'a> {
    line: &'a Line,
    band: Band,
    /// The number of the band's first row of positions in its image.
    first_row: usize,
    /// Rows of positions of each image.
    image_rows: usize,
    /// Whether the images are whole, with zeros between them.
    whole: bool,
}

/// Destinations that follow each other on the line.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) positions: Range<usize>,
    /// The first one's pixel in the band.
    pub(super) pixel: usize,
}

impl Line {
    pub(super) fn stretch(&self, band: Band) -> Stretch<'_> {
        let Axis { step, pitch, .. } = self.axes[0];
        let whole = band.rows == self.destination.height;
        let first_row = band.row / step;
        let last_row = (band.row + band.rows).div_ceil(step);
        let image_rows = if whole { pitch } else { last_row - first_row };
        Stretch { line: self, band, first_row, image_rows, whole }
    }
}

impl Stretch<'_> {
    /// Rows of positions.
    pub(super) fn rows(&self) -> usize {
        self.band.images * self.image_rows
    }

    pub(super) fn positions(&self) -> usize {
        self.rows() * self.line.axes[1].pitch
    }

    /// The number, among all rows of the source, of the row of this source phase that a row of positions
    /// stands for; there is none where there are zeros.
    pub(super) fn source_row(&self, row: isize, source_phase: usize) -> Option<usize> {
        let axis = &self.line.axes[0];
        let (image, row) = if self.whole {
            let row = usize::try_from(row).ok().filter(|row| *row < self.rows())?;
            (row / self.image_rows, row % self.image_rows)
        } else {
            (0, self.first_row.checked_add_signed(row)?)
        };
        let exists = row < axis.source_count(source_phase);
        let row = row * axis.stride + source_phase;
        exists.then(|| (self.band.image + image) * self.line.source.height + row)
    }

    pub(super) fn band(&self) -> &Band {
        &self.band
    }

    /// The pixels of the source that the positions from this one on stand for, and `None` for zeros. Source
    /// phases of rows and columns are numbered together.
    #[inline(always)]
    pub(super) fn source_pixels(&self, first: isize, source: usize) -> SourcePixels<'_> {
        let columns = &self.line.axes[1];
        let (row_phase, column_phase) = (source / columns.stride, source % columns.stride);
        let pitch = columns.pitch as isize;
        let row = first.div_euclid(pitch);
        SourcePixels {
            stretch: self,
            row_phase,
            column_phase,
            count: columns.source_count(column_phase),
            row,
            row_pixel: self.row_pixel(row, row_phase),
            column: first.rem_euclid(pitch) as usize,
        }
    }

    /// The first pixel of the row of this source phase.
    fn row_pixel(&self, row: isize, source_phase: usize) -> Option<usize> {
        Some(self.source_row(row, source_phase)? * self.line.source.width)
    }

    /// The destinations of two phases, that of the rows and that of the columns, among these positions.
    pub(super) fn segments(
        &self,
        phases: [usize; 2],
        positions: Range<usize>,
    ) -> impl Iterator<Item = Segment> {
        let [rows, columns] = &self.line.axes;
        let [row_phase, column_phase] = [&rows.phases[phases[0]], &columns.phases[phases[1]]];
        let pitch = columns.pitch;
        (positions.start / pitch..positions.end.div_ceil(pitch)).filter_map(move |row| {
            let first = row * pitch;
            let start = positions.start.max(first);
            let end = positions.end.min(first + column_phase.count);
            let (image, row) = (row / self.image_rows, row % self.image_rows + self.first_row);
            let exists = row < row_phase.count && start < end && image < self.band.images;
            let row = (row_phase.first + row * rows.step).checked_sub(self.band.row)?;
            let column = column_phase.first + start.wrapping_sub(first) * columns.step;
            let pixel = (image * self.band.rows + row) * self.line.destination.width + column;
            (exists && row < self.band.rows).then_some(Segment { positions: start..end, pixel })
        })
    }
}

/// The iterator of [`Stretch::source_pixels`].
pub(super) struct SourcePixels<'a> {
    stretch: &'a Stretch<'a>,
    row_phase: usize,
    column_phase: usize,
    /// Columns that have a source.
    count: usize,
    row: isize,
    row_pixel: Option<usize>,
    column: usize,
}

impl Iterator for SourcePixels<'_> {
    type Item = Option<usize>;

    #[inline(always)]
    fn next(&mut self) -> Option<Option<usize>> {
        let columns = &self.stretch.line.axes[1];
        if self.column == columns.pitch {
            self.row += 1;
            self.row_pixel = self.stretch.row_pixel(self.row, self.row_phase);
            self.column = 0;
        }
        let column = self.column;
        self.column += 1;
        match self.row_pixel {
            Some(first) if column < self.count => {
                Some(Some(first + column * columns.stride + self.column_phase))
            }
            _ => Some(None),
        }
    }
}
