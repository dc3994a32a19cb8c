//! How long the fast form's operators take: a stopwatch that runs only while somebody looks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What one kind of work took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// How often it was done.
    pub calls: u64,
    /// Time that passed.
    pub time: Duration,
    /// Multiply-accumulates, each product of the mathematical definition counted once; 0 where
    /// memory is what counts.
    pub macs: u64,
}

/// The time spent, by operator, pass and shape.
pub type Profile = BTreeMap<String, Spent>;

thread_local! {
    static PROFILE: RefCell<Option<Profile>> = const { RefCell::new(None) };
}

/// Calls `f`, and measures the operators that it runs on this thread in the fast form.
///
/// ```
/// use dfdx::prelude::*;
/// use trickbag_ops::{Backend, FeatureMap, profile};
///
/// let x: FeatureMap<f32, Cpu> = Cpu::default().sample_normal_like(&(2, 4, 4, 3));
/// let (y, profile) = profile(|| Backend::global_avg_pool(x));
/// assert_eq!(y?.shape(), &(2, 3));
/// assert_eq!(profile["global average pool forward"].calls, 1);
/// # Ok::<(), trickbag_ops::Error>(())
/// ```
pub fn profile<R>(f: impl FnOnce() -> R) -> (R, Profile) {
    let outer = PROFILE.replace(Some(Profile::new()));
    let result = f();
    (result, PROFILE.replace(outer).unwrap_or_default())
}

/// Does the work; while somebody looks, its time goes under the label.
pub(crate) fn spend<R>(label: impl FnOnce() -> String, macs: u64, work: impl FnOnce() -> R) -> R {
    if PROFILE.with_borrow(Option::is_none) {
        return work();
    }
    let start = Instant::now();
    let result = work();
    let time = start.elapsed();
    PROFILE.with_borrow_mut(|profile| {
        let Some(profile) = profile else { return };
        let spent = profile.entry(label()).or_default();
        *spent = Spent { calls: spent.calls + 1, time: spent.time + time, macs: spent.macs + macs };
    });
    result
}
