//! Bands: the pieces of a destination image batch that are computed one at a time, by any thread.

use crate::ImageShape;
use crate::correlate_tiles::TILE_PIXELS;

/// Images of up to so many pixels come in fours, so that even their corners make a tile.
const SMALL_IMAGE: usize = 64;

/// Some rows of one image, or all rows of some images; contiguous in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Band {
    pub(crate) image: usize,
    pub(crate) images: usize,
    pub(crate) row: usize,
    pub(crate) rows: usize,
}

impl Band {
    /// All of the destination.
    pub(crate) fn whole(destination: ImageShape) -> Self {
        Self { image: 0, images: destination.batch, row: 0, rows: destination.height }
    }

    /// Divides the destination into about so many bands of equal size, fewer if it has too few rows.
    /// The first is the largest.
    pub(crate) fn divide(destination: ImageShape, bands: usize) -> Vec<Self> {
        let ImageShape { batch, height, width, .. } = destination;
        let (mut band_images, mut band_rows) = (1, height);
        if bands > batch {
            band_rows = height.div_ceil(bands.div_ceil(batch));
        } else {
            band_images = batch / bands;
        }
        let pixels = height * width;
        if band_rows == height && pixels <= SMALL_IMAGE {
            let unit = TILE_PIXELS.div_ceil(pixels).max(4);
            band_images = band_images.next_multiple_of(unit).min(batch);
        }
        let images = (0..batch).step_by(band_images);
        let rows = |image| {
            let images = band_images.min(batch - image);
            (0..height).step_by(band_rows).map(move |row| {
                let rows = band_rows.min(height - row);
                Self { image, images, row, rows }
            })
        };
        images.flat_map(rows).collect()
    }

    /// The band's numbers within the whole destination.
    pub(crate) fn part<'a, E>(&self, destination: ImageShape, data: &'a [E]) -> &'a [E] {
        &data[self.first(destination)..][..self.len(destination)]
    }

    /// Where the band's numbers begin within the whole destination.
    pub(crate) fn first(&self, destination: ImageShape) -> usize {
        (self.image * destination.height + self.row) * destination.width * destination.channels
    }

    fn len(&self, destination: ImageShape) -> usize {
        self.images * self.rows * destination.width * destination.channels
    }
}

/// How many numbers each band has.
pub(crate) fn lengths(bands: &[Band], destination: ImageShape) -> impl Iterator<Item = usize> {
    bands.iter().map(move |band| band.len(destination))
}
