//! A band of tiles: transformed, multiplied, and transformed back.

use crate::Write;
use crate::band::Band;
use crate::element::Stored;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::winograd::geometry::{Geometry, Patch, Tile};
use crate::winograd::points::Points;
use crate::winograd::product::{Correlation, Product, TILE_ROWS, WeightProduct};
use crate::winograd::transform::{self, IN, Linear, OUT, POINTS, TAPS};

/// Room for a chunk of tiles, and for the sums over all of them.
#[derive(Default)]
pub(crate) struct Scratch {
    /// For each tile and each block of source channels.
    source: Points,
    /// For each tile and each block of destination channels.
    destination: Points,
    /// For each block of destination channels and each source channel.
    weight: Points,
}

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
    pub(crate) scratch: &'a mut Scratch,
}

impl<E: Stored> Kernel for Correlate<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let source_blocks = self.geometry.source.channels / LANES;
        let blocks = self.geometry.destination.channels / LANES;
        for tiles in self.geometry.tiles(&self.band).chunks(self.geometry.chunk()) {
            let rows = tiles.len().next_multiple_of(TILE_ROWS);
            let Scratch { source, destination, .. } = &mut *self.scratch;
            source.resize(rows * source_blocks);
            destination.resize(rows * blocks);
            load_source::<L, E>(self.geometry, self.source, tiles, source);
            for point in 0..POINTS {
                let (source, to) = (source.of(point), destination.of_mut(point));
                let panels = self.panels;
                Correlation { point, source, source_blocks, panels, to, blocks }
                    .run::<L>(rows, blocks);
            }
            self.store::<L>(tiles);
        }
    }
}

impl<E: Stored> Correlate<'_, E> {
    #[inline(always)]
    fn store<L: Lanes>(&mut self, tiles: &[Tile]) {
        let start = self.band.first(self.geometry.destination);
        let blocks = self.geometry.destination.channels / LANES;
        for (nth, tile) in tiles.iter().enumerate() {
            let patch = self.geometry.covered(*tile).after(start);
            for block in 0..blocks {
                let products = self.scratch.destination.load::<L>(nth * blocks + block);
                let mut y = transform::Result::apply_both(products);
                let to = &mut self.destination[block * LANES..];
                if self.write == Write::Add {
                    let old = load::<L, E, OUT>(&patch, to);
                    for i in 0..OUT {
                        for j in 0..OUT {
                            y[i][j] = y[i][j].add(old[i][j]);
                        }
                    }
                }
                overwrite::<L, E>(&patch, y, to);
            }
        }
    }
}

/// For the pixels of a band and some blocks: the gradient of the weight.
pub(crate) struct WeightGradient<'a, E> {
    pub(crate) geometry: &'a Geometry,
    pub(crate) band: Band,
    pub(crate) first_block: usize,
    pub(crate) x: &'a [E],
    pub(crate) dy: &'a [E],
    /// For each block and each tap: one for each source channel.
    pub(crate) sums: &'a mut [[f32; LANES]],
    pub(crate) scratch: &'a mut Scratch,
}

impl<E: Stored> Kernel for WeightGradient<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let channels = self.geometry.source.channels;
        let source_blocks = channels / LANES;
        let blocks = self.sums.len() / (TAPS * channels);
        let Scratch { source, destination: gradient, weight } = &mut *self.scratch;
        weight.clear();
        weight.resize(blocks * channels);
        for tiles in self.geometry.tiles(&self.band).chunks(self.geometry.chunk()) {
            source.resize(tiles.len() * source_blocks);
            gradient.resize(tiles.len() * blocks);
            load_source::<L, E>(self.geometry, self.x, tiles, source);
            let dy = &self.dy[self.first_block * LANES..];
            load_gradient::<L, E>(self.geometry, dy, tiles, blocks, gradient);
            for point in 0..POINTS {
                let (source, gradient) = (source.of(point), gradient.of(point));
                let to = weight.of_mut(point);
                WeightProduct { source, source_blocks, gradient, blocks, to }
                    .run::<L>(channels, blocks);
            }
        }
        self.store::<L>();
    }
}

impl<E: Stored> WeightGradient<'_, E> {
    #[inline(always)]
    fn store<L: Lanes>(&mut self) {
        let channels = self.geometry.source.channels;
        for (block, to) in self.sums.chunks_exact_mut(TAPS * channels).enumerate() {
            for channel in 0..channels {
                let sums = self.scratch.weight.load::<L>(block * channels + channel);
                let dw = transform::WeightGradient::apply_both(sums);
                for tap in 0..TAPS {
                    dw[tap / 3][tap % 3].store(&mut to[tap * channels + channel]);
                }
            }
        }
    }
}

/// Transforms what the tiles see, for each of them all blocks.
#[inline(always)]
fn load_source<L: Lanes, E: Stored>(
    geometry: &Geometry,
    source: &[E],
    tiles: &[Tile],
    to: &mut Points,
) {
    let blocks = geometry.source.channels / LANES;
    for (nth, tile) in tiles.iter().enumerate() {
        let patch = geometry.seen(*tile);
        for block in 0..blocks {
            let x = load::<L, E, IN>(&patch, &source[block * LANES..]);
            to.store(transform::Source::apply_both(x), nth * blocks + block);
        }
    }
}

/// Transforms the gradient of the tiles, for each of them so many blocks.
#[inline(always)]
fn load_gradient<L: Lanes, E: Stored>(
    geometry: &Geometry,
    dy: &[E],
    tiles: &[Tile],
    blocks: usize,
    to: &mut Points,
) {
    for (nth, tile) in tiles.iter().enumerate() {
        let patch = geometry.covered(*tile);
        for block in 0..blocks {
            let dy = load::<L, E, OUT>(&patch, &dy[block * LANES..]);
            to.store(transform::ResultGradient::apply_both(dy), nth * blocks + block);
        }
    }
}

/// Sixteen channels of each pixel, and zeros for those outside.
#[inline(always)]
fn load<L: Lanes, E: Stored, const N: usize>(patch: &Patch, from: &[E]) -> [[L; N]; N] {
    let mut values = [[L::splat(0.0); N]; N];
    if patch.is_whole(N) {
        for i in 0..N {
            for j in 0..N {
                values[i][j] = L::load_padded(&from[patch.at(i, j)..][..LANES]);
            }
        }
        return values;
    }
    for i in patch.rows.clone() {
        for j in patch.columns.clone() {
            values[i][j] = L::load_padded(&from[patch.at(i, j)..][..LANES]);
        }
    }
    values
}

/// Stores the pixels that lie inside.
#[inline(always)]
fn overwrite<L: Lanes, E: Stored>(patch: &Patch, y: [[L; OUT]; OUT], to: &mut [E]) {
    if patch.is_whole(OUT) {
        for i in 0..OUT {
            for j in 0..OUT {
                y[i][j].store_part(&mut to[patch.at(i, j)..][..LANES]);
            }
        }
        return;
    }
    for i in patch.rows.clone() {
        for j in patch.columns.clone() {
            y[i][j].store_part(&mut to[patch.at(i, j)..][..LANES]);
        }
    }
}
