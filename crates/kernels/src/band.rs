//! Bands: the pieces of a destination image batch that are computed one at a time, by any thread.

use crate::ImageShape;
use crate::tile::TILE_PIXELS;

/// Source and destination of a band, in numbers, should stay in a core's second-level cache.
const BAND_LEN: usize = 64 * 1024;

/// So many bands at least, if there are rows enough, for the threads to share evenly.
const MIN_BANDS: usize = 8;

/// Some rows of one image, or all rows of some images; contiguous in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Band {
    pub(crate) image: usize,
    pub(crate) images: usize,
    pub(crate) row: usize,
    pub(crate) rows: usize,
}

impl Band {
    /// The largest band for this destination. It depends on the shapes alone, never on the number
    /// of threads. Its rows are a multiple of `step` or all.
    pub(crate) fn largest(source: ImageShape, destination: ImageShape, step: usize) -> Self {
        let ImageShape { batch, height, width, .. } = destination;
        let bands = ((source.len() + destination.len()) / BAND_LEN).max(MIN_BANDS);
        let (images, rows) = if bands <= batch {
            (batch / bands, height)
        } else {
            let rows = height.div_ceil(bands.div_ceil(batch));
            (1, rows.next_multiple_of(step).min(height))
        };
        let images = if rows == height {
            images.next_multiple_of(TILE_PIXELS.div_ceil(height * width)).min(batch)
        } else {
            images
        };
        Self { image: 0, images, row: 0, rows }
    }

    /// All bands of the destination, in its order, if this is the largest.
    pub(crate) fn all(self, destination: ImageShape) -> Vec<Self> {
        let images = (0..destination.batch).step_by(self.images);
        let bands = images.flat_map(|image| {
            let images = self.images.min(destination.batch - image);
            (0..destination.height).step_by(self.rows).map(move |row| {
                let rows = self.rows.min(destination.height - row);
                Self { image, images, row, rows }
            })
        });
        bands.collect()
    }

    /// Pixels in the band.
    pub(crate) fn pixels(&self, destination: ImageShape) -> usize {
        self.images * self.rows * destination.width
    }

    /// The band's part of the destination.
    pub(crate) fn of<'a>(&self, destination: ImageShape, data: &'a [f32]) -> &'a [f32] {
        let first = (self.image * destination.height + self.row) * destination.width;
        let channels = destination.channels;
        &data[first * channels..][..self.pixels(destination) * channels]
    }
}

/// Pairs each band with its part of the destination.
pub(crate) fn split(
    bands: Vec<Band>,
    destination: ImageShape,
    data: &mut [f32],
) -> Vec<(Band, &mut [f32])> {
    let mut rest = data;
    let part = |band: Band| {
        let len = band.pixels(destination) * destination.channels;
        let (part, tail) = std::mem::take(&mut rest).split_at_mut(len);
        rest = tail;
        (band, part)
    };
    bands.into_iter().map(part).collect()
}
