//! A band of tiles: transformed, multiplied, and transformed back.

use crate::Write;
use crate::band::Band;
use crate::element::Stored;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::winograd::geometry::{Geometry, Patch, Tile};
use crate::winograd::points::Chunk;
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
    fn run<L: Lanes>(mut self) {
        let source_blocks = self.geometry.source.channels / LANES;
        let blocks = self.geometry.destination.channels / LANES;
        for tiles in self.geometry.tiles(&self.band).chunks(self.geometry.chunk()) {
            let rows = tiles.len().next_multiple_of(TILE_ROWS);
            let Chunk { source, destination } = &mut *self.scratch;
            source.resize(source_blocks * rows);
            destination.resize(blocks * rows);
            let Geometry { source: shape, padding, .. } = *self.geometry;
            load::<L, E, Source, _>(shape, padding, tiles, rows, self.source, source);
            for point in 0..POINTS {
                let (source, to) = (source.of(point), destination.of_mut(point));
                let panels = self.panels;
                Correlation { point, tiles: rows, source, source_blocks, panels, to }
                    .run::<L>(rows, blocks);
            }
            self.store::<L>(tiles, rows);
        }
    }
}

impl<E: Stored> Correlate<'_, E> {
    #[inline(always)]
    fn store<L: Lanes>(&mut self, tiles: &[Tile], rows: usize) {
        let start = self.band.first(self.geometry.destination) / LANES;
        let blocks = self.geometry.destination.channels / LANES;
        let (to, _) = self.destination.as_chunks_mut::<LANES>();
        let mut between = Result::room::<L>();
        for (nth, tile) in tiles.iter().enumerate() {
            let patch = self.geometry.covered(*tile, start);
            for block in 0..blocks {
                let products = self.scratch.destination.thing(block * rows + nth);
                let mut covered = Covered { patch: &patch, block, write: self.write, pixels: to };
                Result::apply_both(&products, &mut between, &mut covered);
            }
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
