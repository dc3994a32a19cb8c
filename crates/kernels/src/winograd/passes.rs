//! A band of tiles: transformed, multiplied, and transformed back.

use crate::Write;
use crate::band::Band;
use crate::element::Stored;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::winograd::geometry::{Geometry, Patch, Tile};
use crate::winograd::product::{Correlation, Product, TILE_ROWS, Transformed, WeightProduct};
use crate::winograd::transform::{self, IN, Linear, OUT, POINTS, TAPS};

const ZERO: Transformed = [[0.0; LANES]; POINTS];

/// Room for a chunk of tiles, and for the sums over all of them.
#[derive(Default)]
pub(crate) struct Scratch {
    /// For each tile and each block of source channels.
    source: Vec<Transformed>,
    /// For each tile and each block of destination channels.
    destination: Vec<Transformed>,
    /// For each block of destination channels and each source channel.
    weight: Vec<Transformed>,
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
            source.resize(rows * source_blocks, ZERO);
            destination.resize(rows * blocks, ZERO);
            load_source::<L, E>(self.geometry, self.source, tiles, source);
            for point in 0..POINTS {
                let (panels, to) = (self.panels, &mut destination[..]);
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
        for (tile, products) in tiles.iter().zip(self.scratch.destination.chunks_exact(blocks)) {
            let patch = self.geometry.covered(*tile).after(start);
            for (block, products) in products.iter().enumerate() {
                let mut y = transform::Result::apply_both(load_transformed::<L>(products));
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
        weight.resize(blocks * channels, ZERO);
        for tiles in self.geometry.tiles(&self.band).chunks(self.geometry.chunk()) {
            source.resize(tiles.len() * source_blocks, ZERO);
            gradient.resize(tiles.len() * blocks, ZERO);
            load_source::<L, E>(self.geometry, self.x, tiles, source);
            let dy = &self.dy[self.first_block * LANES..];
            load_gradient::<L, E>(self.geometry, dy, tiles, blocks, gradient);
            for point in 0..POINTS {
                let to = &mut weight[..];
                WeightProduct { point, source, source_blocks, gradient, blocks, to }
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
        let weight = self.scratch.weight.chunks_exact(channels);
        for (to, weight) in self.sums.chunks_exact_mut(TAPS * channels).zip(weight) {
            for (channel, sums) in weight.iter().enumerate() {
                let dw = transform::WeightGradient::apply_both(load_transformed::<L>(sums));
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
    to: &mut [Transformed],
) {
    let blocks = geometry.source.channels / LANES;
    for (tile, to) in tiles.iter().zip(to.chunks_exact_mut(blocks)) {
        let patch = geometry.seen(*tile);
        for (block, to) in to.iter_mut().enumerate() {
            let x = load::<L, E, IN>(&patch, &source[block * LANES..]);
            store(transform::Source::apply_both(x), to);
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
    to: &mut [Transformed],
) {
    for (tile, to) in tiles.iter().zip(to.chunks_exact_mut(blocks)) {
        let patch = geometry.covered(*tile);
        for (block, to) in to.iter_mut().enumerate() {
            let dy = load::<L, E, OUT>(&patch, &dy[block * LANES..]);
            store(transform::ResultGradient::apply_both(dy), to);
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

#[inline(always)]
fn store<L: Lanes>(values: [[L; IN]; IN], to: &mut Transformed) {
    for i in 0..IN {
        for j in 0..IN {
            values[i][j].store(&mut to[i * IN + j]);
        }
    }
}

#[inline(always)]
fn load_transformed<L: Lanes>(from: &Transformed) -> [[L; IN]; IN] {
    let mut values = [[L::splat(0.0); IN]; IN];
    for i in 0..IN {
        for j in 0..IN {
            values[i][j] = L::load(&from[i * IN + j]);
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
