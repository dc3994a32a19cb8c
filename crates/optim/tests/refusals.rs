//! What is refused, and how it is said.
#![allow(clippy::unwrap_used)]

mod trajectory;

use trajectory::{start, vector};
use trickbag_optim::{
    Accumulator, AdamW, Average, Clip, Decay, DecayWarmup, Ema, Error, Lamb, Lars, Lookahead,
    Optimizer, RmsProp, Sam, Sgd, SlowWeights, State, Swa, Units, WeightAverage, without_frozen,
};
use trickbag_param_groups::Group;

const SGD: Sgd =
    Sgd { lr: 0.1, momentum: 0.9, nesterov: false, weight_decay: 0.0, decay: Decay::Coupled };
const ADAMW: AdamW = AdamW { lr: 0.1, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0 };
const RMS_PROP: RmsProp =
    RmsProp { lr: 0.1, alpha: 0.9, eps: 1e-8, momentum: 0.0, weight_decay: 0.0 };
const LARS: Lars =
    Lars { lr: 0.1, momentum: 0.9, nesterov: false, weight_decay: 0.0, trust_coefficient: 0.001 };
const LAMB: Lamb = Lamb { lr: 0.1, betas: (0.9, 0.999), eps: 1e-6, weight_decay: 0.0 };
const SHARE: &str = "a number from 0 up to, but not including, 1";

fn check<T>(result: Result<T, Error>, expected: &str) {
    let error = result.err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some(expected));
}

#[test]
fn settings_out_of_their_range() {
    let positive = "expected a positive number";
    let cases = [
        (Optimizer::Sgd(Sgd { lr: 0.0, ..SGD }), format!("`lr` is 0, {positive}")),
        (Optimizer::Sgd(Sgd { lr: f64::NAN, ..SGD }), format!("`lr` is NaN, {positive}")),
        (
            Optimizer::Sgd(Sgd { momentum: 1.0, ..SGD }),
            format!("`momentum` is 1, expected {SHARE}"),
        ),
        (
            Optimizer::Sgd(Sgd { momentum: 0.0, nesterov: true, ..SGD }),
            "`nesterov` needs a `momentum` above 0: set one, for instance 0.9".into(),
        ),
        (
            Optimizer::Sgd(Sgd { weight_decay: -1.0, ..SGD }),
            "`weight_decay` is -1, expected 0 or a positive number".into(),
        ),
        (
            Optimizer::AdamW(AdamW { betas: (0.9, 1.0), ..ADAMW }),
            format!("`betas` is 1, expected {SHARE}"),
        ),
        (Optimizer::AdamW(AdamW { eps: 0.0, ..ADAMW }), format!("`eps` is 0, {positive}")),
        (
            Optimizer::RmsProp(RmsProp { alpha: 1.0, ..RMS_PROP }),
            format!("`alpha` is 1, expected {SHARE}"),
        ),
        (Optimizer::RmsProp(RmsProp { eps: -1.0, ..RMS_PROP }), format!("`eps` is -1, {positive}")),
        (
            Optimizer::RmsProp(RmsProp { momentum: -0.5, ..RMS_PROP }),
            format!("`momentum` is -0.5, expected {SHARE}"),
        ),
        (
            Optimizer::Lars(Lars { trust_coefficient: 0.0, ..LARS }),
            format!("`trust_coefficient` is 0, {positive}"),
        ),
        (
            Optimizer::Lars(Lars { momentum: 0.0, nesterov: true, ..LARS }),
            "`nesterov` needs a `momentum` above 0: set one, for instance 0.9".into(),
        ),
        (
            Optimizer::Lamb(Lamb { betas: (1.5, 0.9), ..LAMB }),
            format!("`betas` is 1.5, expected {SHARE}"),
        ),
    ];
    for (optimizer, expected) in cases {
        check(optimizer.validate(), &expected);
        check(State::new(optimizer, &start()), &expected);
    }
}

