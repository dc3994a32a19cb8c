//! Memory that a thread keeps from operator to operator: it need not be zeroed again, and is in the cache sooner.

use std::cell::Cell;

use crate::memory::Memory;
use crate::plain::Plain;

/// What memory is kept for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scratch {
    /// The weights of all blocks.
    Panels,
    /// The source pixels of a band.
    Frame,
    /// The gradients of a band's pixels.
    Gradients,
    /// Sums that are still to be added up.
    Sums,
    /// What windows see of rows.
    Columns,
}

thread_local! {
    /// That of each [`Scratch`].
    static KEPT: [Cell<Memory>; 5] = const { [const { Cell::new(Memory::NONE) }; 5] };
}

impl Scratch {
    /// Calls `f` with so many values, which begin at a line of the cache. What is in them is left over from earlier
    /// calls.
    ///
    /// While `f` runs the memory is no one else's: where it calls this again, as a thread of rayon's may that waits
    /// for others, that call gets memory of its own.
    pub(crate) fn with<T: Plain, R>(self, len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
        let mut memory = KEPT.with(|kept| kept[self as usize].take());
        if !memory.holds::<T>(len) {
            drop(memory);
            memory = Memory::zeros::<T>(len);
        }
        let result = f(memory.values_mut(len));
        KEPT.with(|kept| kept[self as usize].set(memory));
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_kept_but_not_shared() {
        Scratch::Frame.with(20, |outer: &mut [f32]| {
            outer[19] = 1.0;
            Scratch::Frame.with(20, |inner: &mut [f32]| assert_eq!(inner, [0.0; 20]));
            assert_eq!(outer[19], 1.0);
        });
        Scratch::Frame.with(20, |numbers: &mut [f32]| assert_eq!(numbers[19], 1.0));
        Scratch::Frame.with(10, |rows: &mut [[f32; 2]]| assert_eq!(rows[9], [0.0, 1.0]));
        Scratch::Panels.with(20, |numbers: &mut [f32]| assert_eq!(numbers, [0.0; 20]));
        Scratch::Frame.with(100, |numbers: &mut [f32]| assert_eq!(numbers, [0.0; 100]));
    }
}
