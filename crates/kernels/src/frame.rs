//! The part of the source that a band's destinations see, laid out so that every tap exists.

use crate::ImageShape;
use crate::band::Band;
use crate::lanes::LANES;
use crate::stencil::Stencil;

/// Pixels a multiple of so many numbers apart fall into the same few sets of the first-level cache,
/// and the sixteen pixels of a tile push each other out of it.
const ALIASED: usize = 512;

/// Where the pixels that a band sees lie in memory.
///
/// Where the stencils leave the image, a band's part of the source is first copied with zeros around
/// it, so no tile ever asks whether a pixel exists; and where its pixels would alias in the cache, it
/// is copied with a gap after each pixel.
#[derive(Debug)]
pub(crate) struct Frame {
    source: ImageShape,
    /// Destination rows and the source rows that they move by.
    step: usize,
    stride: usize,
    /// The source row and column that a band at row 0 begins with.
    lowest: [isize; 2],
    /// Whether tiles read the source itself instead of a copy.
    in_place: bool,
    /// Numbers from each image, row and pixel to the next.
    pub(crate) image_pitch: usize,
    pub(crate) row_pitch: usize,
    pub(crate) pixel_pitch: usize,
}

impl Frame {
    /// The frame of bands up to `largest`, of a destination `width` pixels wide.
    pub(crate) fn new(
        [rows, columns]: &[Stencil; 2],
        source: ImageShape,
        largest: Band,
        width: usize,
    ) -> Self {
        let is_inside = rows.is_inside(source.height) && columns.is_inside(source.width);
        let aliased = source.channels.is_multiple_of(ALIASED);
        let in_place = is_inside && !aliased;
        let [height, width] = if in_place {
            [source.height, source.width]
        } else {
            let count = |len: usize, axis: &Stencil| len.div_ceil(axis.step);
            [rows.extent(count(largest.rows, rows)), columns.extent(count(width, columns))]
        };
        let pixel_pitch = source.channels + if aliased { LANES } else { 0 };
        let row_pitch = width * pixel_pitch;
        Self {
            source,
            step: rows.step,
            stride: rows.stride,
            lowest: [rows.lowest(), columns.lowest()],
            in_place,
            image_pitch: height * row_pitch,
            row_pitch,
            pixel_pitch,
        }
    }

    /// Where a tap for row and column 0 lies in the frame.
    pub(crate) fn offset(&self, [row, column]: [isize; 2]) -> usize {
        (row - self.lowest[0]).unsigned_abs() * self.row_pitch
            + (column - self.lowest[1]).unsigned_abs() * self.pixel_pitch
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
            for (row, copy) in (self.first_row(band)..).zip(copy.chunks_exact_mut(self.row_pitch)) {
                self.load_row(image, row, copy);
            }
        }
    }

    /// The band's frame: a part of `source`, or what was loaded into `copy`.
    pub(crate) fn loaded<'a>(&self, source: &'a [f32], band: &Band, copy: &'a [f32]) -> &'a [f32] {
        if !self.in_place {
            return copy;
        }
        let row = band.image * self.source.height + self.first_row(band).unsigned_abs();
        let column = self.lowest[1].unsigned_abs();
        // A band without a single destination that sees anything may begin behind the source.
        source.get(row * self.row_pitch + column * self.pixel_pitch..).unwrap_or_default()
    }

    fn first_row(&self, band: &Band) -> isize {
        (band.row / self.step * self.stride) as isize + self.lowest[0]
    }

    /// Copies row `row` of an image, with zeros where the frame leaves it.
    fn load_row(&self, image: &[f32], row: isize, copy: &mut [f32]) {
        let ImageShape { height, width, channels, .. } = self.source;
        let Some(row) = usize::try_from(row).ok().filter(|&row| row < height) else {
            return copy.fill(0.0);
        };
        let skipped = self.lowest[1].max(0).unsigned_abs().min(width);
        let left = self.lowest[1].min(0).unsigned_abs() * self.pixel_pitch;
        let (left, rest) = copy.split_at_mut(left.min(copy.len()));
        left.fill(0.0);
        let row = &image[row * width * channels..(row + 1) * width * channels];
        copy_pixels(&row[skipped * channels..], channels, rest, self.pixel_pitch).fill(0.0);
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
    let (copied, rest) = to.split_at_mut(pixels * pitch);
    if channels == pitch {
        copied.copy_from_slice(&from[..copied.len()]);
    } else {
        for (to, from) in copied.chunks_exact_mut(pitch).zip(from.chunks_exact(channels)) {
            to[..channels].copy_from_slice(from);
        }
    }
    rest
}
