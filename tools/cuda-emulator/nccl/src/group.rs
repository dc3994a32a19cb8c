//! The ranks that work together, and the collectives for which some of them have come.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::reduce::{Collective, Place};

/// The ranks of one unique id.
pub(crate) struct Group {
    pub(crate) size: usize,
    pending: Mutex<HashMap<u64, Pending>>,
    done: Condvar,
}

/// A collective and the ranks that came for it.
struct Pending {
    collective: Collective,
    places: Vec<Option<Place>>,
    finished: bool,
    left: usize,
}

/// A rank's communicator.
pub(crate) struct Communicator {
    pub(crate) group: Arc<Group>,
    pub(crate) rank: usize,
    /// How many collectives it has come for.
    next: Mutex<u64>,
}

/// A collective for which a rank has come and not waited yet.
pub(crate) struct Ticket {
    group: Arc<Group>,
    number: u64,
}

static GROUPS: LazyLock<Mutex<HashMap<u64, Arc<Group>>>> = LazyLock::new(Mutex::default);

impl Communicator {
    /// Joins the group of this id; the first rank to come makes it.
    pub(crate) fn join(id: u64, size: usize, rank: usize) -> Option<Self> {
        let mut groups = lock(&GROUPS);
        let fresh =
            || Arc::new(Group { size, pending: Mutex::default(), done: Condvar::default() });
        let group = Arc::clone(groups.entry(id).or_insert_with(fresh));
        (group.size == size && rank < size).then_some(Self { group, rank, next: Mutex::default() })
    }

    /// Comes for its next collective. The last rank to come does the work for all.
    /// None when the ranks want different things, which would hang or corrupt on a GPU.
    ///
    /// # Safety
    /// `place` is what the collective needs, and nobody uses it before [`Ticket::wait`] returns.
    pub(crate) unsafe fn come(&self, collective: Collective, place: Place) -> Option<Ticket> {
        let number = {
            let mut next = lock(&self.next);
            *next += 1;
            *next
        };
        let mut pending = lock(&self.group.pending);
        let size = self.group.size;
        let fresh =
            || Pending { collective, places: vec![None; size], finished: false, left: size };
        let entry = pending.entry(number).or_insert_with(fresh);
        if entry.collective != collective {
            return None;
        }
        entry.places[self.rank] = Some(place);
        let places: Option<Vec<Place>> = entry.places.iter().copied().collect();
        if let Some(places) = places {
            // SAFETY: all ranks promised.
            unsafe { collective.run(&places) };
            entry.finished = true;
            self.group.done.notify_all();
        }
        Some(Ticket { group: Arc::clone(&self.group), number })
    }
}

impl Ticket {
    /// Waits until all ranks have come.
    pub(crate) fn wait(self) {
        let mut pending = lock(&self.group.pending);
        while pending.get(&self.number).is_some_and(|entry| !entry.finished) {
            pending = self.group.done.wait(pending).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(entry) = pending.get_mut(&self.number) {
            entry.left -= 1;
            if entry.left == 0 {
                pending.remove(&self.number);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::reduce::{Element, Kind, Operation};

    /// Runs a collective of three ranks, each on its own thread, and gives what each one has.
    fn run(id: u64, kind: Kind, operation: Operation, inputs: [[f32; 3]; 3]) -> [[f32; 3]; 3] {
        let count = if kind == Kind::Reduce || kind == Kind::AllReduce { 3 } else { 1 };
        let collective = Collective { kind, count, element: Element::F32, operation, root: 1 };
        let mut outputs = [[0.0; 3]; 3];
        thread::scope(|scope| {
            for (rank, (input, output)) in inputs.iter().zip(&mut outputs).enumerate() {
                scope.spawn(move || {
                    let communicator = Communicator::join(id, 3, rank).unwrap();
                    let place =
                        Place { from: input.as_ptr() as u64, to: output.as_mut_ptr() as u64 };
                    // SAFETY: three elements are as many as any of the collectives needs.
                    unsafe { communicator.come(collective, place) }.unwrap().wait();
                });
            }
        });
        outputs
    }

    #[test]
    fn each_rank_gets_what_nccl_says() {
        let inputs = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 12.0]];
        let [sum, none] = [[12.0, 15.0, 21.0], [0.0; 3]];
        assert_eq!(run(1, Kind::AllReduce, Operation::Sum, inputs), [sum; 3]);
        assert_eq!(run(2, Kind::AllReduce, Operation::Max, inputs), [inputs[2]; 3]);
        assert_eq!(run(3, Kind::AllReduce, Operation::Average, inputs), [[4.0, 5.0, 7.0]; 3]);
        assert_eq!(run(4, Kind::Reduce, Operation::Sum, inputs), [none, sum, none]);
        assert_eq!(run(5, Kind::Broadcast, Operation::Sum, inputs), [[4.0, 0.0, 0.0]; 3]);
        assert_eq!(run(6, Kind::AllGather, Operation::Sum, inputs), [[1.0, 4.0, 7.0]; 3]);
        let scattered = run(7, Kind::ReduceScatter, Operation::Sum, inputs);
        assert_eq!(scattered.map(|output| output[0]), sum);
    }

    #[test]
    fn ranks_that_disagree_are_refused() {
        let [first, second] = [0, 1].map(|rank| Communicator::join(8, 2, rank).unwrap());
        let collective = Collective {
            kind: Kind::AllReduce,
            count: 0,
            element: Element::F32,
            operation: Operation::Sum,
            root: 0,
        };
        let place = Place { from: 0, to: 0 };
        // SAFETY: there are no elements.
        unsafe {
            assert!(first.come(collective, place).is_some());
            assert!(second.come(Collective { count: 1, ..collective }, place).is_none());
        }
        assert!(Communicator::join(8, 3, 2).is_none());
    }
}
