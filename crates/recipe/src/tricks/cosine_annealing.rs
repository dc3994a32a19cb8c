//! A learning rate that falls along half a cosine.

use serde::{Deserialize, Serialize};
use trickbag_schedules::{Duration, Schedule};

use super::{Card, Effect, Slot, check_below_peak};
use crate::number::short;
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Lowers the learning rate along half a cosine to `min` at the end of the training:
/// `CosineAnnealing`, or `CosineAnnealing(min: 1e-5)`.
///
/// With `restarts: (period: Epochs(10), multiplier: 2)` it falls to `min` in the first period, jumps
/// back to the peak, falls again in a period that is `multiplier` times as long, and so on.
///
/// Source: SGDR (arXiv 1608.03983); Bag of Tricks (arXiv 1812.01187), section 5.1, without restarts.
///
/// Convention: closed form, 0.5 * (1 + cos(pi*t/T)) * (peak - min) + min, where t and T count the
/// updates after the warmup; with restarts, those of a period (PyTorch's
/// `CosineAnnealingWarmRestarts`). A last period that the training cuts off does not reach `min`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosineAnnealing {
    /// The learning rate that the curve ends in: absolute, at least 0 and below the peak.
    #[serde(default)]
    pub min: f64,
    /// When the learning rate jumps back to its peak; never when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarts: Option<Restarts>,
}

/// When a learning rate jumps back to its peak.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restarts {
    /// Time from the warmup's end to the first jump, which is before the end of the training.
    pub period: Duration,
    /// How many times as long each later period is as the one before; at least 1.
    #[serde(default = "alike")]
    pub multiplier: u64,
}

fn alike() -> u64 {
    1
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
        check_below_peak(draft, "min", self.min)?;
        let (peak, steps) = (draft.peak, draft.steps_after_warmup());
        let (curve, words) = match self.restarts {
            None => (Schedule::cosine(peak, self.min, steps)?, format!("in {steps} steps")),
            Some(restarts) => self.with_restarts(restarts, draft)?,
        };
        draft.decay = Some(curve);
        Ok(format!("{} to {} {words}", short(peak), self.min))
    }
}

impl CosineAnnealing {
    fn with_restarts(
        &self,
        Restarts { period, multiplier }: Restarts,
        draft: &Draft,
    ) -> Result<(Schedule, String), Fault> {
        let at_period = |fault: Fault| fault.problem.at("restarts.period");
        let steps = draft.steps(period, "period").map_err(at_period)?;
        let total = draft.steps_after_warmup();
        if steps >= total {
            let problem =
                Problem::TooLong { phase: "period before the first restart", steps, total };
            return Err(problem.at("restarts.period"));
        }
        let curve = Schedule::warm_restarts(draft.peak, self.min, steps, multiplier)
            .map_err(|error| Problem::Schedule(error).at("restarts.multiplier"))?;
        Ok((curve, format!("in {steps} steps, and again in {multiplier} times as many")))
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
        let draft = check_on(
            draft,
            &CosineAnnealing { min: 0.01, restarts: None },
            Ok("0.1 to 0.01 in 80 steps"),
        );
        let [start, half, end] = draft.rates([20, 60, 100]);
        assert!(start == 0.1 && (half - 0.055).abs() < 1e-12 && end == 0.01);
    }

    #[test]
    fn an_end_above_the_peak_is_refused() {
        let refused = "`min` is 0.2, expected a rate of at least 0 and below the peak, 0.1";
        check(&CosineAnnealing { min: 0.2, restarts: None }, Err(("min", refused)));
    }

    fn restarting(period: Duration, multiplier: u64) -> CosineAnnealing {
        CosineAnnealing { min: 0.0, restarts: Some(Restarts { period, multiplier }) }
    }

    #[test]
    fn the_curve_starts_again() {
        let trick = restarting(Duration::Epochs(2.0), 2);
        let draft = check(&trick, Ok("0.1 to 0 in 20 steps, and again in 2 times as many"));
        let [start, half, again, later, third] = draft.rates([0, 10, 20, 40, 60]);
        assert_eq!([start, again, third], [0.1; 3]);
        assert!((half - 0.05).abs() < 1e-12 && (later - 0.05).abs() < 1e-12);
    }

    #[test]
    fn restarts_that_never_come_are_refused() {
        let refused = "the period before the first restart takes 100 steps, but the whole training \
                       has only 100";
        let never = restarting(Duration::Fraction(1.0), 1);
        check(&never, Err(("restarts.period", refused)));
        let refused = trickbag_schedules::Error::Multiplier.to_string();
        let none = restarting(Duration::Epochs(2.0), 0);
        check(&none, Err(("restarts.multiplier", &refused)));
    }
}
