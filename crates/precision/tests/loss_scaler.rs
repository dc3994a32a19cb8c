//! The loss scaler as a state machine: its trace, its laws and the settings that it refuses.
#![allow(clippy::unwrap_used)]

use trickbag_precision::{Error, LossScaler, ScalerSettings, StepOutcome};

const SMALL: ScalerSettings =
    ScalerSettings { initial: 8.0, growth: 2.0, backoff: 0.5, interval: 3, floor: 1.0 };

/// Runs `steps` (`.` finite, `!` overflow) and returns a line for each.
fn trace(settings: ScalerSettings, steps: &str) -> String {
    let mut scaler = LossScaler::new(settings).unwrap();
    let mut lines = vec![format!("start {}", scaler.scale())];
    for step in steps.chars() {
        let outcome = if step == '!' { StepOutcome::Overflow } else { StepOutcome::Finite };
        match scaler.after(outcome) {
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

#[test]
fn never_grows_beyond_what_f32_holds() {
    let settings = ScalerSettings { initial: f32::MAX / 1.5, interval: 1, ..SMALL };
    let scaler = LossScaler::new(settings).unwrap();
    assert_eq!(scaler.after(StepOutcome::Finite).unwrap().scale(), f32::MAX / 1.5);
}

#[test]
fn saving_and_loading_at_every_step_changes_nothing() {
    let (mut kept, mut reloaded) =
        (LossScaler::new(SMALL).unwrap(), LossScaler::new(SMALL).unwrap());
    for step in "..!...!..!....".chars() {
        let outcome = if step == '!' { StepOutcome::Overflow } else { StepOutcome::Finite };
        kept = kept.after(outcome).unwrap();
        let saved = ron::to_string(&reloaded).unwrap();
        reloaded = ron::from_str::<LossScaler>(&saved).unwrap().after(outcome).unwrap();
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
        match LossScaler::new(settings) {
            Err(Error::Settings { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{field}: {other:?}"),
        }
    }
}
