//! A learning rate that drops by a factor at chosen times.

use serde::{Deserialize, Serialize};
use trickbag_schedules::{Duration, Schedule};

use super::{Card, Effect, Slot, check_factor};
use crate::number::short;
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Multiplies the learning rate by `factor` at each of `at`:
/// `MultiStep(at: [Epochs(30), Epochs(60)], factor: 0.1)`.
///
/// Source: He et al. 2015 (arXiv 1512.03385), section 4.2.
///
/// Convention, as [`StepDecay`](super::StepDecay): times are counted from the first update of the
/// training, the warmup included, and the first comes after the warmup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiStep {
    /// When the learning rate drops, earlier times first.
    pub at: Vec<Duration>,
    /// What a drop multiplies the learning rate by; above 0 and below 1.
    pub factor: f64,
}

pub(super) const CARD: Card = Card {
    name: "MultiStep",
    slot: Slot::Decay,
    source: "He et al. 2015, 4.2",
    line: "MultiStep(at: [Epochs(100), Epochs(150)], factor: 0.1)",
    what: "Multiplies the learning rate by a factor at chosen times. Each drop lets the training \
           settle into a narrower part of the valley that it is in, after a long time at a rate \
           that explores.",
    convention: "Times count from the first update of the training, the warmup included (Goyal et al., \
                 gluon); the first update with the smaller rate is the one at that time. torchvision's \
                 reference counts from the end of the warmup.",
    measured: "He et al. 2015: ResNet-20 on CIFAR-10 has 8.75 % error with drops by 10 after 1/2 and \
               3/4 of 64,000 updates. Not measured by Trickbag.",
    hurts: "Where the training is shortened and the times are not: the rate then never falls. Times \
            as `Fraction` move with the length.",
    changes: &["learning_rate"],
};

impl Effect for MultiStep {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        check_factor(self.factor)?;
        let milestones = self.milestones(draft)?;
        let warmup = draft.warmup_steps();
        if let Some(&first) = milestones.first().filter(|first| **first <= warmup) {
            let fault = Problem::DropInWarmup { every: first, warmup }.at("at[0]");
            return Err(fault.with(draft.writer(Slot::Warmup)));
        }
        let after_warmup = milestones.iter().map(|step| step - warmup).collect();
        draft.decay = Some(Schedule::multi_step(draft.peak, self.factor, after_warmup)?);
        let steps: Vec<String> = milestones.iter().map(u64::to_string).collect();
        Ok(format!("{} times {} at steps {}", short(draft.peak), self.factor, steps.join(", ")))
    }
}

impl MultiStep {
    /// Steps of the drops, which rise.
    fn milestones(&self, draft: &Draft) -> Result<Vec<u64>, Fault> {
        let mut milestones = Vec::new();
        for (i, time) in self.at.iter().enumerate() {
            let at = |fault: Fault| fault.problem.at(format!("at[{i}]"));
            milestones.push(draft.steps(*time, "at").map_err(at)?);
        }
        // Checked as they are written, not as they count from the end of the warmup.
        Schedule::multi_step(draft.peak, self.factor, milestones.clone())
            .map_err(|error| Problem::Schedule(error).at("at"))?;
        Ok(milestones)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Ramp;
    use crate::tricks::tests::{check, check_on};

    fn at(times: &[Duration]) -> MultiStep {
        MultiStep { at: times.to_vec(), factor: 0.5 }
    }

    #[test]
    fn drops_count_from_the_start_of_the_training() {
        let trick = at(&[Duration::Epochs(3.0), Duration::Fraction(0.8)]);
        let words = Ok("0.1 times 0.5 at steps 30, 80");
        let (steps, rates) = ([20, 29, 30, 79, 80, 99], [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]);
        assert_eq!(check(&trick, words).rates(steps), rates);

        let mut draft = Draft::example();
        draft.warmup = Some(Ramp { steps: 20, from: 0.0 });
        assert_eq!(check_on(draft, &trick, words).rates(steps), rates);
    }

    #[test]
    fn impossible_drops_are_refused() {
        let (early, late) = (Duration::Steps(30), Duration::Steps(60));
        let refused = "`factor` is 1, expected a number above 0 and below 1";
        check(&MultiStep { factor: 1.0, ..at(&[early]) }, Err(("factor", refused)));
        let refused = Schedule::multi_step(0.1, 0.5, vec![]).unwrap_err().to_string();
        check(&at(&[]), Err(("at", &refused)));
        let refused = Schedule::multi_step(0.1, 0.5, vec![60, 30]).unwrap_err().to_string();
        check(&at(&[late, early]), Err(("at", &refused)));
        let refused = "`at` comes to 0 steps";
        check(&at(&[early, Duration::Steps(0)]), Err(("at[1]", refused)));
        let mut draft = Draft::example();
        draft.warmup = Some(Ramp { steps: 30, from: 0.0 });
        let refused = "the learning rate drops at step 30, but its warmup ends at step 30";
        check_on(draft, &at(&[early]), Err(("at[0]", refused)));
    }
}
