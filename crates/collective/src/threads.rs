//! Ranks as threads of one process, which sum in shared memory.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::{Collective, Error, Format, Values};

/// A rank that is a thread of this process.
///
/// Sums are taken in `f64`, in the order of the ranks, and rounded once: the same bits whoever comes
/// first. A rank that is dropped, by a panic too, ends the world for the others. As it blocks, each
/// rank needs a thread of its own; two that share a thread pool may wait for each other for ever.
#[derive(Debug)]
pub struct Threads {
    rank: usize,
    world: Arc<World>,
}

#[derive(Debug)]
struct World {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// What each rank has brought to the sum under way.
    terms: Vec<Option<Term>>,
    /// Sums done.
    rounds: u64,
    /// The last one. Nobody can miss it, because the next one waits for everybody.
    sum: Vec<f64>,
    ended: Option<Error>,
}

#[derive(Debug)]
struct Term {
    format: Format,
    values: Vec<f64>,
}

impl Threads {
    /// The ranks of a new world, in their order: one for each thread.
    pub fn world(world_size: usize) -> Vec<Self> {
        let terms = (0..world_size).map(|_| None).collect();
        let state = State { terms, rounds: 0, sum: vec![], ended: None };
        let world = Arc::new(World { state: Mutex::new(state), changed: Condvar::new() });
        (0..world_size).map(|rank| Self { rank, world: world.clone() }).collect()
    }
}

impl Collective for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn world_size(&self) -> usize {
        self.world.state().terms.len()
    }

    fn all_reduce(&self, values: Values<'_>) -> Result<(), Error> {
        let mut state = self.world.state();
        if let Some(error) = &state.ended {
            return Err(error.clone());
        }
        let round = state.rounds;
        state.terms[self.rank] = Some(Term::of(&values));
        if state.terms.iter().all(Option::is_some) {
            state.finish();
            self.world.changed.notify_all();
        }
        let waits = |state: &mut State| state.rounds == round && state.ended.is_none();
        let state = self.world.changed.wait_while(state, waits);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        match &state.ended {
            Some(error) if state.rounds == round => Err(error.clone()),
            _ => {
                fill(values, &state.sum);
                Ok(())
            }
        }
    }

    fn abort(&self) {
        let mut state = self.world.state();
        let world_size = state.terms.len();
        state.ended.get_or_insert(Error::Ended { rank: self.rank, world_size });
        self.world.changed.notify_all();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.abort();
    }
}

impl World {
    /// A thread that panics with the lock in its hand ends the world when its rank is dropped, so what it
    /// left undone is never read.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Sums what all ranks have brought, or ends the world where it does not fit.
    fn finish(&mut self) {
        let mut terms = self.terms.iter_mut().filter_map(Option::take).enumerate();
        let Some((_, Term { format, values: mut sum })) = terms.next() else { return };
        for (rank, term) in terms {
            let (found, expected) = ((term.values.len(), term.format), (sum.len(), format));
            if found != expected {
                self.ended = Some(Error::Mismatch { rank, found, expected });
                return;
            }
            sum.iter_mut().zip(term.values).for_each(|(sum, value)| *sum += value);
        }
        self.sum = sum;
        self.rounds += 1;
    }
}

impl Term {
    fn of(values: &Values<'_>) -> Self {
        match values {
            Values::F32(values) => {
                let values = values.iter().copied().map(f64::from).collect();
                Self { format: Format::F32, values }
            }
            Values::F64(values) => Self { format: Format::F64, values: values.to_vec() },
        }
    }
}

fn fill(values: Values<'_>, sum: &[f64]) {
    match values {
        Values::F32(values) => {
            values.iter_mut().zip(sum).for_each(|(value, &sum)| *value = sum as f32);
        }
        Values::F64(values) => values.copy_from_slice(sum),
    }
}
