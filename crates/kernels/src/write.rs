//! What an operator does with what a buffer held before.

use crate::element::Stored;
use crate::lanes::Lanes;

/// What happens to the old content of a gradient's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// The gradient is added to it, as automatic differentiation wants it for a second use.
    Add,
    /// It is neither read nor kept.
    Overwrite,
}

impl Write {
    /// Stores as many sums of products as there is room for. Subnormal ones may become zero.
    #[inline(always)]
    pub(crate) fn store<L: Lanes, E: Stored>(self, numbers: L, to: &mut [E]) {
        let numbers = match self {
            Self::Overwrite => numbers,
            Self::Add => numbers.add(L::load_padded(to)),
        };
        match to.first_chunk_mut() {
            Some(whole) => E::store_normal(numbers, whole),
            None => E::store_short(numbers, to),
        }
    }
}
