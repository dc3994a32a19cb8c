//! A band of tiles: transformed, multiplied, and transformed back.

use crate::Write;
use crate::band::Band;
use crate::element::Stored;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::winograd::geometry::{Geometry, Patch, Tile};
use crate::winograd::points::{Chunk, Points};
use crate::winograd::product::{Correlation, Product, TILE_ROWS};
use crate::winograd::seen::load;
use crate::winograd::transform::{Columns, Linear, OUT, POINTS, Result, Source};

/// For all pixels of a band and all destination channels: the correlation of source and weight.
pub(crate) struct Correlate<'a, E> {
    pub(crate) geometry: &'a Geometry,
    pub(crate) band: Band,
    pub(crate) source: &'a [E],
    /// For each block and each point: the transformed weights of each source channel.
    pub(crate) panels: &'a [[f32; LANES]],
    pub(crate) write: Write,
    /// That of the band alone.
    pub(crate) destination: &'a mut [E],
    pub(crate) scratch: &'a mut Chunk,
}

impl<E: Stored> Kernel for Correlate<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { geometry, band, panels, write, .. } = self;
        let start = band.first(geometry.destination) / LANES;
        let (to, _) = self.destination.as_chunks_mut::<LANES>();
        let Chunk { source, destination } = self.scratch;
        for tiles in geometry.tiles(&band).chunks(geometry.chunk()) {
            transform::<L, E>(geometry, tiles, self.source, source);
            multiply::<L, false>(geometry, tiles, panels, source, destination);
            store::<L, E>(geometry, tiles, destination, write, start, to);
        }
    }
}

/// Transforms what tiles see.
pub(crate) struct Transform<'a, E> {
    pub(crate) geometry: &'a Geometry,
    pub(crate) tiles: &'a [Tile],
    pub(crate) source: &'a [E],
    pub(crate) to: &'a mut Points,
}

impl<E: Stored> Kernel for Transform<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        transform::<L, E>(self.geometry, self.tiles, self.source, self.to);
    }
}

/// For all pixels of tiles that are transformed, and the destination channels of the geometry: the correlation of source and
/// weight.
pub(crate) struct CorrelateTransformed<'a> {
    pub(crate) geometry: &'a Geometry,
    pub(crate) tiles: &'a [Tile],
    pub(crate) source: &'a Points,
    /// As for [`Correlate`].
    pub(crate) panels: &'a [[f32; LANES]],
    pub(crate) destination: &'a mut [f32],
    pub(crate) scratch: &'a mut Points,
}

impl Kernel for CorrelateTransformed<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { geometry, tiles, source, panels, scratch, .. } = self;
        multiply::<L, true>(geometry, tiles, panels, source, scratch);
        let (to, _) = self.destination.as_chunks_mut();
        store::<L, f32>(geometry, tiles, scratch, Write::Overwrite, 0, to);
    }
}

/// Rows for so many tiles.
fn rows(tiles: &[Tile]) -> usize {
    tiles.len().next_multiple_of(TILE_ROWS)
}

#[inline(always)]
fn transform<L: Lanes, E: Stored>(
    geometry: &Geometry,
    tiles: &[Tile],
    source: &[E],
    to: &mut Points,
) {
    let Geometry { source: shape, padding, .. } = *geometry;
    let rows = rows(tiles);
    to.resize(shape.channels / LANES * rows);
    load::<L, E, Source, _>(shape, padding, tiles, rows, source, to);
}

#[inline(always)]
fn multiply<L: Lanes, const FEW: bool>(
    geometry: &Geometry,
    tiles: &[Tile],
    panels: &[[f32; LANES]],
    source: &Points,
    to: &mut Points,
) {
    let (source_blocks, blocks) =
        (geometry.source.channels / LANES, geometry.destination.channels / LANES);
    let tiles = rows(tiles);
    to.resize(blocks * tiles);
    for point in 0..POINTS {
        let (source, to) = (source.of(point), to.of_mut(point));
        Correlation::<FEW> { point, tiles, source, source_blocks, panels, to }
            .run::<L>(tiles, blocks);
    }
}

/// Transforms products back into the pixels of a destination, which are vectors from `start` on.
#[inline(always)]
fn store<L: Lanes, E: Stored>(
    geometry: &Geometry,
    tiles: &[Tile],
    products: &Points,
    write: Write,
    start: usize,
    to: &mut [[E; LANES]],
) {
    let rows = rows(tiles);
    let mut between = Result::room::<L>();
    for (nth, tile) in tiles.iter().enumerate() {
        let patch = geometry.covered(*tile, start);
        for block in 0..geometry.destination.channels / LANES {
            let products = products.thing(block * rows + nth);
            let mut covered = Covered { patch: &patch, block, write, pixels: to };
            Result::apply_both(&products, &mut between, &mut covered);
        }
    }
}

/// A block of the channels of a tile's pixels, to which is written if they lie inside.
struct Covered<'a, E> {
    patch: &'a Patch,
    block: usize,
    write: Write,
    pixels: &'a mut [[E; LANES]],
}

impl<E: Stored> Columns<OUT> for Covered<'_, E> {
    #[inline(always)]
    fn set<L: Lanes>(&mut self, column: usize, numbers: [L; OUT]) {
        for (number, row) in numbers.into_iter().zip(self.patch.rows) {
            let pixel = row + self.patch.columns[column] + self.block;
            L::expect(&*self.pixels, pixel + self.patch.next);
            if let Some(pixel) = self.pixels.get_mut(pixel) {
                self.write.store(number, pixel);
            }
        }
    }
}
