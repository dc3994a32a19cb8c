//! Buffers of the fast form that serve again: a training step needs the same sizes as the last one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::thread::LocalKey;

use dfdx::dtypes::f16;

use crate::Bf16;

/// Buffers that nobody uses, by their length. What they hold is old.
#[derive(Debug)]
pub(crate) struct Idle<E>(BTreeMap<usize, Vec<Vec<E>>>);

/// A type of numbers whose buffers are kept.
pub(crate) trait Pooled: Copy + Default + 'static {
    fn idle() -> &'static LocalKey<RefCell<Idle<Self>>>;
}

thread_local! {
    static F32: RefCell<Idle<f32>> = const { RefCell::new(Idle(BTreeMap::new())) };
    static BF16: RefCell<Idle<Bf16>> = const { RefCell::new(Idle(BTreeMap::new())) };
    static F16: RefCell<Idle<f16>> = const { RefCell::new(Idle(BTreeMap::new())) };
}

impl Pooled for f32 {
    fn idle() -> &'static LocalKey<RefCell<Idle<Self>>> {
        &F32
    }
}

impl Pooled for Bf16 {
    fn idle() -> &'static LocalKey<RefCell<Idle<Self>>> {
        &BF16
    }
}

impl Pooled for f16 {
    fn idle() -> &'static LocalKey<RefCell<Idle<Self>>> {
        &F16
    }
}

/// A buffer of this length, with any numbers in it: an idle one, or a new one.
///
/// If none of the length is idle then the shapes have changed, and all that is idle is freed: nothing
/// is kept but what the last steps needed.
pub(crate) fn take<E: Pooled>(len: usize) -> Vec<E> {
    E::idle().with_borrow_mut(|Idle(idle)| {
        let buffer = idle.get_mut(&len).and_then(Vec::pop);
        buffer.unwrap_or_else(|| {
            idle.clear();
            vec![E::default(); len]
        })
    })
}

/// Keeps a buffer for the next [`take`]. Who takes one gives one of its length back, no more: what
/// becomes a tensor is not seen again, but its gradient is.
pub(crate) fn give<E: Pooled>(buffer: Vec<E>) {
    E::idle().with_borrow_mut(|Idle(idle)| idle.entry(buffer.len()).or_default().push(buffer));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_serves_the_next_request_of_its_length() {
        give(vec![1.0f32; 5]);
        give(vec![2.0f32; 3]);
        assert_eq!(take::<f32>(5), [1.0; 5]);
        assert_eq!(take::<f32>(3), [2.0; 3]);
        assert_eq!(take::<f32>(3), [0.0; 3]);
    }

    #[test]
    fn another_length_frees_what_is_idle() {
        give(vec![1.0f32; 5]);
        assert_eq!(take::<f32>(4), [0.0; 4]);
        assert_eq!(take::<f32>(5), [0.0; 5]);
    }
}
