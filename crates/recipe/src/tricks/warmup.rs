//! A learning rate that rises from a small value to its peak.

use serde::{Deserialize, Serialize};
use trickbag_schedules::Duration;

use super::{Effect, Slot};
use crate::error::{Fault, Problem};
use crate::plan::{Draft, Ramp};

/// Raises the learning rate in a line from `from` to its peak, update by update: `Warmup(epochs: 5)`.
///
/// The length is exactly one of `epochs`, `steps` and `fraction`, and shorter than the training.
///
/// Source: Goyal et al. 2017 (arXiv 1706.02677), section 2.2; Bag of Tricks (arXiv 1812.01187), section 3.1.
///
/// Convention: step t of m, counted from 0, has from + (peak - from) * t/m; it moves with every update, never
/// with the epoch. (Goyal et al. start from the rate before linear scaling, torchvision from 0.01 times the
/// peak, timm from 1e-5.)
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

impl Warmup {
    fn duration(&self) -> Result<(Duration, &'static str), Fault> {
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
                Err(Problem::WarmupLength { given }.at(""))
            }
        }
    }
}

impl Effect for Warmup {
    fn name(&self) -> &'static str {
        "Warmup"
    }

    fn slot(&self) -> Slot {
        Slot::Warmup
    }

    fn source(&self) -> &'static str {
        "Goyal et al. 2017, 2.2; Bag of Tricks, 3.1"
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let (duration, field) = self.duration()?;
        let steps = draft.steps(duration, field)?;
        let total = draft.clock.total_steps;
        if steps >= total {
            let fault = Problem::WarmupTooLong { steps, total }.at(field);
            return Err(fault.with(Some("epochs".to_owned())));
        }
        if !(0.0..draft.peak).contains(&self.from) {
            let expected = format!("a rate of at least 0 and below the peak, {}", draft.peak);
            return Err(Problem::impossible("from", self.from, expected).at("from"));
        }
        draft.warmup = Some(Ramp { steps, from: self.from });
        Ok(format!("{} to {} in {steps} steps", self.from, draft.peak))
    }
}
