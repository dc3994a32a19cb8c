//! A learning rate that falls along half a cosine.

use serde::{Deserialize, Serialize};
use trickbag_schedules::Schedule;

use super::{Card, Effect, Slot};
use crate::number::short;
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Lowers the learning rate along half a cosine to `min` at the end of the training:
/// `CosineAnnealing`, or `CosineAnnealing(min: 1e-5)`.
///
/// Source: SGDR (arXiv 1608.03983) without restarts; Bag of Tricks (arXiv 1812.01187), section 5.1.
///
/// Convention: closed form, 0.5 * (1 + cos(pi*t/T)) * (peak - min) + min, where t and T count the
/// updates after the warmup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosineAnnealing {
    /// The learning rate that the curve ends in: absolute, at least 0 and below the peak.
    #[serde(default)]
    pub min: f64,
}

pub(super) const CARD: Card = Card {
    name: "CosineAnnealing",
    slot: Slot::Decay,
    source: "SGDR; Bag of Tricks, 5.1",
    line: "CosineAnnealing",
    what: "Lowers the learning rate along half a cosine: long near its peak, fast in the middle, \
           long near its end. Unlike steps it has no times to choose, and it spends many updates \
           at large and at small rates.",
    convention: "Closed form, 0.5 * (1 + cos(pi*t/T)) * (peak - min) + min, where t and T count \
                 the updates after the warmup (Bag of Tricks). Recursive forms overshoot beyond T, \
                 and a T that is off by one is the classic slip.",
    measured: "Against steps on ImageNet, about: ResNet-50-D 77.16 to 77.91, Inception-V3 77.50 to \
               78.19, MobileNet 71.90 to 72.83 (Bag of Tricks, 5.1). ResNet-18 on CIFAR-10, one \
               seed: 93.10 to 92.94 in 90 epochs, 94.05 to 94.07 in 400 (a public re-run).",
    hurts: "The last fifth of the training brings much of the accuracy: a run that is stopped \
            early, or compared half-way, looks worse than it is. A longer run cannot go on from a \
            finished one, whose rate is 0.",
    changes: &["learning_rate"],
};

impl Effect for CosineAnnealing {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let (peak, steps) = (draft.peak, draft.steps_after_warmup());
        if !(0.0..peak).contains(&self.min) {
            let expected = format!("a rate of at least 0 and below the peak, {}", short(peak));
            return Err(Problem::impossible("min", self.min, expected).at("min"));
        }
        draft.decay = Some(Schedule::cosine(peak, self.min, steps)?);
        Ok(format!("{} to {} in {steps} steps", short(peak), self.min))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Ramp;
    use crate::tricks::tests::{check, check_on};

    #[test]
    fn the_curve_ends_with_the_training() {
        let draft = check(&CosineAnnealing::default(), Ok("0.1 to 0 in 100 steps"));
        let [start, half, end] = draft.rates([0, 50, 100]);
        assert!(start == 0.1 && (half - 0.05).abs() < 1e-12 && end == 0.0);

        let mut draft = Draft::example();
        draft.warmup = Some(Ramp { steps: 20, from: 0.0 });
        let draft = check_on(draft, &CosineAnnealing { min: 0.01 }, Ok("0.1 to 0.01 in 80 steps"));
        let [start, half, end] = draft.rates([20, 60, 100]);
        assert!(start == 0.1 && (half - 0.055).abs() < 1e-12 && end == 0.01);
    }

    #[test]
    fn an_end_above_the_peak_is_refused() {
        let refused = "`min` is 0.2, expected a rate of at least 0 and below the peak, 0.1";
        check(&CosineAnnealing { min: 0.2 }, Err(("min", refused)));
    }
}
