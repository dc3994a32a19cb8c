//! A training is the same on every device but for rounding, and its checkpoints go from one to
//! another.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../ops/tests/device/mod.rs"]
mod device;
mod tiny;

use std::path::Path;

use device::{Place, Work};
use dfdx::dtypes::Dtype;
use tiny::{losses_in, open, plan, train_on, with};
use trickbag_data::Dataset;
use trickbag_ops::Backend;
use trickbag_recipe::Plan;
use trickbag_trainer::Outcome;

/// What remembers something, or asks something of all gradients together.
const REMEMBERING: &str = "Lookahead(alpha: 0.5, every: 3), GradientAccumulation(micro_batch: 8), \
                           GradientClipping(Norm(1.0)), Sam(rho: 0.05, every: 4), MixUp(alpha: 0.2), \
                           WeightAverage(Ema(decay: 0.8, every: Steps(2)))";

/// A training of the losses that `on` returns, from what a folder holds.
struct Training<'a> {
    plan: &'a Plan,
    data: &'a Dataset,
    folder: &'a Path,
    stop_after: Option<u64>,
}

impl Work for Training<'_> {
    type Output = (Outcome, Vec<f64>);

    fn on<E: Dtype, D: Backend<E>>(self, dev: &D) -> Self::Output {
        let Self { plan, data, folder, stop_after } = self;
        let (outcome, records) = train_on::<E, D>(dev.clone(), plan, data, folder, stop_after);
        (outcome, losses_in(&records))
    }
}

/// The losses of a training that begins at one place and goes on at the other after step 7.
fn losses(tricks: &str, first: Place, second: Place) -> Vec<f64> {
    let data = open();
    let precision = if first.is_half() { "Precision(F16)" } else { "Precision(F32)" };
    let tricks = [precision, tricks].join(", ");
    let plan = plan(&with(&tricks).replace("epochs: 2", "epochs: 4"), &data);
    let folder = tempfile::tempdir().unwrap();
    let training =
        |stop_after| Training { plan: &plan, data: &data, folder: folder.path(), stop_after };
    let (outcome, mut losses) = first.run(training(Some(7)));
    assert_eq!(outcome, Outcome::Stopped);
    let (outcome, others) = second.run(training(None));
    assert_eq!(outcome, Outcome::Finished);
    losses.extend(others);
    assert_eq!(losses.len(), 20);
    losses
}

fn near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    for (step, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found / expected - 1.0).abs();
        assert!(error < tolerance, "{what}, step {step}: {found}, on the CPU {expected}");
    }
}

/// Twenty steps at each place are those of the CPU's fast forms in `f32`.
#[test]
fn twenty_steps_are_those_of_the_fast_forms() {
    check("BlurPool", |place| vec![(place, place)]);
}

/// A checkpoint of each place is resumed on the CPU, and back.
#[test]
fn a_checkpoint_goes_from_device_to_device() {
    check(REMEMBERING, |place| {
        let home = if place.is_half() { Place::CpuAmp } else { Place::Cpu };
        vec![(home, place), (place, home)]
    });
}

fn check(tricks: &str, pairs: impl Fn(Place) -> Vec<(Place, Place)>) {
    let expected = losses(tricks, Place::Cpu, Place::Cpu);
    assert!(expected.last() < expected.first(), "{expected:?}");
    for place in Place::composed() {
        let tolerance = if place.is_half() { 0.05 } else { 0.01 };
        for (first, second) in pairs(place) {
            let found = losses(tricks, first, second);
            near(&format!("{tricks} at {first:?} and {second:?}"), &found, &expected, tolerance);
        }
    }
}