#[test]
fn settings_of_what_surrounds_an_optimiser() {
    let whole = "expected 1 or a greater whole number";
    let ema = Ema { decay: 0.9, warmup: DecayWarmup::Off, every: 1 };
    let averages = [
        (WeightAverage::Ema(Ema { decay: 1.0, ..ema }), format!("`decay` is 1, expected {SHARE}")),
        (
            WeightAverage::Ema(Ema { warmup: DecayWarmup::Power(0.0), ..ema }),
            "`warmup` is 0, expected a positive number".into(),
        ),
        (WeightAverage::Ema(Ema { every: 0, ..ema }), format!("`every` is 0, {whole}")),
        (WeightAverage::Swa(Swa { from: 0, every: 0 }), format!("`every` is 0, {whole}")),
    ];
    for (average, expected) in averages {
        check(Average::new(average, &start(), &[]), &expected);
    }
    let alpha = "`alpha` is 1.5, expected a number above 0, at most 1";
    check(SlowWeights::new(Lookahead { alpha: 1.5, every: 5 }, &start()), alpha);
    let mut slow = SlowWeights::new(Lookahead { alpha: 0.5, every: 1 }, &start()).unwrap();
    check(slow.set_alpha(-0.5), "`alpha` is -0.5, expected a number from 0 to 1");
    check(Lookahead { alpha: 0.5, every: 0 }.validate(), &format!("`every` is 0, {whole}"));
    check(Sam { rho: 0.0, every: 1 }.validate(), "`rho` is 0, expected a positive number");
    check(Sam { rho: 0.1, every: 0 }.validate(), &format!("`every` is 0, {whole}"));
    for clip in [Clip::Norm(0.0), Clip::Value(0.0), Clip::Adaptive(0.0)] {
        check(clip.validate(), "`clipping limit` is 0, expected a positive number");
    }
    let samples = format!("`samples` is 0, {whole}");
    check(Accumulator::default().add(start(), 0), &samples);
}

#[test]
fn lists_that_do_not_belong_together() {
    let none = "gradients: found 0, expected 3 to match the parameters";
    let mut long = start();
    long[1] = vector(vec![0.0; 6]);
    let other = "values of gradients 1: found 6, expected 4 to match the parameters";
    let groups = [Group::with_decay(0.0); 3];

    let mut parameters = start();
    let mut state = State::new(Optimizer::Sgd(SGD), &parameters).unwrap();
    check(state.update(&mut parameters, vec![], &groups, 0.1), none);
    check(state.update(&mut parameters, long.clone(), &groups, 0.1), other);
    let two = "groups: found 2, expected 3 to match the parameters";
    check(state.update(&mut parameters, start(), &groups[..2], 0.1), two);
    check(without_frozen(start(), &groups[..2]), two);
    assert_eq!(state.steps(), 0);

    let sam = Sam { rho: 0.1, every: 1 };
    check(sam.perturb(&parameters, &[]), none);
    check(sam.perturb(&parameters, &long), other);
    let mut window = Accumulator::default();
    window.add(start(), 1).unwrap();
    check(window.add(long.clone(), 1), other);
    check(Clip::Norm(1.0).apply(vec![], &parameters, &[]), none);

    let swa = WeightAverage::Swa(Swa { from: 0, every: 1 });
    let mut average = Average::new(swa, &parameters, &[]).unwrap();
    let more = "averaged statistics: found 0, expected 3 to match the parameters";
    check(average.update(&parameters, &long), more);
    let mut slow = SlowWeights::new(Lookahead { alpha: 0.5, every: 5 }, &parameters).unwrap();
    let slow_other = "values of slow weights 1: found 4, expected 6 to match the parameters";
    check(slow.update(&mut long), slow_other);
}

#[test]
fn outputs_that_do_not_divide_a_parameter() {
    for outputs in [0, 3] {
        let units = [Units::Outputs(5), Units::Outputs(outputs), Units::Whole];
        let expected = format!(
            "parameter 1 has 4 values, which are no whole number for each of {outputs} outputs: \
             give the last axis of its shape"
        );
        check(Clip::Adaptive(0.01).apply(start(), &start(), &units), &expected);
    }
}

#[test]
fn gradients_that_are_not_finite() {
    for value in [f32::INFINITY, f32::NAN] {
        let mut gradients = start();
        gradients[1].copy_from(&[value; 4]);
        let expected = format!(
            "the norm of the gradients is {value}, expected a finite number: lower the learning \
             rate, or skip the step where a loss scaler found an overflow"
        );
        let units = [Units::Unclipped; 3];
        check(Clip::Value(1.0).apply(gradients.clone(), &start(), &units), &expected);
        check(Sam { rho: 0.1, every: 1 }.perturb(&start(), &gradients), &expected);
    }
}

#[test]
fn a_momentum_that_cannot_be_set() {
    let plain = Optimizer::Sgd(Sgd { momentum: 0.0, ..SGD });
    let mut state = State::new(plain, &start()).unwrap();
    check(
        state.set_momentum(0.9),
        "the momentum cannot become 0.9: the optimiser was made without one; give it a `momentum` \
         above 0 to start from",
    );
    check(state.set_momentum(1.0), &format!("`momentum` is 1, expected {SHARE}"));
}

#[test]
fn saved_values_of_other_parameters() {
    let mut state = State::new(Optimizer::AdamW(ADAMW), &start()).unwrap();
    check(
        state.restore(1, |_, _| Ok::<_, Error>(vec![0.0; 5])),
        "saved values of exp_avg 1: found 5, expected 4 to match the parameters",
    );
}
