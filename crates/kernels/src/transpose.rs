//! Sixteen by sixteen factors, rows and columns swapped.

use crate::element::{Factor, Makes, lay};
use crate::lanes::{LANES, Lanes};

/// The factors of up to sixteen rows, from each row's `nth` sixteen on, as columns; what is missing is zero.
#[inline(always)]
pub(crate) fn across<'a, E: Makes<F> + 'a, F: Factor, L: Lanes>(
    rows: impl Iterator<Item = &'a [E]>,
    nth: usize,
) -> [[F; LANES]; LANES] {
    let mut tile = [[F::default(); LANES]; LANES];
    for (row, tile) in rows.zip(&mut tile) {
        let numbers = &row[(nth * LANES * F::SPAN).min(row.len())..];
        // Apart, since with `lay` alone the gradient of the input takes up to a tenth longer where weights are many.
        match E::in_place(numbers).and_then(<[F]>::first_chunk) {
            Some(whole) => *tile = *whole,
            None => lay::<L, E, F>(numbers, tile),
        }
    }
    transpose::<L, _>(&tile)
}

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
