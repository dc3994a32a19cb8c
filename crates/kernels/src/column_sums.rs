//! Sums down the columns of a matrix, sixteen columns at a time.

use crate::lanes::{LANES, Lanes};

/// Rows that are summed apart from each other, so that one addition need not wait for the last.
const APART: usize = 4;

/// The sums over `0..rows` of each of `term`'s numbers, for sixteen columns.
#[inline(always)]
pub(crate) fn column_sums<L: Lanes, const N: usize>(
    rows: usize,
    term: impl Fn(usize) -> [L; N],
) -> [[f32; LANES]; N] {
    let mut sums = [[L::splat(0.0); N]; APART];
    for row in (0..rows / APART * APART).step_by(APART) {
        for (apart, sums) in sums.iter_mut().enumerate() {
            add(sums, term(row + apart));
        }
    }
    for row in rows / APART * APART..rows {
        add(&mut sums[0], term(row));
    }
    let [mut total, second, third, fourth] = sums;
    [second, third, fourth].into_iter().for_each(|sums| add(&mut total, sums));
    total.map(|sum| {
        let mut stored = [0.0; LANES];
        sum.store(&mut stored);
        stored
    })
}

#[inline(always)]
fn add<L: Lanes, const N: usize>(sums: &mut [L; N], terms: [L; N]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum = sum.add(term);
    }
}
