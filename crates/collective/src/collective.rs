//! The trait for what ranks do together, and the numbers that they bring.

use std::fmt::Debug;

use crate::Error;

/// One rank of a world, as it sees the others.
///
/// All ranks make the same calls in the same order, each rank one after the other.
pub trait Collective: Debug + Send + Sync {
    /// The number of this rank, from 0.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn world_size(&self) -> usize;

    /// Replaces the values of each rank by the sums over all ranks, element by element: the same bits
    /// on every rank. Waits until all ranks have brought theirs.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] where ranks bring different numbers of values or formats, [`Error::Ended`]
    /// where a rank has gone. Values are as they were then, and every later call of any rank fails
    /// too.
    fn all_reduce(&self, values: Values<'_>) -> Result<(), Error>;

    /// Ends the world, for a rank that cannot go on: calls in which others wait fail with
    /// [`Error::Ended`], and so does every later one.
    fn abort(&self);
}

/// What a rank brings to a sum, and where the sum goes.
#[derive(Debug)]
pub enum Values<'a> {
    /// Gradients and whatever else there is much of.
    F32(&'a mut [f32]),
    /// Sums that need the digits: counts, losses, moments.
    F64(&'a mut [f64]),
}

/// The number format of [`Values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 32 bits.
    F32,
    /// 64 bits.
    F64,
}
