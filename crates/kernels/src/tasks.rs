//! Tasks that are shared out among the threads of rayon's current pool.
//!
//! A step has hundreds of operators, one after the other. Between two of them, and at the end of each, a thread of rayon
//! falls asleep within some microseconds, and to be woken takes it tens. So here threads stay awake for a while. They
//! take tasks one by one; the loops of rayon are divided into pieces, the last of which may keep one thread busy alone.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rayon::Yield;

/// How long a thread stays awake for the next operator.
const PATIENCE: Duration = Duration::from_micros(200);

/// So many numbers make it worth to ask for a task.
const LEN: usize = 16 * 1024;

thread_local! {
    /// Whether this thread stays awake already, further up its stack.
    static AWAKE: Cell<bool> = const { Cell::new(false) };
}

/// Calls `run` for each item and its number. Neighbours go to the same thread, in the same way each time, unless another
/// one has finished before.
pub(crate) fn for_each<T: Send>(items: impl IntoIterator<Item = T>, run: impl Fn(usize, T) + Sync) {
    let items: Vec<T> = items.into_iter().collect();
    let count = items.len();
    let threads = rayon::current_num_threads().min(count);
    if threads < 2 {
        return items.into_iter().enumerate().for_each(|(nth, item)| run(nth, item));
    }
    let mut items = items.into_iter().enumerate();
    let share = |nth| count * (nth + 1) / threads - count * nth / threads;
    let shares = (0..threads).map(|nth| items.by_ref().take(share(nth)).collect::<Vec<_>>());
    let tasks = &Tasks {
        shares: shares.map(|share| Mutex::new(share.into_iter())).collect(),
        left: AtomicUsize::new(count),
        helpers: AtomicUsize::new(0),
        run,
    };
    rayon::scope(|scope| {
        let asking = rayon::current_thread_index();
        for _ in 1..threads {
            scope.spawn(move |_| {
                // Where no one else was free there is nothing left.
                if rayon::current_thread_index() != asking {
                    tasks.help();
                }
            });
        }
        tasks.work();
        tasks.wait();
    });
}

/// The same, with what `run` returns in the order of the items.
pub(crate) fn map<T: Send, R: Send>(
    items: impl IntoIterator<Item = T>,
    run: impl Fn(usize, T) -> R + Sync,
) -> Vec<R> {
    let results = Mutex::new(Vec::new());
    for_each(items, |nth, item| {
        let result = run(nth, item);
        lock(&results).push((nth, result));
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(nth, _)| *nth);
    results.into_iter().map(|(_, result)| result).collect()
}

/// How many rows of this length a task should have, where rows are short.
pub(crate) fn rows(row_len: usize) -> usize {
    (LEN / row_len.max(1)).max(1)
}

struct Tasks<I, F> {
    /// What each thread does before it does what is left to others.
    shares: Vec<Mutex<I>>,
    /// How many are not done yet.
    left: AtomicUsize,
    /// How many threads help the one that asked.
    helpers: AtomicUsize,
    run: F,
}

impl<T, I: DoubleEndedIterator<Item = (usize, T)>, F: Fn(usize, T)> Tasks<I, F> {
    fn work(&self) {
        let threads = self.shares.len();
        let own = rayon::current_thread_index().unwrap_or(0) % threads;
        let next = || {
            let task = lock(&self.shares[own]).next();
            // From the end, since others begin at the front of what is theirs.
            let other =
                |distance: usize| lock(&self.shares[(own + distance) % threads]).next_back();
            task.or_else(|| (1..threads).find_map(other))
        };
        while let Some((nth, item)) = next() {
            let _done = Leaving(&self.left);
            (self.run)(nth, item);
        }
    }

    fn help(&self) {
        self.helpers.fetch_add(1, Ordering::Relaxed);
        let _left = Leaving(&self.helpers);
        self.work();
        if !AWAKE.get() {
            rayon::spawn(linger);
        }
    }

    /// Waits for all to be done.
    fn wait(&self) {
        stay_awake(|_| self.left.load(Ordering::Relaxed) == 0);
        // Not by doing other work, which might be to linger in the place of a helper.
        while self.helpers.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
    }
}

/// One less when it is dropped, also by a panic.
struct Leaving<'a>(&'a AtomicUsize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Has a thread stay awake for what comes next.
fn linger() {
    if !AWAKE.get() {
        stay_awake(|idle| idle.elapsed() > PATIENCE);
    }
}

/// Does other work of the pool until `done`, which is told when there was some last.
fn stay_awake(done: impl Fn(Instant) -> bool) {
    let before = AWAKE.replace(true);
    let mut since = Instant::now();
    while !done(since) {
        match rayon::yield_now() {
            Some(Yield::Executed) => since = Instant::now(),
            _ => thread::yield_now(),
        }
    }
    AWAKE.set(before);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use rayon::{ThreadPool, ThreadPoolBuilder};

    use super::*;

    fn pool(threads: usize) -> ThreadPool {
        ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn each_task_is_done_once_and_results_are_in_order() {
        for threads in [1, 2, 5] {
            for count in [0, 1, 2, 7, 100] {
                let found = pool(threads).install(|| map(0..count, |nth, item| (nth, 2 * item)));
                let expected: Vec<_> = (0..count).map(|nth| (nth, 2 * nth)).collect();
                assert_eq!(found, expected, "{threads} threads");
            }
        }
    }

    #[test]
    fn tasks_may_have_tasks() {
        let sums = |outer: usize| map(0..20, |_, inner| outer * inner);
        let found = pool(3).install(|| map(0..20, |_, outer| sums(outer).iter().sum::<usize>()));
        assert_eq!(found, (0..20).map(|outer| outer * 190).collect::<Vec<_>>());
    }

    #[test]
    fn no_thread_waits_while_there_are_tasks() {
        // The first task ends when all others have been done, most of which are another thread's at first.
        let left = AtomicUsize::new(9);
        pool(2).install(|| {
            for_each(0..10, |nth, _| match nth {
                0 => {
                    while left.load(Ordering::Relaxed) > 0 {
                        thread::yield_now();
                    }
                }
                _ => {
                    left.fetch_sub(1, Ordering::Relaxed);
                }
            });
        });
        assert_eq!(left.into_inner(), 0);
    }

    #[test]
    fn a_panic_is_passed_on() {
        let panics = |at: usize| {
            let tasks = || for_each(0..10, |nth, _| assert_ne!(nth, at));
            catch_unwind(AssertUnwindSafe(|| pool(2).install(tasks))).is_err()
        };
        assert!(panics(0) && panics(9) && !panics(10));
    }
}
