//! The loss scaler as a state machine: its trace, its laws and the settings that it refuses.
#![allow(clippy::unwrap_used)]

use serde::Deserialize;
use trickbag_precision::{Error, LossScaler, LossScaling, ScalerSettings, StepOutcome};

const SMALL: ScalerSettings =
    ScalerSettings { initial: 8.0, growth: 2.0, backoff: 0.5, interval: 3, floor: 1.0 };

fn dynamic(settings: ScalerSettings) -> Result<LossScaler, Error> {
    LossScaler::new(LossScaling::Dynamic(settings))
}

fn outcome(step: char) -> StepOutcome {
    if step == '!' { StepOutcome::Overflow } else { StepOutcome::Finite }
}

/// Runs `steps` (`.` finite, `!` overflow) and returns a line for each.
fn trace(settings: ScalerSettings, steps: &str) -> String {
    let mut scaler = dynamic(settings).unwrap();
    let mut lines = vec![format!("start {}", scaler.scale())];
    for step in steps.chars() {
        match scaler.after(outcome(step)) {
            Ok(next) => scaler = next,
            Err(error) => {
                lines.push(format!("{step} {error}"));
                break;
            }
        }
        lines.push(format!("{step} {}", scaler.scale()));
    }
    lines.join("\n")
}

#[test]
fn grows_after_good_steps_and_halves_on_overflow() {
    insta::assert_snapshot!(trace(SMALL, "...!..!...."));
}

#[test]
fn an_overflow_at_the_floor_ends_the_training() {
    insta::assert_snapshot!(trace(SMALL, "!!!!."));
}

#[test]
fn defaults_are_those_of_pytorch() {
    let mut scaler = LossScaler::default();
    for _ in 0..1999 {
        scaler = scaler.after(StepOutcome::Finite).unwrap();
    }
    assert_eq!(scaler.scale(), 65536.0);
    assert_eq!(scaler.after(StepOutcome::Finite).unwrap().scale(), 131072.0);
}

/// A training in `tests/goldens/grad_scaler.json`.
#[derive(Deserialize)]
struct Golden {
    initial: f32,
    growth: f64,
    backoff: f64,
    interval: u32,
    steps: String,
    scales: Vec<f32>,
}

#[test]
fn scales_are_those_of_pytorch() {
    let goldens: Vec<Golden> =
        serde_json::from_str(include_str!("goldens/grad_scaler.json")).unwrap();
    for Golden { initial, growth, backoff, interval, steps, scales } in goldens {
        let mut scaler =
            dynamic(ScalerSettings { initial, growth, backoff, interval, floor: 1.0 }).unwrap();
        let found: Vec<_> = steps
            .chars()
            .map(|step| {
                scaler = scaler.after(outcome(step)).unwrap();
                scaler.scale()
            })
            .collect();
        assert_eq!(found, scales, "{steps} from {initial}");
        assert_eq!(scaler.overflows(), steps.matches('!').count() as u64);
    }
}

#[test]
fn a_fixed_scale_stays_and_an_overflow_ends_the_training() {
    for (scaling, scale) in [(LossScaling::Static(128.0), 128.0), (LossScaling::Off, 1.0)] {
        let mut scaler = LossScaler::new(scaling).unwrap();
        for _ in 0..3000 {
            scaler = scaler.after(StepOutcome::Finite).unwrap();
        }
        assert_eq!(scaler.scale(), scale);
        assert_eq!(scaler.after(StepOutcome::Overflow), Err(Error::Fixed { scale }));
    }
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(matches!(LossScaler::new(LossScaling::Static(scale)), Err(Error::Settings { .. })));
    }
}

#[test]
fn never_grows_beyond_what_f32_holds() {
    let settings = ScalerSettings { initial: f32::MAX / 1.5, interval: 1, ..SMALL };
    let scaler = dynamic(settings).unwrap();
    assert_eq!(scaler.after(StepOutcome::Finite).unwrap().scale(), f32::MAX / 1.5);
}

#[test]
fn saving_and_loading_at_every_step_changes_nothing() {
    let (mut kept, mut reloaded) = (dynamic(SMALL).unwrap(), dynamic(SMALL).unwrap());
    for step in "..!...!..!....".chars() {
        kept = kept.after(outcome(step)).unwrap();
        let saved = ron::to_string(&reloaded).unwrap();
        reloaded = ron::from_str::<LossScaler>(&saved).unwrap().after(outcome(step)).unwrap();
        assert_eq!(kept, reloaded);
    }
}

#[test]
fn refuses_settings_out_of_range() {
    let cases = [
        ("growth", ScalerSettings { growth: 1.0, ..SMALL }),
        ("backoff", ScalerSettings { backoff: 1.0, ..SMALL }),
        ("interval", ScalerSettings { interval: 0, ..SMALL }),
        ("floor", ScalerSettings { floor: 0.0, ..SMALL }),
        ("initial", ScalerSettings { initial: 0.5, ..SMALL }),
        ("initial", ScalerSettings { initial: f32::NAN, ..SMALL }),
    ];
    for (field, settings) in cases {
        match dynamic(settings) {
            Err(Error::Settings { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{field}: {other:?}"),
        }
    }
}
