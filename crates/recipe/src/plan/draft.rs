//! A plan in the making: the numbers that tricks may still change.

use std::collections::BTreeMap;

use trickbag_data::Order;
use trickbag_losses::{CrossEntropy, Mixing};
use trickbag_models::{Architecture, Extras, Network, ZeroGamma};
use trickbag_optim::Clip;
use trickbag_param_groups::Rule;
use trickbag_precision::Policy;
use trickbag_schedules::{Clock, Duration, Schedule};

use crate::problem::{Fault, Problem};
use crate::tricks::Slot;

/// What tricks see and write. It starts as the baseline: no trick at all.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) clock: Clock,
    pub(crate) batch_size: usize,
    pub(crate) architecture: Architecture,
    /// Of the images.
    pub(crate) channels: usize,
    pub(crate) classes: usize,
    /// What is added to the architecture.
    pub(crate) extras: Extras,
    /// The largest learning rate.
    pub(crate) peak: f64,
    pub(crate) warmup: Option<Ramp>,
    /// From the peak on; its clock starts after the warmup. Constant when there is none.
    pub(crate) decay: Option<Schedule>,
    pub(crate) loss: CrossEntropy,
    pub(crate) rules: Vec<Rule>,
    pub(crate) zero_gamma: ZeroGamma,
    pub(crate) precision: Policy,
    pub(crate) mixing: Mixing,
    pub(crate) clip: Option<Clip>,
    pub(crate) order: Order,
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
        clock: Clock,
        batch_size: usize,
        lr: f64,
        architecture: Architecture,
        [channels, classes]: [usize; 2],
    ) -> Self {
        Self {
            clock,
            batch_size,
            architecture,
            channels,
            classes,
            extras: Extras::default(),
            peak: lr,
            warmup: None,
            decay: None,
            loss: CrossEntropy::default(),
            rules: Vec::new(),
            zero_gamma: ZeroGamma::default(),
            precision: Policy::default(),
            mixing: Mixing::default(),
            clip: None,
            order: Order::default(),
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
        Network::with_extras(&self.architecture, &self.extras, self.channels, self.classes)
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
use trickbag_models::{ResNet, Stem, Variant};

#[cfg(test)]
impl Draft {
    /// 10 epochs of 10 steps, 512 images a step, learning rate 0.1, ResNet-50-A for 10 classes.
    pub(crate) fn example() -> Self {
        let clock = Clock { steps_per_epoch: 10, total_steps: 100 };
        let resnet =
            ResNet { depth: 50, stem: Stem::ImageNet, variant: Variant::A, width: Some(8) };
        Self::baseline(clock, 512, 0.1, Architecture::ResNet(resnet), [3, 10])
    }

    /// The learning rate at each of `steps`.
    pub(crate) fn rates<const N: usize>(&self, steps: [u64; N]) -> [f64; N] {
        let schedule = self.learning_rate().unwrap();
        steps.map(|step| schedule.at(step))
    }
}
