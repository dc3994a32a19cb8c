//! A learning rate that drops by a factor at regular times.

use serde::{Deserialize, Serialize};
use trickbag_schedules::{Duration, Schedule};

use super::{Effect, Slot, check_factor};
use crate::error::{Fault, Problem};
use crate::plan::Draft;

/// Multiplies the learning rate by `factor` after every `every`: `StepDecay(every: Epochs(30), factor: 0.1)`.
///
/// Source: He et al. 2015 (arXiv 1512.03385), section 3.4; the baseline of Bag of Tricks (arXiv 1812.01187),
/// section 5.1.
///
/// Convention: drops are counted from the first update of the training, the warmup included, as Goyal et al.
/// and gluon do (torchvision's reference counts from the end of the warmup); the first drop comes after
/// the warmup.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepDecay {
    /// Time between two drops.
    pub every: Duration,
    /// What a drop multiplies the learning rate by; above 0 and below 1.
    pub factor: f64,
}

impl Effect for StepDecay {
    fn name(&self) -> &'static str {
        "StepDecay"
    }

    fn slot(&self) -> Slot {
        Slot::Decay
    }

    fn source(&self) -> &'static str {
        "He et al. 2015, 3.4; Bag of Tricks, 5.1"
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        check_factor(self.factor)?;
        let every = draft.steps(self.every, "every")?;
        let warmup = draft.warmup_steps();
        if every <= warmup {
            let fault = Problem::DropInWarmup { every, warmup }.at("every");
            return Err(fault.with(draft.writer(Slot::Warmup)));
        }
        let until_first = vec![(Schedule::constant(draft.peak)?, every - warmup)];
        let from_first = Schedule::step(draft.peak * self.factor, self.factor, every)?;
        draft.decay = Some(Schedule::sequence(until_first, from_first)?);
        Ok(format!("{} times {} after every {every} steps", draft.peak, self.factor))
    }
}
