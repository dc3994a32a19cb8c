//! Which convolutions are computed by minimal filtering, and the tiles of their destination.

use crate::band::Band;
use crate::direction::Direction;
use crate::element::{Factor, Stored};
use crate::lanes::LANES;
use crate::packed::Weight;
use crate::winograd::transform::{OUT, POINTS, TAPS};
use crate::{Conv, ImageShape, Isa};

/// Numbers of the transformed source and of the products that are in use at one time: they stay in a
/// core's second-level cache.
const CHUNK_LEN: usize = 128 * 1024;

/// Tiles in a chunk at least, to share the weights that are loaded.
const MIN_CHUNK: usize = 32;

/// Tiles in a chunk at most.
const MAX_CHUNK: usize = 256;

/// Bands, whatever the number of threads, for these to share evenly; fewer if they would not fill chunks.
const MIN_BANDS: usize = 16;

/// Destination channels of a task, where tasks share these in place of tiles.
pub(crate) const SHARE: usize = 2 * LANES;

/// Tiles at most for that.
const MAX_SHARED_TILES: usize = 56;

/// What something costs, in products of this algorithm: fitted to measurements of both.
struct Costs {
    /// To transform a tile.
    transform: f64,
    /// To transform and load the weights, or the sums of their gradient.
    weight: f64,
    /// A product for a tap.
    direct: f64,
}

/// Those of the output and of the input's gradient, on Zen 4.
const CORRELATION: Costs = Costs { transform: 500.0, weight: 96.0, direct: 1.0 };

/// The same where the transformed weight is kept, on Zen 3.
const PACKED: Costs = Costs { weight: 15.0, ..CORRELATION };

/// Those of the weight's gradient, on Zen 5.
const GRADIENT: Costs = Costs { transform: 300.0, weight: 110.0, direct: 1.2 };

/// More vectors than memory holds, and few enough to be added to each other.
const OUTSIDE: usize = usize::MAX / 4;

/// A convolution that is computed tile by tile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    pub(crate) source: ImageShape,
    pub(crate) destination: ImageShape,
    /// The source's rows and columns before its first that the first tile sees.
    pub(crate) padding: [usize; 2],
}

/// The first pixel of a tile of the destination.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tile {
    pub(crate) image: usize,
    pub(crate) row: usize,
    pub(crate) column: usize,
}

impl Geometry {
    /// The tiles of the output (forward) or of the input's gradient (backward), if they pay.
    pub(crate) fn new<E: Stored>(
        isa: Isa,
        conv: &Conv,
        direction: Direction,
        weight: Weight<'_, E>,
    ) -> Option<Self> {
        let costs = if weight.packed.is_some() { PACKED } else { CORRELATION };
        Self::tiles_of(conv, direction).filter(|geometry| geometry.pays::<E>(isa, conv, &costs))
    }

    /// The tiles of the output for the gradient of the weight, if they pay.
    pub(crate) fn of_gradient<E: Stored>(isa: Isa, conv: &Conv) -> Option<Self> {
        Self::tiles_of(conv, Direction::Forward)
            .filter(|geometry| geometry.pays::<E>(isa, conv, &GRADIENT))
    }

    /// The tiles of a convolution of 3x3 with stride 1, whose channels fill whole vectors.
    fn tiles_of(conv: &Conv, direction: Direction) -> Option<Self> {
        let window = conv.window();
        let (input, output) = (conv.input(), conv.output());
        let vectors = |shape: ImageShape| shape.channels.is_multiple_of(LANES);
        let three = window.kernel == [3, 3] && window.stride == [1, 1] && window.dilation == [1, 1];
        let near = window.padding.iter().all(|&padding| padding <= 2);
        if !three || !near || conv.groups() != 1 || !vectors(input) || !vectors(output) {
            return None;
        }
        let (source, destination, padding) = match direction {
            Direction::Forward => (input, output, window.padding),
            Direction::Backward => (output, input, window.padding.map(|padding| 2 - padding)),
        };
        Some(Self { source, destination, padding })
    }

