//! How the source pixels that a band sees lie in memory.

use std::ops::Range;

use crate::band::Band;
use crate::element::{Factor, Makes, lay};
use crate::lanes::{Kernel, Lanes};
use crate::scratch::Scratch;
use crate::{ImageShape, Isa};

/// How the source's pixels are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Every so many channels ...
    pub(crate) depth: usize,
    /// ... take up so much room, and what they do not fill is zeros.
    pub(crate) pitch: usize,
    /// Whether they are read where they lie, with nothing to be filled.
    pub(crate) in_place: bool,
}

/// Some rows of each image of a band: as they lie in the source, or copied as factors.
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
        let Layout { depth, pitch, in_place } = layout;
        let pixel_pitch = source.channels / depth * pitch;
        let image_rows = if in_place { source.height } else { rows.len() };
        let row_pitch = source.width * pixel_pitch;
        let image_pitch = image_rows * row_pitch;
        Self { source, layout, rows, image_pitch, row_pitch, pixel_pitch }
    }

    /// Calls `f` with the band's frame: a part of `source`, or a copy of it.
    pub(crate) fn view<E: Makes<F>, F: Factor, R>(
        &self,
        isa: Isa,
        source: &[E],
        band: &Band,
        f: impl FnOnce(&[F]) -> R,
    ) -> R {
        let in_place = self.layout.in_place.then(|| E::in_place(&source[self.first(band)..]));
        if let Some(factors) = in_place.flatten() {
            return f(factors);
        }
        // One pixel at least, for those to point to that see padding only.
        let len = (band.images * self.image_pitch).max(self.pixel_pitch) / F::SPAN;
        Scratch::Frame.with(len, |copy| {
            if !self.rows.is_empty() {
                isa.run(Load { frame: self, source, image: band.image, copy });
            }
            f(copy)
        })
    }

    /// Where the band's frame begins in the source, if it is read in place.
    pub(crate) fn first(&self, band: &Band) -> usize {
        band.image * self.image_pitch + self.rows.start * self.row_pitch
    }
}

/// Copies the rows of images from this one on.
struct Load<'a, E, F> {
    frame: &'a Frame,
    source: &'a [E],
    image: usize,
    copy: &'a mut [F],
}

impl<E: Makes<F>, F: Factor> Kernel for Load<'_, E, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Frame { source: ImageShape { height, width, channels, .. }, layout, rows, .. } =
            self.frame;
        let row_len = width * channels;
        let copies = self.copy.chunks_exact_mut(self.frame.image_pitch / F::SPAN);
        for (image, copy) in (self.image..).zip(copies) {
            let first = (image * height + rows.start) * row_len;
            let numbers = &self.source[first..][..rows.len() * row_len];
            if layout.pitch == layout.depth {
                lay::<L, E, F>(numbers, copy);
                continue;
            }
            let copies = copy.chunks_exact_mut(layout.pitch / F::SPAN);
            for (numbers, copy) in numbers.chunks_exact(layout.depth).zip(copies) {
                lay::<L, E, F>(numbers, copy);
            }
        }
    }
}
