//! Sixteen by sixteen pairs, rows and columns swapped.

use half::bf16;

use super::tiles::ROWS;
use crate::lanes::{LANES, Lanes};

/// Swaps rows and columns.
///
/// Interleaving the first and the second half of 256 pairs moves each to the place whose number, of eight
/// bits, is that of its old place rotated by one. After four times, row and column have changed places.
#[inline(always)]
pub(super) fn transpose<L: Lanes>(from: &[[[bf16; 2]; LANES]; ROWS]) -> [[[bf16; 2]; LANES]; ROWS] {
    const HALF: usize = ROWS / 2;
    let mut rows = [L::splat(0.0); ROWS];
    for i in 0..ROWS {
        rows[i] = L::load_pairs(&from[i]);
    }
    for _ in 0..4 {
        let old = rows;
        for i in 0..HALF {
            [rows[2 * i], rows[2 * i + 1]] = old[i].interleave(old[HALF + i]);
        }
    }
    let mut to = [[[bf16::ZERO; 2]; LANES]; ROWS];
    for i in 0..ROWS {
        rows[i].store_pairs(&mut to[i]);
    }
    to
}
