//! Sums down the columns of a matrix.

use crate::lanes::{LANES, Lanes};

/// Rows that are summed pairwise before they reach the running sums: it rounds less, and the running
/// sums are loaded and stored less often.
const PAIRED: usize = 8;

/// What is summed.
pub(crate) trait Terms<const N: usize> {
    /// The terms of sixteen columns. A method and no closure, because it must be
    /// `#[inline(always)]`, see [`Lanes`].
    fn term<L: Lanes>(&self, row: usize, block: usize) -> [L; N];
}

/// For each block of sixteen columns, the sums of the terms of rows `0..rows`.
#[inline(always)]
pub(crate) fn column_sums<L: Lanes, const N: usize>(
    rows: usize,
    blocks: usize,
    terms: &impl Terms<N>,
) -> Vec<[[f32; LANES]; N]> {
    let mut sums = vec![[[0.0; LANES]; N]; blocks];
    let paired = rows - rows % PAIRED;
    for first in (0..paired).step_by(PAIRED) {
        for (block, sums) in sums.iter_mut().enumerate() {
            let mut group = [[L::splat(0.0); N]; PAIRED];
            for (row, term) in group.iter_mut().enumerate() {
                *term = terms.term(first + row, block);
            }
            for half in [4, 2, 1] {
                for i in 0..half {
                    group[i] = sum(group[i], group[i + half]);
                }
            }
            add(sums, group[0]);
        }
    }
    for row in paired..rows {
        for (block, sums) in sums.iter_mut().enumerate() {
            add::<L, N>(sums, terms.term(row, block));
        }
    }
    sums
}

#[inline(always)]
fn sum<L: Lanes, const N: usize>(mut a: [L; N], b: [L; N]) -> [L; N] {
    for (a, b) in a.iter_mut().zip(b) {
        *a = a.add(b);
    }
    a
}

#[inline(always)]
fn add<L: Lanes, const N: usize>(sums: &mut [[f32; LANES]; N], terms: [L; N]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        term.add(L::load(sum)).store(sum);
    }
}
