//! What holds for every world: everyone gets the same sums, and nobody waits for who has gone.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::panic::catch_unwind;
use std::thread;

use trickbag_collective::{Collective, Error, Format, Threads, Values};

const WORLDS: [usize; 4] = [1, 2, 3, 5];
const CALLS: usize = 20;

/// What each rank of a new world returns, in their order.
fn on_each<R: Send>(world_size: usize, work: impl Fn(Threads) -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        let spawn = |rank| scope.spawn(|| work(rank));
        let threads: Vec<_> = Threads::world(world_size).into_iter().map(spawn).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Numbers of such different sizes that their sum depends on the order.
fn term(rank: usize, call: usize, index: usize) -> f64 {
    let sign = if (rank + index).is_multiple_of(2) { 1.0 } else { -1.0 };
    sign * 10_f64.powi(((rank * 7 + call + index) % 23) as i32) / 3.0
}

#[test]
fn every_rank_gets_the_sum_in_the_order_of_the_ranks() {
    for world_size in WORLDS {
        let found = on_each(world_size, |rank| {
            assert_eq!(rank.world_size(), world_size);
            let sums = (0..CALLS).map(|call| {
                if (rank.rank() + call) % 3 == 0 {
                    thread::yield_now();
                }
                let mut values: Vec<f64> = (0..call).map(|i| term(rank.rank(), call, i)).collect();
                rank.all_reduce(Values::F64(&mut values)).unwrap();
                values
            });
            sums.collect::<Vec<_>>()
        });
        for sums in found {
            for (call, sums) in sums.iter().enumerate() {
                let sum = |i| (0..world_size).fold(0.0, |sum, rank| sum + term(rank, call, i));
                assert_eq!(*sums, (0..call).map(sum).collect::<Vec<_>>(), "{world_size}, {call}");
            }
        }
    }
}

#[test]
fn sums_in_f32_are_rounded_once() {
    let found = on_each(3, |rank| {
        let mut values = [[1.0, 3e-8, 4e-8][rank.rank()]];
        rank.all_reduce(Values::F32(&mut values)).unwrap();
        values
    });
    assert_eq!(found, [[1.0 + f32::EPSILON]; 3]);
}

#[test]
fn a_number_that_is_not_finite_reaches_everyone() {
    let found = on_each(2, |rank| {
        let mut values = [[1.0, f32::NAN], [f32::INFINITY, 1.0]][rank.rank()];
        rank.all_reduce(Values::F32(&mut values)).unwrap();
        values
    });
    assert!(found.iter().all(|sums| sums[0] == f32::INFINITY && sums[1].is_nan()), "{found:?}");
}

/// Rank 1 leaves after one sum; the sum is everyone's all the same.
fn check_leaving(leave: impl Fn(Threads) + Sync) {
    let found = on_each(3, |rank| {
        let mut values = [1.0];
        rank.all_reduce(Values::F64(&mut values)).unwrap();
        assert_eq!(values, [3.0]);
        if rank.rank() == 1 {
            leave(rank);
            return [None, None];
        }
        [(); 2].map(|()| rank.all_reduce(Values::F64(&mut values)).err())
    });
    let ended = Error::Ended { rank: 1, world_size: 3 };
    for (rank, errors) in found.into_iter().enumerate().filter(|(rank, _)| *rank != 1) {
        assert_eq!(errors, [Some(ended.clone()), Some(ended.clone())], "rank {rank}");
    }
}

#[test]
fn whoever_goes_ends_the_world() {
    check_leaving(drop);
    check_leaving(|rank| rank.abort());
    check_leaving(|rank| {
        let panicked = catch_unwind(move || {
            let _rank = rank;
            std::panic::resume_unwind(Box::new("as from a panic"));
        });
        assert!(panicked.is_err());
    });
}

#[test]
fn ranks_that_are_not_at_the_same_place_are_told_so() {
    let check = |bring: fn(&Threads) -> Result<(), Error>, found, message: &str| {
        let error = Error::Mismatch { rank: 1, found, expected: (2, Format::F32) };
        assert_eq!(error.to_string(), message);
        let errors = on_each(3, |rank| {
            let first = match rank.rank() {
                1 => bring(&rank),
                _ => rank.all_reduce(Values::F32(&mut [0.0; 2])),
            };
            [first.unwrap_err(), rank.all_reduce(Values::F32(&mut [0.0])).unwrap_err()]
        });
        for found in errors.iter().flatten() {
            assert_eq!(*found, error);
        }
    };
    check(
        |rank| rank.all_reduce(Values::F32(&mut [0.0; 3])),
        (3, Format::F32),
        "rank 1 brings 3 values in F32 to a sum, rank 0 brings 2 in F32: all ranks must make the \
         same calls in the same order, from the same plan and the same batches",
    );
    check(
        |rank| rank.all_reduce(Values::F64(&mut [0.0; 2])),
        (2, Format::F64),
        "rank 1 brings 2 values in F64 to a sum, rank 0 brings 2 in F32: all ranks must make the \
         same calls in the same order, from the same plan and the same batches",
    );
}
