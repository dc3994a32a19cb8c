//! Sums of each channel over pixels.

use crate::lanes::{LANES, Lanes};
use crate::vectors::row_len;

/// Rows that are summed pairwise before they reach the running sums: it rounds less, and the running
/// sums wait for fewer additions.
pub(crate) const PAIRED: usize = 8;

/// What is summed.
pub(crate) trait Terms<const N: usize> {
    /// What the terms of sixteen columns share.
    type Shared<L: Lanes>: Copy;

    /// Of a block of sixteen columns.
    fn shared<L: Lanes>(&self, block: usize) -> Self::Shared<L>;
    /// The terms of a vector of the pixels, which may be known to be whole. A method and no closure, because it must be
    /// `#[inline(always)]`, see [`Lanes`].
    fn term<L: Lanes, const WHOLE: bool>(&self, shared: Self::Shared<L>, vector: usize) -> [L; N];
}

/// For each channel, the sums of the terms of `len` numbers, which are whole pixels.
#[inline(always)]
pub(crate) fn column_sums<L: Lanes, const N: usize>(
    len: usize,
    channels: usize,
    terms: &impl Terms<N>,
) -> [Vec<f32>; N] {
    let blocks = row_len(channels) / LANES;
    let mut sums = vec![[[0.0; LANES]; N]; blocks];
    let vectors = len / LANES;
    let paired = vectors - vectors % (PAIRED * blocks);
    for first in (0..paired).step_by(PAIRED * blocks) {
        for (block, sums) in sums.iter_mut().enumerate() {
            let shared = terms.shared::<L>(block);
            let halves = [
                half(terms, shared, first + block, blocks),
                half(terms, shared, first + block + blocks, blocks),
            ];
            add(sums, sum(halves[0], halves[1]));
        }
    }
    let mut block = 0;
    for vector in paired..vectors {
        add(&mut sums[block], terms.term::<L, true>(terms.shared(block), vector));
        block = (block + 1) % blocks;
    }
    if !len.is_multiple_of(LANES) {
        let mut last = [[0.0; LANES]; N];
        add(&mut last, terms.term::<L, false>(terms.shared(block), vectors));
        for (sums, last) in sums[block].iter_mut().zip(last) {
            sums.iter_mut().zip(last).take(len % LANES).for_each(|(sum, last)| *sum += last);
        }
    }
    std::array::from_fn(|nth| by_channel(&sums, nth, channels))
}

/// The sum of the terms of every second row of eight, which are `blocks` vectors each.
#[inline(always)]
fn half<L: Lanes, const N: usize, T: Terms<N>>(
    terms: &T,
    shared: T::Shared<L>,
    first: usize,
    blocks: usize,
) -> [L; N] {
    let mut rows = [[L::splat(0.0); N]; 4];
    for (nth, row) in rows.iter_mut().enumerate() {
        *row = terms.term::<L, true>(shared, first + 2 * nth * blocks);
    }
    sum(sum(rows[0], rows[2]), sum(rows[1], rows[3]))
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
    for (sums, terms) in sums.iter_mut().zip(terms) {
        L::load(sums).add(terms).store(sums);
    }
}

/// Adds up the columns of each channel.
fn by_channel<const N: usize>(sums: &[[[f32; LANES]; N]], nth: usize, channels: usize) -> Vec<f32> {
    let mut columns = vec![0.0; sums.len() * LANES];
    for (columns, sums) in columns.chunks_exact_mut(LANES).zip(sums) {
        columns.copy_from_slice(&sums[nth]);
    }
    let (totals, pixels) = columns.split_at_mut(channels);
    for pixel in pixels.chunks_exact(channels) {
        totals.iter_mut().zip(pixel).for_each(|(total, sum)| *total += sum);
    }
    columns.truncate(channels);
    columns
}
