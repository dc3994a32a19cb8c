//! Trainings in 16 bits: close to `f32`, and unmoved by overflows.
#![allow(clippy::unwrap_used, clippy::panic)]

mod tiny;

use dfdx::dtypes::f16;
use dfdx::prelude::Cpu;
use tiny::{OVERFLOWING, losses, model, open, plan, train, with};
use trickbag_ops::Bf16;
use trickbag_report::{LossScale, Record};
use trickbag_trainer::{Error, LAST, Outcome, Trainer};

/// Bit for bit it is another training, but its losses stay near those of `f32`.
#[test]
fn trains_as_f32_does() {
    let data = open();
    let precise = losses::<f32>(&plan(&with("Precision(F32)"), &data), &data);
    let near = |found: Vec<f64>, tolerance: f64| {
        assert_ne!(found, precise);
        assert!(found.last() < found.first(), "{found:?}");
        for (found, precise) in found.iter().zip(&precise) {
            assert!((found / precise - 1.0).abs() < tolerance, "{found}, in f32 {precise}");
        }
    };
    near(losses::<Bf16>(&plan(&with("Precision(Bf16)"), &data), &data), 0.1);
    near(losses::<f16>(&plan(&with("Precision(F16)"), &data), &data), 0.02);
}

/// Whatever remembers something, or counts steps.
const REMEMBERING: &str = "Sam(rho: 0.05, every: 2), Lookahead(alpha: 0.5, every: 3), Dropout(0.2), \
                           GradientAccumulation(micro_batch: 8), GradientClipping(Norm(1.0)), \
                           MomentumSchedule(from: 0.5, to: 0.9, over: Steps(6)), \
                           WeightAverage(Ema(decay: 0.8, every: Steps(2)))";

fn loss_scales(records: &[Record]) -> Vec<LossScale> {
    let of = |record: &Record| match record {
        Record::Step(step) => step.loss_scale,
        Record::Epoch(epoch) => epoch.loss_scale,
    };
    records.iter().filter_map(of).collect()
}

/// Scales that are powers of two change no digit. So a training whose first scale, 2^50, falls by a
/// factor of 2^38 ends in the same bytes as one that begins with 2^12, unless the overflow left a trace.
#[test]
fn an_overflow_changes_nothing_but_the_scale() {
    let data = open();
    let of = |scaling: &str| {
        let tricks = format!("Precision(F16), LossScaling({scaling}), {REMEMBERING}");
        let plan = plan(&with(&tricks), &data);
        let folder = tempfile::tempdir().unwrap();
        let (_, records) = train::<f16>(&plan, &data, folder.path(), 2, None);
        assert_eq!(loss_scales(&records).len(), records.len());
        (loss_scales(&records), losses::<f16>(&plan, &data), model::<f16>(&plan, &data))
    };
    let (scales, losses, model) =
        of("Dynamic(initial: 1125899906842624, backoff: 3.637978807091713e-12)");
    let (never, expected_losses, expected_model) = of("Dynamic(initial: 4096)");
    let all =
        |overflows| move |scale: &LossScale| *scale == LossScale { factor: 4096.0, overflows };
    assert!(scales.iter().all(all(1)), "{scales:?}");
    assert!(never.iter().all(all(0)), "{never:?}");
    assert_eq!(losses, expected_losses);
    assert!(model == expected_model);
}

#[test]
fn a_scale_grows_until_gradients_overflow_again() {
    let data = open();
    let plan = plan(&with(OVERFLOWING), &data);
    let folder = tempfile::tempdir().unwrap();
    let (outcome, records) = train::<f16>(&plan, &data, folder.path(), 2, None);
    assert_eq!(outcome, Outcome::Finished);
    let scales = loss_scales(&records);
    let (first, last) = (scales[0].overflows, scales[scales.len() - 1].overflows);
    assert!(0 < first && first < last, "{scales:?}");
}

#[test]
fn other_formats_have_no_scale() {
    let data = open();
    let plan = plan(&with("Precision(Bf16)"), &data);
    let folder = tempfile::tempdir().unwrap();
    let (outcome, records) = train::<Bf16>(&plan, &data, folder.path(), 2, Some(1));
    assert_eq!(outcome, Outcome::Stopped);
    assert!(loss_scales(&records).is_empty());
}

#[test]
fn overflows_without_end_are_explained() {
    let data = open();
    for (scaling, explanation) in [
        ("Dynamic(initial: 1e15, floor: 2e14)", "fell to its floor of 200000000000000"),
        ("Static(1e15)", "at a loss scale of 1000000000000000"),
    ] {
        let plan = plan(&with(&format!("Precision(F16), LossScaling({scaling})")), &data);
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = Trainer::<f16, _>::new(&plan, Cpu::default()).unwrap();
        let stop = Default::default();
        let error = trainer.run(&data, folder.path(), &stop, &mut |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains(explanation), "{error}");
        assert!(matches!(error, Error::Overflow { step: 1, .. }), "{error}");
        assert!(!folder.path().join(LAST).exists());
    }
}
