//! How the source pixels that a band sees lie in memory.

use std::ops::Range;

use crate::ImageShape;
use crate::band::Band;

/// How the source's pixels are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Every so many channels ...
    pub(crate) depth: usize,
    /// ... take up so much room, and what they do not fill is zeros.
    pub(crate) pitch: usize,
}

impl Layout {
    /// Whether nothing has to be filled, so that pixels are read where they lie.
    fn is_dense(self) -> bool {
        self.pitch == self.depth
    }
}

/// Some rows of each image of a band: as they lie in the source, or copied with gaps.
#[derive(Debug)]
pub(crate) struct Frame {
    source: ImageShape,
    layout: Layout,
    /// The rows, in the source.
    pub(crate) rows: Range<usize>,
    /// Numbers from each image, row and pixel to the next.
    pub(crate) image_pitch: usize,
    pub(crate) row_pitch: usize,
    pub(crate) pixel_pitch: usize,
}

impl Frame {
    pub(crate) fn new(source: ImageShape, rows: Range<usize>, layout: Layout) -> Self {
        let Layout { depth, pitch } = layout;
        let pixel_pitch = source.channels / depth * pitch;
        let image_rows = if layout.is_dense() { source.height } else { rows.len() };
        let row_pitch = source.width * pixel_pitch;
        let image_pitch = image_rows * row_pitch;
        Self { source, layout, rows, image_pitch, row_pitch, pixel_pitch }
    }

    /// Copies the band's part of `source` into `copy`, unless it is read in place.
    pub(crate) fn load<E: Copy + Default>(&self, source: &[E], band: &Band, copy: &mut Vec<E>) {
        if self.layout.is_dense() {
            return;
        }
        // One pixel at least, for those to point to that see padding only. What lies between the
        // channels of the copies is never written, so it stays zero from band to band.
        let len = (band.images * self.image_pitch).max(self.pixel_pitch);
        copy.resize(len, E::default());
        if self.rows.is_empty() {
            return;
        }
        let ImageShape { height, width, channels, .. } = self.source;
        for (image, copy) in (band.image..).zip(copy.chunks_exact_mut(self.image_pitch)) {
            let first = (image * height + self.rows.start) * width;
            let pixels = source[first * channels..].chunks_exact(channels);
            for (pixel, copy) in pixels.zip(copy.chunks_exact_mut(self.pixel_pitch)) {
                self.copy_pixel(pixel, copy);
            }
        }
    }

    fn copy_pixel<E: Copy>(&self, pixel: &[E], copy: &mut [E]) {
        let Layout { depth, pitch, .. } = self.layout;
        for (from, to) in pixel.chunks_exact(depth).zip(copy.chunks_exact_mut(pitch)) {
            // Too few for a call of `memcpy` to pay.
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
    }

    /// The band's frame: a part of `source`, or what was loaded into `copy`.
    pub(crate) fn view<'a, E>(&self, source: &'a [E], band: &Band, copy: &'a [E]) -> &'a [E] {
        if self.layout.is_dense() {
            &source[band.image * self.image_pitch + self.rows.start * self.row_pitch..]
        } else {
            copy
        }
    }
}
