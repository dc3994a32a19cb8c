//! A learning rate that falls smoothly by a constant ratio.

use serde::{Deserialize, Serialize};
use trickbag_schedules::{Duration, Schedule};

use super::{Effect, Slot, check_factor};
use crate::error::Fault;
use crate::plan::Draft;

/// Multiplies the learning rate by `factor` over each `every`: `ExponentialDecay(factor: 0.94, every: Epochs(2))`.
///
/// Source: Szegedy et al. 2016 (arXiv 1512.00567), section 8; Bag of Tricks (arXiv 1812.01187), section 5.1.
///
/// Convention: smooth, peak * factor^(t/every), where t counts the updates after the warmup. (TensorFlow's
/// image models often take the staircase; that is `StepDecay`.)
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExponentialDecay {
    /// What the learning rate is multiplied by over one `every`; above 0 and below 1.
    pub factor: f64,
    /// Time over which the factor applies once.
    pub every: Duration,
}

impl Effect for ExponentialDecay {
    fn name(&self) -> &'static str {
        "ExponentialDecay"
    }

    fn slot(&self) -> Slot {
        Slot::Decay
    }

    fn source(&self) -> &'static str {
        "Szegedy et al. 2016, 8; Bag of Tricks, 5.1"
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        check_factor(self.factor)?;
        let every = draft.steps(self.every, "every")?;
        draft.decay = Some(Schedule::exponential(draft.peak, self.factor, every)?);
        Ok(format!("{} times {}^(t/{every})", draft.peak, self.factor))
    }
}
