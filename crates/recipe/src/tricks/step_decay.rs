//! A learning rate that drops by a factor at regular times.

use serde::{Deserialize, Serialize};
use trickbag_schedules::{Duration, Schedule};

use super::{Card, Effect, Slot, check_factor};
use crate::number::short;
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Multiplies the learning rate by `factor` after every `every`:
/// `StepDecay(every: Epochs(30), factor: 0.1)`.
///
/// Source: Bag of Tricks (arXiv 1812.01187), section 5.1, after He et al. 2015 (arXiv 1512.03385).
///
/// Convention: drops are counted from the first update of the training, the warmup included, as
/// Goyal et al. and gluon do (torchvision's reference counts from the end of the warmup); the first
/// drop comes after the warmup.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepDecay {
    /// Time between two drops.
    pub every: Duration,
    /// What a drop multiplies the learning rate by; above 0 and below 1.
    pub factor: f64,
}

pub(super) const CARD: Card = Card {
    name: "StepDecay",
    slot: Slot::Decay,
    source: "He et al. 2015; Bag of Tricks, 5.1",
    line: "StepDecay(every: Epochs(30), factor: 0.1)",
    what: "Multiplies the learning rate by the factor at regular times. While it is constant, the \
           parameters wander in a wide valley; each drop lets them sink further.",
    convention: "Drops are counted from the first update of the training, the warmup included, as \
                 Goyal et al. and gluon do (torchvision's reference counts from the end of the \
                 warmup).",
    measured: "The baseline of Bag of Tricks and torchvision: a tenth every 30 epochs. Cosine is \
               better by about 0.7 to 0.9 points there (Bag of Tricks, 5.1).",
    hurts: "The times have to fit the length: with `every: Epochs(30)` and 30 epochs there is no \
            drop at all. A drop too early freezes what has not been learnt yet.",
    changes: &["learning_rate"],
};

impl Effect for StepDecay {
    fn card(&self) -> &'static Card {
        &CARD
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
        Ok(format!("{} times {} after every {every} steps", short(draft.peak), self.factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Ramp;
    use crate::tricks::tests::{check, check_on};

    const EVERY: StepDecay = StepDecay { every: Duration::Epochs(3.0), factor: 0.5 };

    #[test]
    fn drops_count_from_the_start_of_the_training() {
        let words = Ok("0.1 times 0.5 after every 30 steps");
        let steps = [20, 29, 30, 59, 60, 90];
        let rates = [0.1, 0.1, 0.05, 0.05, 0.025, 0.0125];
        assert_eq!(check(&EVERY, words).rates(steps), rates);

        let mut draft = Draft::example();
        draft.warmup = Some(Ramp { steps: 20, from: 0.0 });
        assert_eq!(check_on(draft, &EVERY, words).rates(steps), rates);
    }

    #[test]
    fn impossible_drops_are_refused() {
        let refused = "`factor` is 1, expected a number above 0 and below 1";
        check(&StepDecay { factor: 1.0, ..EVERY }, Err(("factor", refused)));
        let refused = "`every` comes to 0 steps";
        check(&StepDecay { every: Duration::Steps(0), ..EVERY }, Err(("every", refused)));
        let mut draft = Draft::example();
        draft.warmup = Some(Ramp { steps: 30, from: 0.0 });
        let refused = "the learning rate drops at step 30, but its warmup ends at step 30";
        check_on(draft, &EVERY, Err(("every", refused)));
    }
}
