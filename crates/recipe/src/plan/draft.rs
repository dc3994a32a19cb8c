//! A plan in the making: the numbers that tricks may still change.

use std::collections::BTreeMap;
use std::path::PathBuf;

use trickbag_data::{
    Augment, Facts, LabelNoise, Normalize, Order, ProgressiveResizing, Subset, View,
};
use trickbag_losses::{CrossEntropy, Mixing};
use trickbag_models::{Architecture, Extras, Network, ZeroGamma};
use trickbag_optim::{Clip, Lookahead, Optimizer, Sam, WeightAverage};
use trickbag_param_groups::Rule;
use trickbag_precision::{LossScaling, Policy};
use trickbag_schedules::{Clock, Duration, Schedule};

use super::Loss;
use crate::problem::{Fault, Problem};
use crate::recipe::Recipe;
use crate::tricks::Slot;

/// What tricks see and write. It starts as the baseline: no trick at all.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Of the images that are trained on.
    pub(crate) facts: Facts,
    pub(crate) clock: Clock,
    pub(crate) batch_size: usize,
    pub(crate) epochs: u64,
    pub(crate) augment: Vec<Augment>,
    pub(crate) subset: Option<Subset>,
    pub(crate) label_noise: Option<LabelNoise>,
    /// Height and width of training images.
    pub(crate) train_size: [usize; 2],
    pub(crate) progressive_resizing: Option<ProgressiveResizing>,
    /// What evaluation sees of an image.
    pub(crate) test_views: Vec<View>,
    pub(crate) architecture: Architecture,
    /// As the recipe has it.
    pub(crate) optimizer: Optimizer,
    pub(crate) normalize: Normalize,
    /// What is added to the architecture.
    pub(crate) extras: Extras,
    /// The largest learning rate.
    pub(crate) peak: f64,
    pub(crate) warmup: Option<Ramp>,
    /// From the peak on; its clock starts after the warmup. Constant when there is none.
    pub(crate) decay: Option<Schedule>,
    /// That of the optimiser when there is none.
    pub(crate) momentum: Option<Schedule>,
    pub(crate) targets: CrossEntropy,
    pub(crate) loss: Loss,
    pub(crate) rules: Vec<Rule>,
    /// Freezes that can end.
    pub(crate) freezes: Vec<Rule>,
    /// The step at which they end.
    pub(crate) unfreeze_at: Option<u64>,
    pub(crate) zero_gamma: ZeroGamma,
    pub(crate) precision: Policy,
    pub(crate) loss_scaling: LossScaling,
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
    /// No trick at all, for a recipe whose data set has these facts.
    ///
    /// # Errors
    ///
    /// A batch or a number of epochs that does not make an update.
    pub(crate) fn baseline(recipe: &Recipe, facts: Facts) -> Result<Self, Fault> {
        let Recipe { batch_size, epochs, optimizer, .. } = *recipe;
        Ok(Self {
            facts,
            normalize: recipe.normalize.clone().unwrap_or_else(|| recipe.data.normalize()),
            clock: clock(batch_size, epochs, facts.train_len)?,
            batch_size,
            epochs,
            augment: recipe.augment.clone(),
            subset: None,
            label_noise: None,
            train_size: [facts.height, facts.width],
            progressive_resizing: None,
            test_views: vec![View::PLAIN],
            architecture: recipe.model.clone(),
            optimizer,
            extras: Extras::default(),
            peak: optimizer.lr(),
            warmup: None,
            decay: None,
            momentum: None,
            targets: CrossEntropy::default(),
            loss: Loss::default(),
            rules: Vec::new(),
            freezes: Vec::new(),
            unfreeze_at: None,
            zero_gamma: ZeroGamma::default(),
            precision: Policy::default(),
            loss_scaling: LossScaling::default(),
            mixing: Mixing::default(),
            clip: None,
            order: Order::default(),
            init_from: None,
            micro_batch: recipe.batch_size,
            sam: None,
            lookahead: None,
            average: None,
            writers: BTreeMap::new(),
        })
    }

    /// Trains on a part of the images, which makes an epoch shorter.
    pub(crate) fn reduce(&mut self, subset: Subset) -> Result<(), Fault> {
        let train_len = subset.train_len(self.facts.train_len);
        self.clock = clock(self.batch_size, self.epochs, train_len)?;
        self.facts.train_len = train_len;
        self.subset = Some(subset);
        Ok(())
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

    /// Checks that images of this height and width can be changed as the recipe says, and can go
    /// through the network.
    pub(crate) fn check_size(&self, [height, width]: [usize; 2]) -> Result<(), Problem> {
        let facts = Facts { height, width, ..self.facts };
        Augment::check_all(&self.augment, &facts).map_err(Problem::Data)?;
        let network = self.network().map_err(Problem::Model)?;
        network.macs(height, width).map(drop).map_err(|error| {
            let reason = error.to_string();
            Problem::TrainSize { height, width, reason }
        })
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

fn clock(batch_size: usize, epochs: u64, train_len: usize) -> Result<Clock, Fault> {
    let at_batch_size = |error| Err(Problem::Data(error).at("batch_size"));
    if batch_size == 0 {
        return at_batch_size(trickbag_data::Error::BatchSizeZero);
    }
    if batch_size > train_len {
        return at_batch_size(trickbag_data::Error::BatchTooLarge { batch_size, train_len });
    }
    let steps_per_epoch = (train_len / batch_size) as u64;
    match steps_per_epoch.checked_mul(epochs) {
        Some(total_steps) if total_steps > 0 => Ok(Clock { steps_per_epoch, total_steps }),
        _ => {
            let expected = "at least 1, and a number of updates below 2^64";
            Err(Problem::impossible("epochs", epochs, expected).at("epochs"))
        }
    }
}

#[cfg(test)]
impl Draft {
    /// 10 epochs of 10 steps, 512 images of 224 x 224 a step, learning rate 0.1, ResNet-50-A for 10
    /// classes.
    pub(crate) fn example() -> Self {
        let text = "(name: \"example\", seed: 1, data: Mnist10k, batch_size: 512, epochs: 10,
            model: ResNet(depth: 50, variant: A, width: 8),
            normalize: (mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]),
            optimizer: Sgd(lr: 0.1, momentum: 0.9, weight_decay: 1e-4))";
        let recipe = crate::recipe::options().from_str(text).unwrap();
        let (height, width, channels) = (224, 224, 3);
        let facts = Facts { train_len: 5120, val_len: 512, classes: 10, height, width, channels };
        Self::baseline(&recipe, facts).unwrap()
    }

    /// The learning rate at each of `steps`.
    pub(crate) fn rates<const N: usize>(&self, steps: [u64; N]) -> [f64; N] {
        let schedule = self.learning_rate().unwrap();
        steps.map(|step| schedule.at(step))
    }
}
