//! Sixteen by sixteen factors, rows and columns swapped.

use crate::element::Factor;
use crate::lanes::{LANES, Lanes};

/// Swaps rows and columns.
///
/// Interleaving the first and the second half of 256 factors moves each to the place whose number, of eight
/// bits, is that of its old place rotated by one. After four times, row and column have changed places.
#[inline(always)]
pub(crate) fn transpose<L: Lanes, F: Factor>(from: &[[F; LANES]; LANES]) -> [[F; LANES]; LANES] {
    const HALF: usize = LANES / 2;
    let mut rows = [L::splat(0.0); LANES];
    for i in 0..LANES {
        rows[i] = F::load(&from[i]);
    }
    for _ in 0..4 {
        let old = rows;
        for i in 0..HALF {
            [rows[2 * i], rows[2 * i + 1]] = old[i].interleave(old[HALF + i]);
        }
    }
    let mut to = [[F::default(); LANES]; LANES];
    for i in 0..LANES {
        F::store(rows[i], &mut to[i]);
    }
    to
}
