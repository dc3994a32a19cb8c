//! A plan in the making: the numbers that tricks may still change.

use std::collections::BTreeMap;
use std::path::PathBuf;

use trickbag_data::{Facts, Normalize, Order};
use trickbag_losses::{CrossEntropy, Mixing};
use trickbag_models::{Architecture, Extras, Network, ZeroGamma};
use trickbag_optim::{Clip, Lookahead, Sam, WeightAverage};
use trickbag_param_groups::Rule;
use trickbag_precision::Policy;
use trickbag_schedules::{Clock, Duration, Schedule};

use super::Loss;
use crate::problem::{Fault, Problem};
use crate::recipe::Recipe;
use crate::tricks::Slot;

/// What tricks see and write. It starts as the baseline: no trick at all.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) clock: Clock,
    pub(crate) batch_size: usize,
    pub(crate) architecture: Architecture,
    pub(crate) facts: Facts,
    pub(crate) normalize: Normalize,
    /// What is added to the architecture.
    pub(crate) extras: Extras,
    /// The largest learning rate.
    pub(crate) peak: f64,
    pub(crate) warmup: Option<Ramp>,
    /// From the peak on; its clock starts after the warmup. Constant when there is none.
    pub(crate) decay: Option<Schedule>,
    pub(crate) targets: CrossEntropy,
    pub(crate) loss: Loss,
    pub(crate) rules: Vec<Rule>,
    pub(crate) zero_gamma: ZeroGamma,
    pub(crate) precision: Policy,
    pub(crate) mixing: Mixing,
    pub(crate) clip: Option<Clip>,
    pub(crate) order: Order,
    pub(crate) init_from: Option<PathBuf>,
    /// Images of one pass.
    pub(crate) micro_batch: usize,
    pub(crate) sam: Option<Sam>,
    pub(crate) lookahead: Option<Lookahead>,
    pub(crate) average: Option<WeightAverage>,
    /// The path of the trick that writes each slot.
    pub(crate) writers: BTreeMap<Slot, String>,
}

/// A rise of the learning rate to its peak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ramp {
    pub(crate) steps: u64,
    pub(crate) from: f64,
}

impl Draft {
    pub(crate) fn baseline(
        recipe: &Recipe,
        clock: Clock,
        facts: &Facts,
        normalize: Normalize,
    ) -> Self {
        Self {
            clock,
            batch_size: recipe.batch_size,
            architecture: recipe.model.clone(),
            facts: *facts,
            normalize,
            extras: Extras::default(),
            peak: recipe.optimizer.lr(),
            warmup: None,
            decay: None,
            targets: CrossEntropy::default(),
            loss: Loss::default(),
            rules: Vec::new(),
            zero_gamma: ZeroGamma::default(),
            precision: Policy::default(),
            mixing: Mixing::default(),
            clip: None,
            order: Order::default(),
            init_from: None,
            micro_batch: recipe.batch_size,
            sam: None,
            lookahead: None,
            average: None,
            writers: BTreeMap::new(),
        }
    }

    /// The length of `duration`, which is at least one step, for the trick's field `field`.
    pub(crate) fn steps(&self, duration: Duration, field: &'static str) -> Result<u64, Fault> {
        match duration.resolve(&self.clock) {
            Ok(0) => Err(Problem::NoSteps { field }.at(field)),
            Ok(steps) => Ok(steps),
            Err(error) => Err(Problem::Schedule(error).at(field)),
        }
    }

    /// The network with all extras so far.
    pub(crate) fn network(&self) -> Result<Network, trickbag_models::Error> {
        let Facts { channels, classes, .. } = self.facts;
        Network::with_extras(&self.architecture, &self.extras, channels, classes)
    }

    pub(crate) fn warmup_steps(&self) -> u64 {
        self.warmup.map_or(0, |ramp| ramp.steps)
    }

    pub(crate) fn steps_after_warmup(&self) -> u64 {
        self.clock.total_steps - self.warmup_steps()
    }

    /// The path of the trick that writes `slot`.
    pub(crate) fn writer(&self, slot: Slot) -> Option<String> {
        self.writers.get(&slot).cloned()
    }

    /// The whole curve, from the first update on.
    pub(crate) fn learning_rate(&self) -> Result<Schedule, Fault> {
        let decay = self.decay.clone().map_or_else(|| Schedule::constant(self.peak), Ok)?;
        Ok(match self.warmup {
            Some(Ramp { steps, from }) => decay.with_warmup(steps, from)?,
            None => decay,
        })
    }
}

#[cfg(test)]
impl Draft {
    /// 10 epochs of 10 steps, 512 images a step, learning rate 0.1, ResNet-50-A for 10 classes.
    pub(crate) fn example() -> Self {
        let text = "(name: \"example\", seed: 1, data: Mnist10k, batch_size: 512, epochs: 10,
            model: ResNet(depth: 50, variant: A, width: 8), optimizer: Sgd(lr: 0.1))";
        let recipe = crate::recipe::options().from_str(text).unwrap();
        let clock = Clock { steps_per_epoch: 10, total_steps: 100 };
        let (height, width, channels) = (32, 32, 3);
        let facts = Facts { train_len: 5120, val_len: 512, classes: 10, height, width, channels };
        let normalize = Normalize { mean: vec![0.5; 3], std: vec![0.5; 3] };
        Self::baseline(&recipe, clock, &facts, normalize)
    }

    /// The learning rate at each of `steps`.
    pub(crate) fn rates<const N: usize>(&self, steps: [u64; N]) -> [f64; N] {
        let schedule = self.learning_rate().unwrap();
        steps.map(|step| schedule.at(step))
    }
}
