//! The world of a training that is alone.

use crate::{Collective, Error, Values};

/// A world of one rank: its sums are its own values.
///
/// ```
/// use trickbag_collective::{Collective, Single, Values};
///
/// let mut values = [1.0, 2.0];
/// Single.all_reduce(Values::F32(&mut values))?;
/// assert_eq!((values, Single.world_size()), ([1.0, 2.0], 1));
/// # Ok::<(), trickbag_collective::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Single;

impl Collective for Single {
    fn rank(&self) -> usize {
        0
    }

    fn world_size(&self) -> usize {
        1
    }

    fn all_reduce(&self, _values: Values<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Nobody waits, and the next call is as good as the last.
    fn abort(&self) {}
}
