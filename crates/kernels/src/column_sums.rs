//! Sums down the columns of a matrix.

use std::ops::Range;

use crate::lanes::{LANES, Lanes};

/// Rows that are summed pairwise before they reach the running sums: it rounds less, and the running
/// sums wait for fewer additions.
const PAIRED: usize = 8;

/// Numbers of the rows that all columns visit before the next ones: enough that the running sums are
/// seldom loaded and stored, few enough that memory is read almost in order.
const TILE_LEN: usize = 512;

/// What is summed.
pub(crate) trait Terms<const N: usize> {
    /// What the terms of sixteen columns share.
    type Shared<L: Lanes>: Copy;

    fn shared<L: Lanes>(&self, column: usize) -> Self::Shared<L>;
    /// The terms of sixteen columns, which begin at this number of the matrix. A method and no closure,
    /// because it must be `#[inline(always)]`, see [`Lanes`].
    fn term<L: Lanes>(&self, shared: Self::Shared<L>, at: usize) -> [L; N];
}

/// For each block of sixteen columns, the sums of the terms of all rows.
#[inline(always)]
pub(crate) fn column_sums<L: Lanes, const N: usize>(
    rows: usize,
    columns: usize,
    terms: &impl Terms<N>,
) -> Vec<[[f32; LANES]; N]> {
    let mut sums = vec![[[0.0; LANES]; N]; columns.div_ceil(LANES)];
    let tile = (TILE_LEN / columns).max(1).next_multiple_of(PAIRED);
    for first in (0..rows).step_by(tile) {
        let rows = first..rows.min(first + tile);
        for (block, sums) in sums.iter_mut().enumerate() {
            Column { terms, columns, first: block * LANES }.add::<L, N>(rows.clone(), sums);
        }
    }
    sums
}

/// Sixteen columns of the matrix.
struct Column<'a, T> {
    terms: &'a T,
    columns: usize,
    first: usize,
}

impl<T> Column<'_, T> {
    /// Adds the terms of these rows to the sums.
    #[inline(always)]
    fn add<L: Lanes, const N: usize>(&self, rows: Range<usize>, sums: &mut [[f32; LANES]; N])
    where
        T: Terms<N>,
    {
        let shared = self.terms.shared(self.first);
        let mut totals = [L::splat(0.0); N];
        for (total, sum) in totals.iter_mut().zip(&*sums) {
            *total = L::load(sum);
        }
        let paired = rows.end - rows.len() % PAIRED;
        for row in (rows.start..paired).step_by(PAIRED) {
            let halves = [self.half(shared, row), self.half(shared, row + 1)];
            totals = sum(totals, sum(halves[0], halves[1]));
        }
        for row in paired..rows.end {
            totals = sum(totals, self.term(shared, row));
        }
        for (sum, total) in sums.iter_mut().zip(totals) {
            total.store(sum);
        }
    }

    /// The sum of the terms of every second row of eight.
    #[inline(always)]
    fn half<L: Lanes, const N: usize>(&self, shared: T::Shared<L>, row: usize) -> [L; N]
    where
        T: Terms<N>,
    {
        let near = sum(self.term(shared, row), self.term(shared, row + 4));
        sum(near, sum(self.term(shared, row + 2), self.term(shared, row + 6)))
    }

    #[inline(always)]
    fn term<L: Lanes, const N: usize>(&self, shared: T::Shared<L>, row: usize) -> [L; N]
    where
        T: Terms<N>,
    {
        self.terms.term(shared, row * self.columns + self.first)
    }
}

#[inline(always)]
fn sum<L: Lanes, const N: usize>(mut a: [L; N], b: [L; N]) -> [L; N] {
    for (a, b) in a.iter_mut().zip(b) {
        *a = a.add(b);
    }
    a
}
