//! Where the numbers lie that the tiles of one stencil read and write.

use std::ops::Range;

use crate::ImageShape;
use crate::band::Band;
use crate::lanes::LANES;
use crate::stencil::{AxisStencil, Stencil};
use crate::tile::Run;

/// Pixels a multiple of so many numbers apart fall into the same few sets of the first-level cache,
/// and the sixteen pixels of a tile push each other out of it.
const ALIASED: usize = 512;

/// A stencil laid out in memory, for bands up to a given size.
///
/// Where the stencil leaves the image, a band's part of the source is first copied into a buffer
/// with zeros around it, so no tile ever asks whether a pixel exists; and where its pixels would
/// alias in the cache, it is copied with a gap after each pixel.
#[derive(Debug)]
pub(crate) struct Plan {
    stencil: Stencil,
    source: ImageShape,
    /// Whether tiles read the source itself instead of a copy.
    in_place: bool,
    image_pitch: usize,
    row_pitch: usize,
    pixel_pitch: usize,
    /// Of each destination pixel of the largest band: where its first tap lies.
    source_offsets: Vec<usize>,
    /// Of each destination pixel of the largest band: where it lies itself.
    destination_offsets: Vec<usize>,
}

impl Plan {
    pub(crate) fn new(
        stencil: Stencil,
        source: ImageShape,
        destination: ImageShape,
        largest: Band,
    ) -> Self {
        let [rows, columns] = &stencil;
        let aliased = source.channels.is_multiple_of(ALIASED);
        let is_inside = rows.is_inside(source.height) && columns.is_inside(source.width);
        let in_place = is_inside && !aliased;
        let pixel_pitch = source.channels + if aliased { LANES } else { 0 };
        let [image_rows, row_pixels] = if in_place {
            [source.height, source.width]
        } else {
            let count = rows_of(rows, &largest).len();
            [rows.extent(count), columns.extent(columns.count)]
        };
        let row_pitch = row_pixels * pixel_pitch;
        let mut plan = Self {
            in_place,
            image_pitch: image_rows * row_pitch,
            row_pitch,
            pixel_pitch,
            source_offsets: Vec::new(),
            destination_offsets: Vec::new(),
            source,
            stencil,
        };
        plan.find_offsets(destination, largest);
        plan
    }

    /// Lists the pixels image by image and row by row, so that a smaller band's are a prefix.
    fn find_offsets(&mut self, destination: ImageShape, largest: Band) {
        let [rows, columns] = &self.stencil;
        let [height, width, channels] = [largest.rows, destination.width, destination.channels];
        for image in 0..largest.images {
            for row in 0..rows_of(rows, &largest).len() {
                let source = image * self.image_pitch + row * rows.stride * self.row_pitch;
                let line = (image * height + rows.first + row * rows.step) * width;
                for column in 0..columns.count {
                    self.source_offsets
                        .push(source + column * columns.stride * self.pixel_pitch);
                    self.destination_offsets
                        .push((line + columns.first + column * columns.step) * channels);
                }
            }
        }
    }

    /// The kernel positions `[row, column]` in the order of [`Plan::runs`].
    pub(crate) fn taps(&self) -> impl Iterator<Item = [usize; 2]> {
        let [rows, columns] = &self.stencil;
        let pair = |row: usize| columns.taps.iter().map(move |column| [row, column.kernel]);
        rows.taps.iter().flat_map(move |row| pair(row.kernel))
    }

    /// The taps' numbers relative to a source offset, `channels` for each tap, with taps that
    /// follow each other in memory joined into one run.
    pub(crate) fn runs(&self, channels: usize) -> Vec<Run> {
        let [rows, columns] = &self.stencil;
        let mut runs: Vec<Run> = Vec::new();
        for row in &rows.taps {
            for column in &columns.taps {
                let start = (row.source - rows.lowest()).unsigned_abs() * self.row_pitch
                    + (column.source - columns.lowest()).unsigned_abs() * self.pixel_pitch;
                match runs.last_mut() {
                    Some(last) if last.start + last.len == start => last.len += channels,
                    _ => runs.push(Run { start, len: channels }),
                }
            }
        }
        runs
    }

    /// The source and destination offsets of the band's pixels.
    pub(crate) fn offsets(&self, band: &Band) -> (&[usize], &[usize]) {
        let [rows, columns] = &self.stencil;
        let pixels = band.images * rows_of(rows, band).len() * columns.count;
        (&self.source_offsets[..pixels], &self.destination_offsets[..pixels])
    }

    /// Copies the band's part of `source` into `copy`, if tiles read a copy.
    pub(crate) fn load(&self, source: &[f32], band: &Band, copy: &mut Vec<f32>) {
        if self.in_place {
            return;
        }
        copy.resize(band.images * self.image_pitch, 0.0);
        let image_len = self.source.height * self.source.width * self.source.channels;
        let images = source.chunks_exact(image_len).skip(band.image);
        for (image, copy) in images.zip(copy.chunks_exact_mut(self.image_pitch)) {
            let rows = copy.chunks_exact_mut(self.row_pitch);
            (self.first_row(band)..).zip(rows).for_each(|(row, copy)| self.pad_row(image, row, copy));
        }
    }

    /// What the source offsets count from: a part of `source`, or of the loaded copy.
    pub(crate) fn loaded<'a>(&self, source: &'a [f32], band: &Band, copy: &'a [f32]) -> &'a [f32] {
        if !self.in_place {
            return copy;
        }
        let row = band.image * self.source.height + self.first_row(band).unsigned_abs();
        let column = self.stencil[1].lowest().unsigned_abs();
        &source[row * self.row_pitch + column * self.pixel_pitch..]
    }

    /// The first row of the source that the band sees.
    fn first_row(&self, band: &Band) -> isize {
        let [rows, _] = &self.stencil;
        (rows_of(rows, band).start * rows.stride) as isize + rows.lowest()
    }

    /// Copies row `row` of an image, with zeros where the stencil leaves it.
    fn pad_row(&self, image: &[f32], row: isize, padded: &mut [f32]) {
        let ImageShape { height, width, channels, .. } = self.source;
        let Some(row) = usize::try_from(row).ok().filter(|&row| row < height) else {
            return padded.fill(0.0);
        };
        let row = &image[row * width * channels..][..width * channels];
        let lowest = self.stencil[1].lowest();
        let skipped = lowest.max(0).unsigned_abs().min(width) * channels;
        let (left, rest) = padded.split_at_mut(
            (lowest.min(0).unsigned_abs() * self.pixel_pitch).min(padded.len()),
        );
        left.fill(0.0);
        let right = copy_pixels(&row[skipped..], channels, rest, self.pixel_pitch);
        right.fill(0.0);
    }
}

/// Copies pixels until either side ends, and returns the rest of the destination.
fn copy_pixels<'a>(
    from: &[f32],
    channels: usize,
    to: &'a mut [f32],
    pitch: usize,
) -> &'a mut [f32] {
    let pixels = (from.len() / channels).min(to.len() / pitch);
    let (filled, rest) = to.split_at_mut(pixels * pitch);
    if channels == pitch {
        filled.copy_from_slice(&from[..filled.len()]);
    } else {
        for (to, from) in filled.chunks_exact_mut(pitch).zip(from.chunks_exact(channels)) {
            to[..channels].copy_from_slice(from);
        }
    }
    rest
}

/// The indices of the stencil's rows that lie in the band.
fn rows_of(rows: &AxisStencil, band: &Band) -> Range<usize> {
    let below = |row: usize| row.saturating_sub(rows.first).div_ceil(rows.step);
    below(band.row)..below(band.row + band.rows)
}
