//! Trainings of three small vectors, as the file `goldens/trajectories.safetensors` describes them.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test uses a part of it

#[path = "../../../ops/tests/device/mod.rs"]
pub mod device;
#[path = "../../../ops/tests/golden/mod.rs"]
pub mod golden;

use device::to;
use dfdx::prelude::*;
use golden::fill;
use serde::Deserialize;
use trickbag_ops::{Descent, Vector};
use trickbag_optim::{Error, Lookahead, Optimizer, Sam, Slot, SlowWeights, State};
use trickbag_param_groups::{Group, Lars};

pub const NAMES: [&str; 3] = ["first", "second", "bias"];
pub const SIZES: [usize; 3] = [5, 4, 3];

#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub optimizer: Optimizer,
    gradient: Gradient,
    pub lr: Vec<f64>,
    groups: Vec<GroupCase>,
    lookahead: Option<Lookahead>,
    sam: Option<Sam>,
    momentum: Option<Vec<f64>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Gradient {
    Formula,
    Quadratic,
    Wave,
}

#[derive(Deserialize)]
struct GroupCase {
    parameters: Vec<String>,
    lr_multiplier: f64,
    weight_decay: f64,
    lars: Lars,
}

/// A training of a case, and all that it carries from step to step.
#[derive(Clone)]
pub struct Training<D: Descent> {
    pub parameters: Vec<Vector<f32, D>>,
    pub state: State<D>,
    slow: Option<SlowWeights<D>>,
}

impl<D: Descent> Training<D> {
    pub fn new(case: &Case, dev: &D) -> Self {
        let parameters = start_on(dev);
        let state = State::new(case.optimizer, &parameters).unwrap();
        let slow = case.lookahead.map(|settings| SlowWeights::new(settings, &parameters).unwrap());
        Self { parameters, state, slow }
    }

    pub fn step(&mut self, case: &Case, step: usize) {
        let mut gradients = case.gradients(step, &self.parameters);
        if let Some(sam) = case.sam.filter(|sam| sam.applies(step as u64)) {
            let climbed = sam.perturb(&self.parameters, &gradients).unwrap();
            gradients = case.gradients(step, &climbed);
        }
        if let Some(momentum) = &case.momentum {
            self.state.set_momentum(momentum[step]).unwrap();
        }
        let lr = case.lr[step];
        self.state.update(&mut self.parameters, gradients, &case.groups(), lr).unwrap();
        if let Some(slow) = &mut self.slow {
            slow.update(&mut self.parameters).unwrap();
        }
    }

    /// The training as it is after it was saved and loaded.
    pub fn saved_and_loaded(self, case: &Case) -> Self {
        let dev = self.parameters[0].device();
        let mut loaded = Self { parameters: copied(&self.parameters), ..Self::new(case, dev) };
        let slots = self.state.slots();
        loaded.state.restore(self.state.steps(), from(slots)).unwrap();
        if let (Some(slow), Some(saved)) = (&mut loaded.slow, &self.slow) {
            slow.restore(saved.updates(), from(saved.slots())).unwrap();
        }
        loaded
    }
}

impl Case {
    pub fn groups(&self) -> Vec<Group> {
        let group = |name: &str| {
            let of = |g: &&GroupCase| g.parameters.iter().any(|p| p == name);
            let &GroupCase { lr_multiplier, weight_decay, lars, .. } =
                self.groups.iter().find(of).unwrap();
            Group { lr_multiplier, lars, ..Group::with_decay(weight_decay) }
        };
        NAMES.map(group).to_vec()
    }

    fn gradients<D: Descent>(
        &self,
        step: usize,
        parameters: &[Vector<f32, D>],
    ) -> Vec<Vector<f32, D>> {
        let gradient = |(name, parameter): (&str, &Vector<f32, D>)| {
            let (len, dev) = (parameter.shape().0, parameter.device());
            let target = fill(&format!("{name}/target"), len, 0.0, 1.0);
            match self.gradient {
                Gradient::Formula => {
                    to(dev, fill(&format!("{name}/gradient/{step}"), len, 0.0, 1.0))
                }
                Gradient::Quadratic => parameter.clone() - to(dev, target),
                Gradient::Wave => parameter.clone().sin() * to(dev, target),
            }
        };
        NAMES.into_iter().zip(parameters).map(gradient).collect()
    }
}

/// What was saved under a slot's name, at an index.
pub fn from<D: Descent>(
    slots: &[Slot<D>],
) -> impl FnMut(&'static str, usize) -> Result<Vec<f32>, Error> + use<'_, D> {
    |name, index| {
        let slot = slots.iter().find(|slot| slot.name == name).unwrap();
        Ok(slot.values[index].as_vec())
    }
}

pub fn vector(values: Vec<f32>) -> Vector<f32, Cpu> {
    to(&Cpu::default(), values)
}

/// In memory of their own.
pub fn copied<D: Descent>(vectors: &[Vector<f32, D>]) -> Vec<Vector<f32, D>> {
    vectors.iter().map(|v| to(v.device(), v.as_vec())).collect()
}

pub fn start() -> Vec<Vector<f32, Cpu>> {
    start_on(&Cpu::default())
}

pub fn start_on<D: Descent>(dev: &D) -> Vec<Vector<f32, D>> {
    NAMES.iter().zip(SIZES).map(|(name, len)| to(dev, fill(name, len, 0.0, 1.0))).collect()
}

pub fn values<D: Descent>(vectors: &[Vector<f32, D>]) -> Vec<Vec<f32>> {
    vectors.iter().map(|v| v.as_vec()).collect()
}
