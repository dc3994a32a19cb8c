//! Memory that a thread keeps from operator to operator: it need not be zeroed again, and is in the cache sooner.

use std::cell::Cell;

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

/// A line of the cache.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

thread_local! {
    /// The lines of each [`Scratch`].
    static KEPT: [Cell<Vec<Line>>; 5] = const { [const { Cell::new(Vec::new()) }; 5] };
}

impl Scratch {
    /// Calls `f` with so many values, which begin at a line of the cache. What is in them is left over from earlier
    /// calls.
    ///
    /// While `f` runs the memory is no one else's: where it calls this again, as a thread of rayon's may that waits
    /// for others, that call gets memory of its own.
    pub(crate) fn with<T: Plain, R>(self, len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
        const { assert!(align_of::<T>() <= align_of::<Line>()) };
        let count = (len * size_of::<T>()).div_ceil(size_of::<Line>());
        let mut lines = KEPT.with(|kept| kept[self as usize].take());
        if lines.len() < count {
            drop(lines);
            lines = vec![Line([0; 64]); count];
        }
        let values = lines.as_mut_ptr().cast();
        // SAFETY: so many values fit into the lines, which are initialised, aligned as the assertion says, and ours
        // until `f` returns. Any bits are a value, as the trait says, and those of values are bytes of lines.
        let result = f(unsafe { std::slice::from_raw_parts_mut(values, len) });
        KEPT.with(|kept| kept[self as usize].set(lines));
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
