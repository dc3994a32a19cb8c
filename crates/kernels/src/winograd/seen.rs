//! What tiles see of an image batch, transformed.

use crate::ImageShape;
use crate::element::Stored;
use crate::lanes::{LANES, Lanes};
use crate::winograd::geometry::Tile;
use crate::winograd::points::Points;
use crate::winograd::transform::{IN, Linear, OUT};

/// Tiles side by side that are transformed at one time: what lies between both halves of the transform stays in the
/// first-level cache.
const RUN: usize = 4;

/// How many tiles ahead, block by block, memory is asked for.
const AHEAD: usize = 8;

/// Loads and transforms what tiles see from `padding` rows and columns before their own on: for each block of channels and each
/// tile, of which there is room for `pitch`. What two tiles side by side see is loaded once for each row of tiles.
#[inline(always)]
pub(crate) fn load<L: Lanes, E: Stored, T: Linear<SIZE, IN>, const SIZE: usize>(
    shape: ImageShape,
    padding: [usize; 2],
    tiles: &[Tile],
    pitch: usize,
    pixels: &[E],
    to: &mut Points,
) {
    let ImageShape { height, width, channels, .. } = shape;
    let (pixels, _) = pixels.as_chunks();
    let vectors = channels / LANES;
    let mut between = [T::room::<L>(); RUN];
    let mut done = 0;
    while done < tiles.len() {
        let Tile { image, row: y, column } = tiles[done];
        let beside = |tile: &&Tile| (tile.image, tile.row) == (image, y);
        let run = tiles[done..].iter().take(RUN).take_while(beside).count();
        let mut rows = [None; SIZE];
        for (nth, row) in rows.iter_mut().enumerate() {
            let y = (y + nth).wrapping_sub(padding[0]);
            *row = (y < height).then(|| &pixels[(image * height + y) * width * vectors..]);
        }
        // From a pixel to the one that the next run sees in its place.
        let next = match tiles.get(done + run).is_some_and(|tile| beside(&tile)) {
            true => run * OUT * vectors,
            false => (OUT * width - column) * vectors,
        };
        let blocks_ahead = vectors.min(AHEAD / run);
        for block in 0..vectors {
            let ahead = match block + blocks_ahead < vectors {
                true => blocks_ahead,
                false => next + blocks_ahead - vectors,
            };
            let between = &mut between[..run];
            for (row, pixels) in rows.iter().enumerate() {
                if let Some(pixels) = pixels {
                    let line = Line { pixels: &pixels[block..], width, vectors, ahead };
                    line.transform::<L, T, SIZE>(column.wrapping_sub(padding[1]), row, between);
                } else {
                    for tile in &mut *between {
                        tile[row] = T::apply([L::splat(0.0); SIZE]);
                    }
                }
            }
            for (nth, rows) in between.iter().enumerate() {
                T::apply_to_columns(rows, &mut to.thing_mut(block * pitch + done + nth));
            }
        }
        done += run;
    }
}

/// A block of the channels of an image's row.
struct Line<'a, E> {
    /// Begins with that block of the first pixel.
    pixels: &'a [[E; LANES]],
    width: usize,
    /// From one pixel to the next.
    vectors: usize,
    /// From a pixel to what is asked for.
    ahead: usize,
}

impl<E: Stored> Line<'_, E> {
    /// Transforms what tiles side by side see of it, which is a row for each of them. The first sees it from column `x` on,
    /// which may lie before the line.
    #[inline(always)]
    fn transform<L: Lanes, T: Linear<SIZE, IN>, const SIZE: usize>(
        &self,
        x: usize,
        row: usize,
        tiles: &mut [[[L; IN]; SIZE]],
    ) {
        let mut seen = [L::splat(0.0); SIZE];
        for (i, pixel) in seen[OUT..].iter_mut().enumerate() {
            *pixel = self.pixel(x.wrapping_add(i));
        }
        // The first that is not loaded yet, which lies in the line or behind it.
        let mut x = x.wrapping_add(SIZE - OUT);
        for tile in tiles {
            for i in OUT..SIZE {
                seen[i - OUT] = seen[i];
            }
            if x + OUT <= self.width {
                let pixels = &self.pixels[x * self.vectors..];
                for i in 0..OUT {
                    L::expect(pixels, i * self.vectors + self.ahead);
                    seen[SIZE - OUT + i] = E::load(&pixels[i * self.vectors]);
                }
            } else {
                for i in 0..OUT {
                    seen[SIZE - OUT + i] = self.pixel(x + i);
                }
            }
            tile[row] = T::apply(seen);
            x += OUT;
        }
    }

    /// Zeros for a pixel that does not lie in it.
    #[inline(always)]
    fn pixel<L: Lanes>(&self, x: usize) -> L {
        match x < self.width {
            true => E::load(&self.pixels[x * self.vectors]),
            false => L::splat(0.0),
        }
    }
}
