//! How the source pixels that a band sees lie in memory.

use std::ops::Range;

use crate::ImageShape;
use crate::band::Band;
use crate::lanes::LANES;

/// Pixels a multiple of so many numbers apart fall into the same few sets of the first-level cache,
/// and the sixteen pixels of a tile push each other out of it.
const ALIASED: usize = 256;

/// What to do about pixels that would alias in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aliasing {
    Accept,
    /// Copy them apart.
    Avoid,
}

/// Some rows of each image of a band: as they lie in the source, or copied with a gap after each
/// pixel.
#[derive(Debug)]
pub(crate) struct Frame {
    source: ImageShape,
    /// The rows, in the source.
    pub(crate) rows: Range<usize>,
    in_place: bool,
    /// Numbers from each image, row and pixel to the next.
    pub(crate) image_pitch: usize,
    pub(crate) row_pitch: usize,
    pub(crate) pixel_pitch: usize,
}

impl Frame {
    pub(crate) fn new(source: ImageShape, rows: Range<usize>, aliasing: Aliasing) -> Self {
        let aliased = source.channels.is_multiple_of(ALIASED) && !rows.is_empty();
        let in_place = !aliased || aliasing == Aliasing::Accept;
        let (image_rows, gap) = if in_place { (source.height, 0) } else { (rows.len(), LANES) };
        let pixel_pitch = source.channels + gap;
        let row_pitch = source.width * pixel_pitch;
        Self { source, rows, in_place, image_pitch: image_rows * row_pitch, row_pitch, pixel_pitch }
    }

    /// Copies the band's part of `source` into `copy`, unless it is read in place.
    pub(crate) fn load(&self, source: &[f32], band: &Band, copy: &mut Vec<f32>) {
        if self.in_place {
            return;
        }
        copy.resize(band.images * self.image_pitch, 0.0);
        let ImageShape { height, width, channels, .. } = self.source;
        for (image, copy) in (band.image..).zip(copy.chunks_exact_mut(self.image_pitch)) {
            let first = (image * height + self.rows.start) * width;
            let pixels = source[first * channels..].chunks_exact(channels);
            for (pixel, copy) in pixels.zip(copy.chunks_exact_mut(self.pixel_pitch)) {
                copy[..channels].copy_from_slice(pixel);
            }
        }
    }

    /// The band's frame: a part of `source`, or what was loaded into `copy`.
    pub(crate) fn view<'a>(&self, source: &'a [f32], band: &Band, copy: &'a [f32]) -> &'a [f32] {
        if self.in_place {
            &source[band.image * self.image_pitch + self.rows.start * self.row_pitch..]
        } else {
            copy
        }
    }
}
