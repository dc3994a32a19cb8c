//! Pixels as rows of whole vectors. Where channels do not fill these, or are few, a row has more pixels than one.

use crate::element::Stored;
use crate::lanes::{LANES, Lanes};

/// Numbers in a row at least: so that what belongs to a row pays.
const MIN_ROW_LEN: usize = 4 * LANES;

/// Numbers in a row: whole pixels, and whole vectors.
pub(crate) fn row_len(channels: usize) -> usize {
    // The largest divisor of both is a power of two, as sixteen is.
    let common = 1 << channels.trailing_zeros().min(LANES.trailing_zeros());
    let least = channels * (LANES / common);
    least * MIN_ROW_LEN.div_ceil(least)
}

/// Sixteen numbers within a line of the cache: one that begins in another is loaded in two parts.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Block(pub(crate) [f32; LANES]);

impl Block {
    pub(crate) const ZERO: Self = Self([0.0; LANES]);

    #[inline(always)]
    pub(crate) fn load<L: Lanes>(&self) -> L {
        L::load(&self.0)
    }
}

/// What belongs to the channels, for each block of a row.
pub(crate) fn repeated(of_channels: &[f32]) -> Vec<Block> {
    let mut row = vec![Block::ZERO; row_len(of_channels.len()) / LANES];
    if let (blocks, []) = of_channels.as_chunks() {
        row.iter_mut().zip(blocks.iter().cycle()).for_each(|(to, block)| *to = Block(*block));
    } else {
        let numbers = row.iter_mut().flat_map(|block| &mut block.0);
        numbers.zip(of_channels.iter().cycle()).for_each(|(to, number)| *to = *number);
    }
    row
}

/// Numbers as whole vectors, and those after the last one.
#[derive(Clone, Copy)]
pub(crate) struct Vectors<'a, E> {
    whole: &'a [[E; LANES]],
    rest: &'a [E],
}

impl<'a, E: Stored> Vectors<'a, E> {
    pub(crate) fn new(numbers: &'a [E]) -> Self {
        let (whole, rest) = numbers.as_chunks();
        Self { whole, rest }
    }

    /// So many whole vectors from this one on.
    #[inline(always)]
    pub(crate) fn row(self, first: usize, len: usize) -> &'a [[E; LANES]] {
        &self.whole[first..][..len]
    }

    /// Loads a whole vector, or what comes after the last one, and zeros.
    #[inline(always)]
    pub(crate) fn load<L: Lanes>(self, vector: usize) -> L {
        match self.whole.get(vector) {
            Some(whole) => E::load(whole),
            None => L::load_padded(self.rest),
        }
    }

    /// Loads a vector, of which the caller may know that it is whole.
    #[inline(always)]
    pub(crate) fn load_if<L: Lanes, const WHOLE: bool>(self, vector: usize) -> L {
        if WHOLE { E::load(&self.whole[vector]) } else { self.load(vector) }
    }

    /// Asks for a vector that is to be read soon, if it exists.
    #[inline(always)]
    pub(crate) fn expect<L: Lanes>(self, vector: usize) {
        L::expect(self.whole, vector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_whole_pixels_and_whole_vectors() {
        for (channels, expected) in
            [(1, 64), (3, 96), (10, 80), (16, 64), (24, 96), (64, 64), (100, 400), (2048, 2048)]
        {
            assert_eq!(row_len(channels), expected, "{channels} channels");
        }
    }

    #[test]
    fn a_row_repeats_its_channels() {
        let row = repeated(&[1.0, 2.0, 3.0]);
        assert_eq!(row[0].0[..7], [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0]);
        assert_eq!(row[1].0[..3], [2.0, 3.0, 1.0]);
        assert_eq!(row.len(), 6);
    }
}