    /// Whether minimal filtering takes less time than a product for each tap.
    fn pays<E: Stored>(&self, isa: Isa, conv: &Conv, costs: &Costs) -> bool {
        if isa >= Isa::Amx && E::Joined::SPAN > 1 {
            // It would be in `f32`, where AMX has nothing to offer.
            return false;
        }
        let tiles = self.tile_count() as f64;
        let (depth, columns) = (self.source.channels as f64, self.destination.channels as f64);
        let transforms = costs.transform * tiles * (1.0 / depth + 1.0 / columns);
        let at_once = if isa.multiplies_pairs() { E::Joined::SPAN } else { 1 };
        let direct = costs.direct * (TAPS * conv.output().pixels()) as f64 / at_once as f64;
        POINTS as f64 * (tiles + costs.weight) + transforms < direct
    }

    /// Channels of the source and of the destination.
    pub(crate) fn channels(&self) -> (usize, usize) {
        (self.source.channels, self.destination.channels)
    }

    /// Rows of sixteen numbers in the transformed weight.
    pub(crate) fn panel_rows(&self) -> usize {
        POINTS * self.source.channels * self.destination.channels / LANES
    }

    /// Tiles that are transformed at one time.
    pub(crate) fn chunk(&self) -> usize {
        let tile_len = POINTS * (self.source.channels + self.destination.channels);
        (CHUNK_LEN / tile_len).clamp(MIN_CHUNK, MAX_CHUNK)
    }

    /// Whether tasks share the columns of a weight that is packed already: there are tiles for two tasks or hardly more.
    pub(crate) fn shares_columns(&self) -> bool {
        self.tile_count() <= MAX_SHARED_TILES && self.destination.channels.is_multiple_of(SHARE)
    }

    fn tile_count(&self) -> usize {
        let ImageShape { batch, height, width, .. } = self.destination;
        batch * height.div_ceil(OUT) * width.div_ceil(OUT)
    }

    /// Bands of a few chunks each.
    pub(crate) fn bands(&self) -> Vec<Band> {
        let tiles = self.tile_count();
        let few = (tiles / MIN_CHUNK).clamp(2, MIN_BANDS);
        self.shares((tiles / (2 * self.chunk())).max(few))
    }

    /// About `count` bands of whole rows of tiles.
    fn shares(&self, count: usize) -> Vec<Band> {
        let ImageShape { batch, height, .. } = self.destination;
        let (mut band_images, mut band_rows) = (1, height);
        if count > batch {
            let rows = height.div_ceil(OUT);
            band_rows = rows.div_ceil(count.div_ceil(batch)) * OUT;
        } else {
            band_images = batch.div_ceil(count);
        }
        let band = move |image: usize, row: usize| Band {
            image,
            images: band_images.min(batch - image),
            row,
            rows: band_rows.min(height - row),
        };
        let images = (0..batch).step_by(band_images);
        images
            .flat_map(|image| (0..height).step_by(band_rows).map(move |row| band(image, row)))
            .collect()
    }

    /// The tiles of a band, in the order of their pixels.
    pub(crate) fn tiles(&self, band: &Band) -> Vec<Tile> {
        let (rows, width) = (band.row..band.row + band.rows, self.destination.width);
        (band.image..band.image + band.images)
            .flat_map(|image| rows.clone().step_by(OUT).map(move |row| (image, row)))
            .flat_map(|(image, row)| {
                (0..width).step_by(OUT).map(move |column| Tile { image, row, column })
            })
            .collect()
    }

    /// The pixels of a tile in the destination, counted from this vector on.
    pub(crate) fn covered(&self, tile: Tile, start: usize) -> Patch {
        let ImageShape { height, width, channels, .. } = self.destination;
        let vectors = channels / LANES;
        let axis = |first: usize, len: usize, pitch: usize| {
            std::array::from_fn(|i| if first + i < len { (first + i) * pitch } else { OUTSIDE })
        };
        let image = tile.image * height * width * vectors;
        Patch {
            rows: axis(tile.row, height, width * vectors).map(|row| image + row - start),
            columns: axis(tile.column, width, vectors),
            next: OUT * vectors,
        }
    }
}

/// A square of pixels, some of which may lie outside of the image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patch {
    /// The vector at which each row begins: one that does not exist, if the row lies outside.
    pub(crate) rows: [usize; OUT],
    /// How far each column lies from there, likewise.
    pub(crate) columns: [usize; OUT],
    /// How far away the next tile of the row lies.
    pub(crate) next: usize,
}
