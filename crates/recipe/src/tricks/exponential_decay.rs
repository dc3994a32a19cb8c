//! A learning rate that falls smoothly by a constant ratio.

use serde::{Deserialize, Serialize};
use trickbag_schedules::{Duration, Schedule};

use super::{Card, Effect, Slot, check_factor};
use crate::number::short;
use crate::plan::Draft;
use crate::problem::Fault;

/// Multiplies the learning rate by `factor` over each `every`:
/// `ExponentialDecay(factor: 0.94, every: Epochs(2))`.
///
/// Source: Szegedy et al. 2016 (arXiv 1512.00567), section 8; Bag of Tricks (arXiv 1812.01187),
/// section 5.1.
///
/// Convention: smooth, peak * factor^(t/every), where t counts the updates after the warmup.
/// (TensorFlow's image models often take the staircase; that is `StepDecay`.)
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExponentialDecay {
    /// What the learning rate is multiplied by over one `every`; above 0 and below 1.
    pub factor: f64,
    /// Time over which the factor applies once.
    pub every: Duration,
}

pub(super) const CARD: Card = Card {
    name: "ExponentialDecay",
    slot: Slot::Decay,
    source: "Szegedy et al. 2016, 8; Bag of Tricks, 5.1",
    line: "ExponentialDecay(factor: 0.94, every: Epochs(2))",
    what: "Multiplies the learning rate by the factor over each interval, smoothly between, so \
           that it falls by the same ratio in equal times. It needs no end to be known in advance.",
    convention: "Smooth, peak * factor^(t/every), where t counts the updates after the warmup. \
                 TensorFlow's image models often take the staircase; that is `StepDecay`.",
    measured: "0.94 every 2 epochs is Inception-V3's published schedule (Szegedy et al. 2016, 8). \
               Bag of Tricks, 5.1, names it beside steps and cosine without a figure. Not measured \
               by Trickbag.",
    hurts: "Factor and interval have to fit the length: too slow, and the training ends at a rate \
            that is far from small; too fast, and its second half changes nothing.",
    changes: &["learning_rate"],
};

impl Effect for ExponentialDecay {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        check_factor(self.factor)?;
        let every = draft.steps(self.every, "every")?;
        draft.decay = Some(Schedule::exponential(draft.peak, self.factor, every)?);
        Ok(format!("{} times {}^(t/{every})", short(draft.peak), self.factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    const EVERY: ExponentialDecay = ExponentialDecay { factor: 0.25, every: Duration::Epochs(2.0) };

    #[test]
    fn the_rate_falls_between_the_epochs_too() {
        let draft = check(&EVERY, Ok("0.1 times 0.25^(t/20)"));
        assert_eq!(draft.rates([0, 10, 20, 40]), [0.1, 0.05, 0.025, 0.00625]);
    }

    #[test]
    fn impossible_factors_are_refused() {
        let refused = "`factor` is 0, expected a number above 0 and below 1";
        check(&ExponentialDecay { factor: 0.0, ..EVERY }, Err(("factor", refused)));
    }
}
