//! A band of tiles: transformed, multiplied, and transformed back.

use crate::Write;
use crate::band::Band;
use crate::element::Stored;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::winograd::geometry::{Geometry, Patch, Tile};
use crate::winograd::points::{Chunk, Points};
use crate::winograd::product::{Correlation, Product, TILE_ROWS};
use crate::winograd::transform::{self, Columns, IN, Linear, OUT, POINTS, Rows};

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
            let seen = tiles.iter().map(|tile| self.geometry.seen(*tile));
            load::<L, E, transform::Source, IN>(seen, source_blocks, rows, self.source, source);
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
        let start = self.band.first(self.geometry.destination);
        let blocks = self.geometry.destination.channels / LANES;
        let (to, _) = self.destination.as_chunks_mut::<LANES>();
        let mut between = transform::Result::room::<L>();
        for (nth, tile) in tiles.iter().enumerate() {
            let patch = self.geometry.covered(*tile).after(start);
            for block in 0..blocks {
                let products = self.scratch.destination.thing(block * rows + nth);
                let mut covered = Covered { patch: &patch, block, write: self.write, pixels: to };
                transform::Result::apply_both(&products, &mut between, &mut covered);
            }
        }
    }
}

/// Transforms the patches of so many tiles: for each block of channels and each tile.
#[inline(always)]
pub(crate) fn load<L: Lanes, E: Stored, T: Linear<SIZE, IN>, const SIZE: usize>(
    patches: impl Iterator<Item = Patch<SIZE>>,
    blocks: usize,
    tiles: usize,
    pixels: &[E],
    to: &mut Points,
) {
    let (pixels, _) = pixels.as_chunks();
    let (mut rows, outside) = (T::room::<L>(), &[E::default(); LANES]);
    for (nth, patch) in patches.enumerate() {
        for block in 0..blocks {
            let mut points = to.thing_mut(block * tiles + nth);
            T::apply_both(&Seen { patch: &patch, block, pixels, outside }, &mut rows, &mut points);
        }
    }
}

/// A block of the channels of a patch's pixels, with zeros for those outside.
struct Seen<'a, E, const SIZE: usize> {
    patch: &'a Patch<SIZE>,
    block: usize,
    pixels: &'a [[E; LANES]],
    /// Zeros.
    outside: &'a [E; LANES],
}

impl<E: Stored, const SIZE: usize> Rows<SIZE> for Seen<'_, E, SIZE> {
    #[inline(always)]
    fn row<L: Lanes>(&self, row: usize) -> [L; SIZE] {
        let pixels = self.pixels.get(self.patch.rows[row] + self.block..).unwrap_or_default();
        let mut numbers = [L::splat(0.0); SIZE];
        for (number, &column) in numbers.iter_mut().zip(&self.patch.columns) {
            L::expect(pixels, column + self.patch.next);
            *number = E::load(pixels.get(column).unwrap_or(self.outside));
        }
        numbers
    }
}

/// A block of the channels of a tile's pixels, to which is written if they lie inside.
struct Covered<'a, E> {
    patch: &'a Patch<OUT>,
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
