//! The weights in the order in which tiles read them.

use half::bf16;

use super::part;
use super::tiles::{ROWS, Row};
use crate::direction::Direction;
use crate::element::weave;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::transpose::across;
use crate::{Isa, tasks};

/// So many blocks are packed at once, to read more than a cache line of each row.
const PACKED_BLOCKS: usize = 8;

/// The channels of a convolution, and which way it goes.
#[derive(Clone, Copy)]
pub(super) struct Channels {
    pub(super) source: usize,
    pub(super) destination: usize,
    pub(super) direction: Direction,
}

/// For each block of sixteen destination channels from `first` on, as many as there is room for, and each of the taps:
/// the weights of all pairs of source channels, of which there are `depth` with zeros that fill them up. Every row is
/// written.
pub(super) fn pack(
    isa: Isa,
    channels: Channels,
    taps: &[usize],
    depth: usize,
    weight: &[bf16],
    first: usize,
    rows: &mut [Row],
) {
    // There are none if no window meets a source.
    let share = (PACKED_BLOCKS * taps.len() * depth / 2).max(1);
    tasks::for_each(rows.chunks_mut(share), |nth, rows| {
        let first = first + nth * PACKED_BLOCKS * LANES;
        isa.run(Pack { channels, taps, depth, weight, first, rows });
    });
}

/// Packs some blocks, of which this is the first column.
struct Pack<'a> {
    channels: Channels,
    taps: &'a [usize],
    depth: usize,
    weight: &'a [bf16],
    first: usize,
    rows: &'a mut [Row],
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { channels, taps, depth, weight, first, rows } = self;
        let Channels { source, destination, direction } = channels;
        let pairs = depth / 2;
        let block_rows = taps.len() * pairs;
        for (nth, tap) in taps.iter().enumerate() {
            let weight = &weight[tap * source * destination..][..source * destination];
            match direction {
                // Pair by pair, which is how they lie.
                Direction::Forward => {
                    for pair in 0..pairs {
                        let rows_of_pair = [2 * pair, 2 * pair + 1].map(|row| {
                            if row < source {
                                &weight[row * destination..][..destination]
                            } else {
                                &[]
                            }
                        });
                        for (block, rows) in rows.chunks_exact_mut(block_rows).enumerate() {
                            let column = first + block * LANES;
                            let end = destination.min(column + LANES);
                            let columns = &(column..end);
                            let to = &mut rows[nth * pairs + pair];
                            weave::<L, _, _>(rows_of_pair.map(|row| part(row, columns)), to);
                        }
                    }
                }
                Direction::Backward => {
                    for (block, rows) in rows.chunks_exact_mut(block_rows).enumerate() {
                        let column = first + block * LANES;
                        let weight = weight.chunks_exact(source).skip(column).take(LANES);
                        pack_rows::<L>(weight, &mut rows[nth * pairs..][..pairs]);
                    }
                }
            }
        }
    }
}

/// Packs the weights of a tap, given the row of each column.
#[inline(always)]
fn pack_rows<'a, L: Lanes>(weight: impl Iterator<Item = &'a [bf16]> + Clone, rows: &mut [Row]) {
    for (nth, rows) in rows.chunks_mut(ROWS).enumerate() {
        let tile = across::<bf16, [bf16; 2], L>(weight.clone(), nth);
        rows.iter_mut().zip(tile).for_each(|(row, tile)| *row = tile);
    }
}
