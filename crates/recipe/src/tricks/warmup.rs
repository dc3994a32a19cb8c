//! A learning rate that rises from a small value to its peak.

use serde::{Deserialize, Serialize};
use trickbag_schedules::Duration;

use super::{Card, Effect, Slot, check_below_peak};
use crate::number::short;
use crate::plan::{Draft, Ramp};
use crate::problem::{Fault, Problem};

/// Raises the learning rate in a line from `from` to its peak, update by update:
/// `Warmup(epochs: 5)`.
///
/// The length is exactly one of `epochs`, `steps` and `fraction`, and shorter than the training.
///
/// Source: Goyal et al. 2017 (arXiv 1706.02677), section 2.2; Bag of Tricks (arXiv 1812.01187),
/// section 3.1.
///
/// Convention: step t of m, counted from 0, has from + (peak - from) * t/m; it moves with every
/// update, never with the epoch. (Goyal et al. start from the rate before linear scaling,
/// torchvision from 0.01 times the peak, timm from 1e-5.)
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warmup {
    /// Length in passes over the training set; parts of an epoch are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<f64>,
    /// Length in updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Length as a share of the whole training, between 0 and 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// The learning rate of the first update: absolute, at least 0 and below the peak.
    #[serde(default)]
    pub from: f64,
}

const LENGTHS: &[&str] = &["epochs", "steps", "fraction"];

impl Warmup {
    /// The length, and the field that gives it.
    pub(crate) fn duration(&self) -> Result<(Duration, &'static str), Fault> {
        let given: Vec<_> = [
            self.epochs.map(|epochs| (Duration::Epochs(epochs), "epochs")),
            self.steps.map(|steps| (Duration::Steps(steps), "steps")),
            self.fraction.map(|share| (Duration::Fraction(share), "fraction")),
        ]
        .into_iter()
        .flatten()
        .collect();
        match given[..] {
            [length] => Ok(length),
            _ => {
                let given = given.iter().map(|(_, field)| *field).collect();
                Err(Problem::NotOne { owner: "Warmup", choices: LENGTHS, given }.at(""))
            }
        }
    }
}

pub(super) const CARD: Card = Card {
    name: "Warmup",
    slot: Slot::Warmup,
    source: "Goyal et al. 2017, 2.2; Bag of Tricks, 3.1",
    line: "Warmup(epochs: 5)",
    what: "Raises the learning rate in a line from `from` to its peak. At first the parameters are \
           random and gradients large and unlike each other; a large rate then throws the network \
           to where it does not come back from.",
    convention: "Step t of m, counted from 0, has from + (peak - from) * t/m; it moves with every \
                 update, never with the epoch (gluon's log of ResNet-50-v1d). Goyal et al. start \
                 from the rate before linear scaling, torchvision from 0.01 times the peak, timm \
                 from 1e-5.",
    measured: "ResNet-50 on ImageNet, on top of linear scaling, about: 75.87 to 76.03 at batch \
               256, 75.17 to 75.93 at 1024 (Bag of Tricks, 3.1). ResNet-18 on CIFAR-10, one seed: \
               93.10 to 93.18 in 90 epochs (a public re-run).",
    hurts: "It takes updates at a low rate: five epochs of a training of ten are half of it. At \
            small batches and moderate rates expect no difference.",
    changes: &["learning_rate"],
};

impl Effect for Warmup {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let (duration, field) = self.duration()?;
        let steps = draft.steps(duration, field)?;
        let total = draft.clock.total_steps;
        if steps >= total {
            let fault = Problem::TooLong { phase: "warmup", steps, total }.at(field);
            return Err(fault.with(Some("epochs".to_owned())));
        }
        check_below_peak(draft, "from", self.from)?;
        draft.warmup = Some(Ramp { steps, from: self.from });
        Ok(format!("{} to {} in {steps} steps", self.from, short(draft.peak)))
    }
}

#[cfg(test)]
mod tests {
    use trickbag_schedules::Clock;

    use super::*;
    use crate::tricks::tests::{check, check_on};

    #[test]
    fn each_unit_gives_its_steps() {
        let epochs = Warmup { epochs: Some(2.0), ..Warmup::default() };
        let steps = Warmup { steps: Some(20), ..Warmup::default() };
        let fraction = Warmup { fraction: Some(0.2), ..Warmup::default() };
        for warmup in [epochs, steps, fraction] {
            let draft = check(&warmup, Ok("0 to 0.1 in 20 steps"));
            assert_eq!(draft.rates([0, 5, 20, 99]), [0.0, 0.025, 0.1, 0.1]);
        }
        let from = Warmup { from: 0.05, ..steps };
        assert_eq!(check(&from, Ok("0.05 to 0.1 in 20 steps")).rates([0, 20]), [0.05, 0.1]);
    }

    #[test]
    fn impossible_warmups_are_refused() {
        let none = Warmup::default();
        let refused = "`Warmup` needs exactly one of `epochs`, `steps`, `fraction`, found none";
        check(&none, Err(("", refused)));
        let refused = "the warmup takes 100 steps, but the whole training has only 100";
        check(&Warmup { steps: Some(100), ..none }, Err(("steps", refused)));
        let refused = "`fraction` comes to 0 steps";
        check(&Warmup { fraction: Some(0.004), ..none }, Err(("fraction", refused)));
        let refused = "`from` is 0.1, expected a rate of at least 0 and below the peak, 0.1";
        check(&Warmup { steps: Some(1), from: 0.1, ..none }, Err(("from", refused)));
    }

    /// The log of gluon's ResNet-50-v1d: batch 1024, peak 0.4, 5 epochs of 1251 updates.
    #[test]
    fn the_rates_are_those_of_a_published_log() {
        let clock = Clock { steps_per_epoch: 1251, total_steps: 120 * 1251 };
        let draft = Draft { clock, peak: 0.4, ..Draft::example() };
        let warmup = Warmup { epochs: Some(5.0), ..Warmup::default() };
        let draft = check_on(draft, &warmup, Ok("0 to 0.4 in 6255 steps"));
        let logged = [0.003133, 0.006331, 0.009528];
        for (rate, logged) in draft.rates([49, 99, 149]).into_iter().zip(logged) {
            assert!((rate - logged).abs() < 1e-6, "{rate} {logged}");
        }
    }
}
