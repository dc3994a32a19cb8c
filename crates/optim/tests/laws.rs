//! What holds for every optimiser, average and pair of slow weights.
#![allow(clippy::unwrap_used)]

mod trajectory;

use dfdx::dtypes::Dtype;
use rayon::ThreadPoolBuilder;
use trajectory::device::{Work, on_each_device};
use trajectory::golden::{Golden, fill};
use trajectory::{Case, Training, copied, from, start, values, vector};
use trickbag_ops::Backend;
use trickbag_optim::{
    Accumulator, Average, Clip, Decay, DecayWarmup, Ema, Lamb, Lars, Lookahead, Optimizer, RmsProp,
    Sam, Sgd, SlowWeights, State, Swa, Units, WeightAverage, norm, without_frozen,
};
use trickbag_param_groups::{self as param_groups, Group};

const SGD: Sgd =
    Sgd { lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.0, decay: Decay::Coupled };
const LARS: Lars =
    Lars { lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.0, trust_coefficient: 0.001 };

fn cases() -> Vec<Case> {
    Golden::read("tests/goldens/trajectories.safetensors").cases
}

#[derive(Clone, Copy)]
struct SavedAndLoaded;

impl Work for SavedAndLoaded {
    type Output = ();

    fn on<E: Dtype, D: Backend<E>>(self, dev: &D) {
        for case in &cases() {
            let (mut one, mut other) = (Training::new(case, dev), Training::new(case, dev));
            for step in 0..case.lr.len() {
                one.step(case, step);
                other.step(case, step);
                other = other.saved_and_loaded(case);
                let (one, other) = (values(&one.parameters), values(&other.parameters));
                assert_eq!(one, other, "{} step {step}", case.name);
            }
        }
    }
}

/// Saving and loading after any step gives the same bits as going on.
#[test]
fn saving_and_loading_at_every_step_changes_nothing() {
    on_each_device(SavedAndLoaded);
}

#[test]
fn saving_and_loading_an_average_changes_nothing() {
    let warmup = DecayWarmup::Power(0.75);
    let settings = [
        WeightAverage::Ema(Ema { decay: 0.9, warmup, every: 1 }),
        WeightAverage::Ema(Ema { decay: 0.5, warmup: DecayWarmup::Off, every: 3 }),
        WeightAverage::Swa(Swa { from: 2, every: 2 }),
    ];
    for settings in settings {
        let new = || Average::new(settings, &start(), &start()[2..]).unwrap();
        let (mut one, mut other) = (new(), new());
        for update in 0..10 {
            let moved: Vec<_> = start().into_iter().map(|p| p + update as f32).collect();
            for average in [&mut one, &mut other] {
                average.update(&moved, &moved[2..]).unwrap();
            }
            let slots = other.slots().to_vec();
            let updates = other.updates();
            other = new();
            other.restore(updates, from(&slots)).unwrap();
            let found = |average: &Average<_>| {
                average.values().map(|found| (values(found.parameters), values(found.statistics)))
            };
            assert_eq!(found(&one), found(&other), "{settings:?} update {update}");
        }
        assert!(one.values().is_some());
    }
}

/// A step is the same on any number of threads, to the bit.
#[test]
fn threads_change_nothing() {
    let len = 50_000;
    let parameters = [vector(fill("long", len, 0.0, 1.0)), vector(fill("short", 7, 0.0, 1.0))];
    let gradients =
        [vector(fill("long/gradient", len, 0.0, 1.0)), vector(fill("other", 7, 0.0, 1.0))];
    let betas = (0.9, 0.999);
    let optimizers = [
        Optimizer::Sgd(SGD),
        Optimizer::Lars(LARS),
        Optimizer::Lamb(Lamb { lr: 0.1, betas, eps: 1e-6, weight_decay: 0.1 }),
        Optimizer::RmsProp(RmsProp {
            lr: 0.1,
            alpha: 0.9,
            eps: 1e-8,
            momentum: 0.9,
            weight_decay: 0.1,
        }),
    ];
    for optimizer in optimizers {
        let run = || {
            let mut parameters = copied(&parameters);
            let mut state = State::new(optimizer, &parameters).unwrap();
            let units = [Units::Outputs(100), Units::Whole];
            let groups = [Group::with_decay(0.1); 2];
            for clip in [Clip::Norm(0.5), Clip::Value(0.1), Clip::Adaptive(0.01)] {
                let (gradients, _) = clip.apply(gradients.to_vec(), &parameters, &units).unwrap();
                let climbed = Sam { rho: 0.1, every: 1 }.perturb(&parameters, &gradients).unwrap();
                state.update(&mut parameters, climbed, &groups, 0.1).unwrap();
            }
            values(&parameters)
        };
        let on =
            |threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
        assert_eq!(on(1), on(3), "{optimizer:?}");
    }
}

