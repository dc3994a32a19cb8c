//! Memory that a thread keeps from operator to operator: it need not be zeroed again, and is in the cache sooner.

use std::cell::Cell;
use std::thread::LocalKey;

use half::bf16;

use crate::lanes::LANES;

/// What memory is kept for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scratch {
    /// The weights of all blocks.
    Panels,
    /// The source pixels of a band.
    Frame,
    /// The gradients of a band's pixels.
    Gradients,
    /// Sums of a gradient that are still to be added up.
    Sums,
}

/// Sixteen values that lie in as few lines of the cache as they can.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub struct Aligned<F>([F; LANES]);

/// Vectors of one type, one for each [`Scratch`].
type Kept<F> = [Cell<Vec<Aligned<F>>>; 4];

/// A type that memory is kept for. Sealed: this is in no public module.
pub trait Keep: Copy + Default + 'static {
    fn kept() -> &'static LocalKey<Kept<Self>>;
}

impl Keep for f32 {
    fn kept() -> &'static LocalKey<Kept<Self>> {
        thread_local!(static KEPT: Kept<f32> = Kept::default());
        &KEPT
    }
}

impl Keep for [bf16; 2] {
    fn kept() -> &'static LocalKey<Kept<Self>> {
        thread_local!(static KEPT: Kept<[bf16; 2]> = Kept::default());
        &KEPT
    }
}

impl Scratch {
    /// Calls `f` with so many rows, each a line of the cache. What is in them is left over from earlier calls.
    ///
    /// While `f` runs the memory is no one else's: where it calls this again, as a thread of rayon's may that waits
    /// for others, that call gets memory of its own.
    pub(crate) fn with<F: Keep, R>(self, len: usize, f: impl FnOnce(&mut [[F; LANES]]) -> R) -> R {
        let mut rows = F::kept().with(|kept| kept[self as usize].take());
        if rows.len() < len {
            drop(rows);
            rows = vec![Aligned::default(); len];
        }
        const { assert!(size_of::<Aligned<F>>() == size_of::<[F; LANES]>()) };
        let values = rows[..len].as_mut_ptr().cast();
        // SAFETY: so many rows are there, all initialised and all ours. Each is its values and nothing else, as the
        // assertion says.
        let result = f(unsafe { std::slice::from_raw_parts_mut(values, len) });
        F::kept().with(|kept| kept[self as usize].set(rows));
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_kept_but_not_shared() {
        Scratch::Frame.with(2, |outer: &mut [[f32; LANES]]| {
            outer[1][0] = 1.0;
            Scratch::Frame.with(1, |inner: &mut [[f32; LANES]]| assert_eq!(inner[0], [0.0; LANES]));
            assert_eq!(outer[1][0], 1.0);
        });
        Scratch::Frame.with(2, |rows: &mut [[f32; LANES]]| assert_eq!(rows[1][0], 1.0));
        Scratch::Panels.with(2, |rows: &mut [[f32; LANES]]| assert_eq!(rows[1][0], 0.0));
        Scratch::Frame.with(3, |rows: &mut [[f32; LANES]]| assert_eq!(rows.len(), 3));
    }
}
