//! Twenty steps of every optimiser against PyTorch.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../ops/tests/golden/mod.rs"]
mod golden;

use dfdx::prelude::*;
use golden::{Golden, close, fill};
use serde::Deserialize;
use trickbag_ops::Vector;
use trickbag_optim::{AdamW, Error, Optimizer, Sgd, State};
use trickbag_param_groups::{Group, Training};

const NAMES: [&str; 3] = ["first", "second", "bias"];
const SIZES: [usize; 3] = [5, 4, 3];

#[derive(Deserialize)]
struct Case {
    name: String,
    optimizer: String,
    gradient: String,
    lr: Vec<f64>,
    groups: Vec<GroupCase>,
    #[serde(default)]
    momentum: f64,
    #[serde(default)]
    nesterov: bool,
    #[serde(default)]
    betas: (f64, f64),
    #[serde(default)]
    eps: f64,
}

#[derive(Deserialize)]
struct GroupCase {
    parameters: Vec<String>,
    lr_multiplier: f64,
    weight_decay: f64,
}

impl Case {
    fn optimizer(&self) -> Optimizer {
        let (momentum, nesterov) = (self.momentum, self.nesterov);
        match self.optimizer.as_str() {
            "sgd" => Optimizer::Sgd(Sgd { lr: 1.0, momentum, nesterov, weight_decay: 0.0 }),
            "adamw" => Optimizer::AdamW(AdamW {
                lr: 1.0,
                betas: self.betas,
                eps: self.eps,
                weight_decay: 0.0,
            }),
            other => panic!("{other}"),
        }
    }

    fn groups(&self) -> Vec<Group> {
        let group = |name: &str| {
            let of = |g: &&GroupCase| g.parameters.iter().any(|p| p == name);
            let group = self.groups.iter().find(of).unwrap();
            Group { lr_multiplier: group.lr_multiplier, ..Group::with_decay(group.weight_decay) }
        };
        NAMES.map(group).to_vec()
    }

    fn gradients(&self, step: usize, parameters: &[Vector<f32, Cpu>]) -> Vec<Vector<f32, Cpu>> {
        let gradient = |(name, parameter): (&str, &Vector<f32, Cpu>)| match self.gradient.as_str() {
            "formula" => {
                vector(fill(&format!("{name}/gradient/{step}"), parameter.shape().0, 0.0, 1.0))
            }
            _ => {
                let target = fill(&format!("{name}/target"), parameter.shape().0, 0.0, 1.0);
                parameter.clone() - vector(target)
            }
        };
        NAMES.into_iter().zip(parameters).map(gradient).collect()
    }
}

fn vector(values: Vec<f32>) -> Vector<f32, Cpu> {
    let shape = (values.len(),);
    Cpu::default().tensor_from_vec(values, shape)
}

fn start() -> Vec<Vector<f32, Cpu>> {
    NAMES.iter().zip(SIZES).map(|(name, len)| vector(fill(name, len, 0.0, 1.0))).collect()
}

#[test]
fn trajectories_agree_with_pytorch() {
    let golden = Golden::<Case>::read("tests/goldens/trajectories.safetensors");
    for case in &golden.cases {
        let mut parameters = start();
        let mut state = State::new(case.optimizer(), &parameters).unwrap();
        for (step, &lr) in case.lr.iter().enumerate() {
            let gradients = case.gradients(step, &parameters);
            state.update(&mut parameters, gradients, &case.groups(), lr).unwrap();
            for (name, parameter) in NAMES.iter().zip(&parameters) {
                let tensor = format!("{}/{name}", case.name);
                let len = parameter.shape().0;
                let rows = golden.get(&tensor).unwrap();
                let expected = &rows[step * len..(step + 1) * len];
                close(&format!("{tensor} step {step}"), &parameter.as_vec(), expected, 1e-5);
            }
        }
    }
}

/// Saving and loading after any step gives the same bits as going on.
#[test]
fn restoring_at_every_step_changes_nothing() {
    let golden = Golden::<Case>::read("tests/goldens/trajectories.safetensors");
    for case in &golden.cases {
        let mut parameters = start();
        let mut state = State::new(case.optimizer(), &parameters).unwrap();
        let (mut other_parameters, mut other) = (start(), state.clone());
        for (step, &lr) in case.lr.iter().enumerate() {
            let gradients = case.gradients(step, &parameters);
            state.update(&mut parameters, gradients.clone(), &case.groups(), lr).unwrap();
            other.update(&mut other_parameters, gradients, &case.groups(), lr).unwrap();
            let saved = other.clone();
            other = State::new(case.optimizer(), &other_parameters).unwrap();
            let values = |slot: &str, index: usize| -> Result<_, Error> {
                let slot = saved.slots().iter().find(|s| s.name == slot).unwrap();
                Ok(slot.values[index].as_vec())
            };
            other.restore(saved.steps(), values).unwrap();
            for (a, b) in parameters.iter().zip(&other_parameters) {
                assert_eq!(a.as_vec(), b.as_vec(), "{} step {step}", case.name);
            }
        }
    }
}

#[test]
fn frozen_parameters_stay() {
    let mut parameters = start();
    let sgd = Sgd { lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.0 };
    let mut state = State::new(Optimizer::Sgd(sgd), &parameters).unwrap();
    let mut groups = vec![Group::with_decay(0.1); 3];
    groups[1].training = Training::Frozen;
    let gradients = start();
    state.update(&mut parameters, gradients, &groups, 0.1).unwrap();
    let moved: Vec<_> =
        parameters.iter().zip(start()).map(|(a, b)| a.as_vec() != b.as_vec()).collect();
    assert_eq!(moved, [true, false, true]);
    assert_eq!(state.slots()[0].values[1].as_vec(), [0.0; 4]);
}

#[test]
fn refuses_what_does_not_fit() {
    let sgd = Sgd { lr: 0.1, momentum: 0.9, nesterov: false, weight_decay: 0.0 };
    let adamw = AdamW { lr: 0.1, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0 };
    let cases = [
        (Optimizer::Sgd(Sgd { lr: 0.0, ..sgd }), "`lr` is 0, expected a positive number"),
        (Optimizer::Sgd(Sgd { lr: f64::NAN, ..sgd }), "`lr` is NaN, expected a positive number"),
        (
            Optimizer::Sgd(Sgd { momentum: 1.0, ..sgd }),
            "`momentum` is 1, expected a number from 0 up to, but not including, 1",
        ),
        (
            Optimizer::Sgd(Sgd { momentum: 0.0, nesterov: true, ..sgd }),
            "`nesterov` needs a `momentum` above 0: set one, for instance 0.9",
        ),
        (
            Optimizer::Sgd(Sgd { weight_decay: -1.0, ..sgd }),
            "`weight_decay` is -1, expected 0 or a positive number",
        ),
        (
            Optimizer::AdamW(AdamW { betas: (0.9, 1.0), ..adamw }),
            "`betas` is 1, expected a number from 0 up to, but not including, 1",
        ),
        (Optimizer::AdamW(AdamW { eps: 0.0, ..adamw }), "`eps` is 0, expected a positive number"),
    ];
    for (optimizer, expected) in cases {
        assert_eq!(optimizer.validate().unwrap_err().to_string(), expected);
    }
    let mut parameters = start();
    let mut state = State::new(Optimizer::Sgd(sgd), &parameters).unwrap();
    let error = state.update(&mut parameters, vec![], &[], 0.1).unwrap_err();
    assert_eq!(error.to_string(), "gradients: found 0, expected 3 to match the parameters");
}
