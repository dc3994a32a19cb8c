//! Ranks, as threads, train what one process trains: to the same bits among each other, and up to
//! rounding of sums beside it. What goes wrong on one goes wrong on all.
#![allow(clippy::unwrap_used, clippy::panic)]

mod tiny;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use dfdx::dtypes::{Dtype, f16};
use dfdx::prelude::Cpu;
use tiny::{begin, losses_in, open, plan, run, train, with};
use trickbag_collective::{Collective, Threads, Values};
use trickbag_data::{Batch, Dataset};
use trickbag_models::NamedTensor;
use trickbag_ops::Backend;
use trickbag_recipe::Plan;
use trickbag_report::Record;
use trickbag_trainer::{Error, LAST, MODEL, Outcome, Trainer};

/// What mixes images, is random, remembers something, or asks something of all gradients. Passes have
/// 8, 8 and 4 images.
const TRICKS: &str = "MixUp(alpha: 0.2), StochasticDepth(0.2), Dropout(0.2), \
                      GradientAccumulation(micro_batch: 8), GradientClipping(Norm(1.0)), \
                      Sam(rho: 0.05, every: 4), WeightAverage(Ema(decay: 0.8, every: Steps(2)))";

/// What each rank of a world returns, in their order.
fn on_each<R: Send>(world_size: usize, work: impl Fn(Arc<dyn Collective>) -> R + Sync) -> Vec<R> {
    let work = &work;
    thread::scope(|scope| {
        let spawn = |rank: Threads| scope.spawn(move || work(Arc::new(rank)));
        let ranks: Vec<_> = Threads::world(world_size).into_iter().map(spawn).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// Trains as a rank, from what `folder` holds; it is asked to stop after step `stop_after`.
fn train_among<E: Dtype>(
    ranks: Arc<dyn Collective>,
    plan: &Plan,
    data: &Dataset,
    folder: &Path,
    stop_after: Option<u64>,
) -> (Outcome, Vec<Record>)
where
    Cpu: Backend<E>,
{
    run(begin::<E, _>(Cpu::default(), plan, folder).among(ranks), data, folder, stop_after)
}

/// Records without what a clock says.
fn timeless(records: &[Record]) -> Vec<Record> {
    let timeless = |record: &Record| match record.clone() {
        Record::Step(mut step) => {
            step.images_per_second = 0.0;
            Record::Step(step)
        }
        Record::Epoch(mut epoch) => {
            (epoch.seconds, epoch.eval_seconds, epoch.images_per_second) = (0.0, 0.0, 0.0);
            Record::Epoch(epoch)
        }
    };
    records.iter().map(timeless).collect()
}

/// A checkpoint's tensors by name.
fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let tensors = NamedTensor::deserialize(&std::fs::read(path).unwrap()).unwrap();
    tensors.into_iter().map(|tensor| (tensor.name, tensor.values)).collect()
}

/// Every tensor is off by so much of its norm at most.
fn near(found: &Path, expected: &Path, tolerance: f64) {
    let (found, expected) = (tensors(found), tensors(expected));
    assert!(found.keys().eq(expected.keys()));
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    for (name, expected) in &expected {
        let wide = |values: &Vec<f32>| values.clone().into_iter().map(f64::from);
        let off = norm(&mut wide(&found[name]).zip(wide(expected)).map(|(a, b)| a - b));
        let error = off / norm(&mut wide(expected)).max(1e-3);
        assert!(error <= tolerance, "{name} is off by {error:e}");
    }
}

/// Losses, and tensors, are off by so much at most.
fn check<E: Dtype>(tricks: &str, of_losses: f64, of_tensors: f64)
where
    Cpu: Backend<E>,
{
    let data = open();
    let plan = plan(&with(tricks), &data);
    let alone = tempfile::tempdir().unwrap();
    let (_, expected) = train::<E>(&plan, &data, alone.path(), 2, None);
    for world_size in [2, 3] {
        let folder = tempfile::tempdir().unwrap();
        let found = on_each(world_size, |ranks| {
            // The folders of other ranks than the first must stay as they are.
            let folder = match ranks.rank() {
                0 => folder.path().to_owned(),
                rank => folder.path().join(format!("missing-{rank}")),
            };
            let (outcome, records) = train_among::<E>(ranks, &plan, &data, &folder, None);
            assert_eq!(outcome, Outcome::Finished);
            records
        });
        for rank in &found {
            assert_eq!(timeless(rank), timeless(&found[0]));
        }
        let pairs = losses_in(&found[0]).into_iter().zip(losses_in(&expected));
        for (step, (found, expected)) in pairs.enumerate() {
            let error = (found / expected - 1.0).abs();
            assert!(error <= of_losses, "{world_size} ranks, step {step}: {error:e}");
        }
        for file in [LAST, MODEL] {
            near(&folder.path().join(file), &alone.path().join(file), of_tensors);
        }
    }
}

#[test]
fn ranks_train_what_one_process_trains() {
    check::<f32>("MixUp(alpha: 0.2), WeightAverage(Ema(decay: 0.8))", 1e-5, 1e-4);
    check::<f32>(TRICKS, 1e-5, 1e-4);
    // What remembers gradients differs by up to 0.33 between F16 and F32.
    let half = format!("Precision(F16), LossScaling(Dynamic(initial: 4096)), {TRICKS}");
    check::<f16>(&half, 1e-3, 0.2);
}

/// A rank whose gradients overflow once, in the sum with this number.
#[derive(Debug)]
struct Overflowing {
    ranks: Arc<dyn Collective>,
    sums_before: AtomicUsize,
}

impl Collective for Overflowing {
    fn rank(&self) -> usize {
        self.ranks.rank()
    }

    fn world_size(&self) -> usize {
        self.ranks.world_size()
    }

    fn all_reduce(&self, mut values: Values<'_>) -> Result<(), trickbag_collective::Error> {
        if let Values::F32(gradients) = &mut values
            && self.sums_before.fetch_sub(1, Ordering::Relaxed) == 0
        {
            gradients[0] = f32::INFINITY;
        }
        self.ranks.all_reduce(values)
    }

    fn abort(&self) {
        self.ranks.abort();
    }
}

#[test]
fn an_overflow_on_one_rank_is_one_on_all() {
    let data = open();
    let plan = plan(&with("Precision(F16), LossScaling(Dynamic(initial: 4096))"), &data);
    let folder = tempfile::tempdir().unwrap();
    let found = on_each(2, |ranks| {
        let ranks: Arc<dyn Collective> = match ranks.rank() {
            1 => Arc::new(Overflowing { ranks, sums_before: AtomicUsize::new(3) }),
            _ => ranks,
        };
        train_among::<f16>(ranks, &plan, &data, folder.path(), None).1
    });
    assert_eq!(timeless(&found[0]), timeless(&found[1]));
    for (step, record) in found[0].iter().enumerate().filter(|(_, record)| record.step() <= 5) {
        let Record::Step(record) = record else { continue };
        let scale = record.loss_scale.unwrap();
        let expected = if step < 3 { (4096.0, 0) } else { (2048.0, 1) };
        assert_eq!((scale.factor, scale.overflows), expected, "step {}", step + 1);
    }
}

/// Updates until one fails; all errors are there before the first rank goes.
fn errors_of(
    world_size: usize,
    tricks: &str,
    spoil: impl Fn(usize, usize, &mut Batch) + Sync,
) -> Vec<Error> {
    let data = open();
    let plan = plan(&with(tricks), &data);
    let all_failed = Barrier::new(world_size);
    on_each(world_size, |ranks| {
        let rank = ranks.rank();
        let mut trainer = Trainer::<f32, _>::new(&plan, Cpu::default()).unwrap().among(ranks);
        trainer.prepare(&data).unwrap();
        let batches = data.train_batches(&trainer.loading(0), 0, 0).unwrap();
        let error = batches.enumerate().find_map(|(step, batch)| {
            let mut batch = batch.unwrap();
            spoil(rank, step, &mut batch);
            trainer.update(batch).err()
        });
        all_failed.wait();
        error.unwrap()
    })
}

#[test]
fn a_loss_that_is_no_number_on_one_rank_ends_all() {
    let errors = errors_of(3, TRICKS, |rank, step, batch| {
        if (rank, step) == (1, 2) {
            batch.images.fill(f32::NAN);
        }
    });
    for error in errors {
        assert!(matches!(error, Error::Diverged { step: 3, loss, .. } if loss.is_nan()), "{error}");
    }
}

#[test]
fn a_rank_that_fails_alone_ends_all() {
    let errors = errors_of(3, "Precision(F32)", |rank, step, batch| {
        if (rank, step) == (1, 2) {
            batch.channels = 2;
            batch.width /= 2;
        }
    });
    for (rank, error) in errors.iter().enumerate() {
        let expected = match rank {
            1 => "this network takes images of 1 channels, found 2",
            _ => "rank 1 of 3 has gone",
        };
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[test]
fn worlds_that_cannot_share_a_batch_are_refused() {
    let nothing = |_: usize, _: usize, _: &mut Batch| ();
    let micro_batches = "GradientAccumulation(micro_batch: 8)";
    for error in errors_of(5, micro_batches, nothing) {
        assert!(matches!(error, Error::Ranks { world_size: 5, images: 4 }), "{error}");
    }
    for error in errors_of(2, "GhostBatchNorm(5)", nothing) {
        let expected = "2 ranks cannot share a batch that is normalised in ghost batches of 5";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[test]
fn ranks_stop_and_resume_together() {
    let data = open();
    let plan = plan(&with(TRICKS), &data);
    let model = |stop_after: Option<u64>| {
        let folder = tempfile::tempdir().unwrap();
        for stop_after in stop_after.map(Some).into_iter().chain([None]) {
            let outcomes = on_each(2, |ranks| {
                // The second rank alone is asked to stop.
                let stop_after = stop_after.filter(|_| ranks.rank() == 1);
                let last = train_among::<f32>(ranks, &plan, &data, folder.path(), stop_after);
                (last.0, last.1.last().unwrap().step())
            });
            let expected = match stop_after {
                Some(step) => (Outcome::Stopped, step),
                None => (Outcome::Finished, 10),
            };
            assert_eq!(outcomes, [expected; 2]);
        }
        std::fs::read(folder.path().join(MODEL)).unwrap()
    };
    let expected = model(None);
    assert!(model(Some(3)) == expected);
    assert!(model(Some(5)) == expected);
}
