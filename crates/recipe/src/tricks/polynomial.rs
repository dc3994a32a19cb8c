//! A learning rate that falls as a power of the time that is left.

use serde::{Deserialize, Serialize};
use trickbag_schedules::Schedule;

use super::{Card, Effect, Slot, check_below_peak};
use crate::number::short;
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Lowers the learning rate with a power of the time that is left: `Polynomial(power: 2)`.
///
/// Source: You et al. 2017 (arXiv 1708.03888), section 5, with power 2; Li et al. 2020 (arXiv
/// 1905.04753) for the straight line, power 1.
///
/// Convention: closed form, (1 - t/T)^power * (peak - min) + min, where t and T count the updates
/// after the warmup (PyTorch's `PolynomialLR` with min 0).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Polynomial {
    /// 1 is a straight line, more falls earlier; above 0.
    pub power: f64,
    /// The learning rate that the curve ends in: absolute, at least 0 and below the peak.
    #[serde(default)]
    pub min: f64,
}

pub(super) const CARD: Card = Card {
    name: "Polynomial",
    slot: Slot::Decay,
    source: "You et al. 2017, 5; Li et al. 2020",
    line: "Polynomial(power: 2)",
    what: "Lowers the learning rate with a power of the time that is left. Power 1 is a straight \
           line; with 2, as in large-batch training with LARS, half of the way is left behind \
           after 29 % of the updates.",
    convention: "Closed form, (1 - t/T)^power * (peak - min) + min, with t and T in updates after the \
                 warmup. Epoch-wise forms move in stairs.",
    measured: "Li et al. 2020 recommend the straight line whatever the length of the training. Not \
               measured by Trickbag.",
    hurts: "High powers spend most of the training at small rates.",
    changes: &["learning_rate"],
};

impl Effect for Polynomial {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        check_below_peak(draft, "min", self.min)?;
        let (peak, steps) = (draft.peak, draft.steps_after_warmup());
        draft.decay = Some(
            Schedule::polynomial(peak, self.min, self.power, steps)
                .map_err(|error| Problem::Schedule(error).at("power"))?,
        );
        Ok(format!("{} to {} in {steps} steps, power {}", short(peak), self.min, self.power))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn the_curve_ends_with_the_training() {
        let square = Polynomial { power: 2.0, min: 0.0 };
        let draft = check(&square, Ok("0.1 to 0 in 100 steps, power 2"));
        assert_eq!(draft.rates([0, 50, 100]), [0.1, 0.025, 0.0]);
        let line = Polynomial { power: 1.0, min: 0.05 };
        let draft = check(&line, Ok("0.1 to 0.05 in 100 steps, power 1"));
        let [half, end] = draft.rates([50, 100]);
        assert!((half - 0.075).abs() < 1e-12 && end == 0.05);
    }

    #[test]
    fn impossible_curves_are_refused() {
        let refused = Schedule::polynomial(0.1, 0.0, 0.0, 9).unwrap_err().to_string();
        check(&Polynomial { power: 0.0, min: 0.0 }, Err(("power", &refused)));
        let refused = "`min` is 0.1, expected a rate of at least 0 and below the peak, 0.1";
        check(&Polynomial { power: 1.0, min: 0.1 }, Err(("min", refused)));
    }
}