#[test]
fn frozen_parameters_stay() {
    for case in &cases() {
        let mut parameters = start();
        let mut state = State::new(case.optimizer, &parameters).unwrap();
        let mut groups = vec![Group::with_decay(0.1); 3];
        groups[1].training = param_groups::Training::Frozen;
        state.update(&mut parameters, start(), &groups, 0.1).unwrap();
        let moved = parameters.iter().zip(start()).map(|(a, b)| a.as_vec() != b.as_vec());
        assert_eq!(moved.collect::<Vec<_>>(), [true, false, true], "{}", case.name);
        for slot in state.slots() {
            assert_eq!(slot.values[1].as_vec(), [0.0; 4], "{} {}", case.name, slot.name);
        }
    }
}

#[test]
fn frozen_parameters_do_not_count_in_a_norm() {
    let mut groups = vec![Group::with_decay(0.0); 3];
    groups[1].training = param_groups::Training::Frozen;
    let gradients = without_frozen(start(), &groups).unwrap();
    let [kept, all] = [norm(&gradients).unwrap(), norm(&start()).unwrap()];
    let frozen = norm(&start()[1..2]).unwrap();
    assert!((kept * kept - (all * all - frozen * frozen)).abs() < 1e-9);
}

#[test]
fn what_is_unclipped_stays() {
    let units = [Units::Unclipped, Units::Whole, Units::Outputs(3)];
    let (clipped, _) = Clip::Adaptive(1e-3).apply(start(), &start(), &units).unwrap();
    let moved = clipped.iter().zip(start()).map(|(a, b)| a.as_vec() != b.as_vec());
    assert_eq!(moved.collect::<Vec<_>>(), [false, true, true]);
}

/// LARS without its ratio is SGD: for excluded parameters, and where weights or gradients are zero.
#[test]
fn lars_falls_back_to_sgd() {
    let zeros = || start().into_iter().map(|p| p * 0.0).collect::<Vec<_>>();
    let included = Group::with_decay(0.1);
    let excluded = Group { lars: param_groups::Lars::Excluded, ..included };
    let cases =
        [(start(), start(), excluded), (zeros(), start(), included), (start(), zeros(), included)];
    for (parameters, gradients, group) in cases {
        let moved = |optimizer| {
            let mut parameters = copied(&parameters);
            let mut state = State::new(optimizer, &parameters).unwrap();
            state.update(&mut parameters, gradients.clone(), &[group; 3], 0.1).unwrap();
            values(&parameters).concat()
        };
        let pairs = moved(Optimizer::Lars(LARS)).into_iter().zip(moved(Optimizer::Sgd(SGD)));
        pairs.for_each(|(lars, sgd)| assert!((lars - sgd).abs() < 1e-7, "{lars}, expected {sgd}"));
    }
}

/// Slow weights that do not move take the parameters back; those that go all the way let them go.
#[test]
fn a_set_alpha_acts() {
    let moved: Vec<_> = start().into_iter().map(|p| p + 1.0).collect();
    for (alpha, expected) in [(0.0, start()), (1.0, moved.clone())] {
        let mut slow = SlowWeights::new(Lookahead { alpha: 0.5, every: 1 }, &start()).unwrap();
        slow.set_alpha(alpha).unwrap();
        let mut parameters = moved.clone();
        slow.update(&mut parameters).unwrap();
        let pairs = values(&parameters).concat().into_iter().zip(values(&expected).concat());
        pairs.for_each(|(found, expected)| assert!((found - expected).abs() < 1e-6, "{alpha}"));
    }
}

/// However the samples of an update are cut, their mean gradient is the same.
#[test]
fn accumulation_means_by_samples() {
    let samples: Vec<f32> = fill("samples", 12, 0.0, 1.0);
    let mean_of = |part: &[f32]| vector(vec![part.iter().sum::<f32>() / part.len() as f32]);
    let whole = mean_of(&samples).as_vec()[0];
    for cuts in [&[12][..], &[4, 4, 4], &[5, 5, 2], &[1; 12], &[11, 1]] {
        let mut window = Accumulator::default();
        let mut rest = &samples[..];
        for &cut in cuts {
            let (part, others) = rest.split_at(cut);
            window.add(vec![mean_of(part)], cut as u64).unwrap();
            rest = others;
        }
        assert_eq!(window.samples(), 12);
        let found = window.take()[0].as_vec()[0];
        assert!((found - whole).abs() < 1e-6, "{cuts:?}: {found}, expected {whole}");
    }
}

/// The mean of equal gradients is these gradients, to the bit; so is an average of equal parameters.
#[test]
fn means_of_the_same_are_the_same() {
    let mut window = Accumulator::default();
    for samples in [3, 1, 7] {
        window.add(start(), samples).unwrap();
    }
    assert_eq!(values(&window.take()), values(&start()));
    let warmup = DecayWarmup::Power(0.5);
    let settings = WeightAverage::Ema(Ema { decay: 0.9999, warmup, every: 1 });
    let mut average = Average::new(settings, &start(), &[]).unwrap();
    for _ in 0..50 {
        average.update(&start(), &[]).unwrap();
    }
    assert_eq!(values(average.values().unwrap().parameters), values(&start()));
}
