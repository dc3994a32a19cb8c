//! A learning rate that rises to its peak and falls from it: triangle and one-cycle.

use serde::{Deserialize, Serialize};
use trickbag_schedules::{Duration, Schedule, Shape};

use super::{Card, Effect, Slot};
use crate::number::short;
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Raises the learning rate from a share of its peak to the peak, and lowers it to another share at
/// the end of the training: `Triangle(peak_at: Epochs(2))`.
///
/// It is the warmup and the decay in one, so it excludes [`Warmup`](super::Warmup). `from` and `to`
/// are shares of the peak, 0 when left out; `shape: Cosine` is the usual one-cycle policy.
///
/// Source: Smith and Topin 2017 (arXiv 1708.07120); FFCV has `peak_at: Epochs(2)`, airbench94
/// `peak_at: Fraction(0.23), from: 0.2, to: 0.07`.
///
/// Convention: straight lines between step 0, the peak, and the step after the last, so `to` is
/// reached when the training has ended (FFCV, airbench). PyTorch's `OneCycleLR` reaches it with the
/// last update.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triangle {
    /// When the learning rate is at its peak; before the end of the training.
    pub peak_at: Duration,
    /// What the first update has, as a share of the peak, 0 to 1.
    #[serde(default)]
    pub from: f64,
    /// What the curve ends in, as a share of the peak, 0 to 1.
    #[serde(default)]
    pub to: f64,
    /// How the learning rate rises and falls.
    #[serde(default = "straight")]
    pub shape: Shape,
}

fn straight() -> Shape {
    Shape::Linear
}

pub(super) const CARD: Card = Card {
    name: "Triangle",
    slot: Slot::Decay,
    source: "Smith and Topin 2017; FFCV; airbench",
    line: "Triangle(peak_at: Fraction(0.23), from: 0.2, to: 0.07)",
    what: "Raises the learning rate to its peak and lowers it to the end: warmup and decay in one \
           line. The rise lets short trainings use a high peak, the fall lets them end settled.",
    convention: "`from` and `to` are shares of the peak. The curve is at `peak` at update `peak_at`, and \
                 at `to` one update after the last (FFCV, airbench; PyTorch's OneCycleLR: with the \
                 last). It excludes `Warmup`.",
    measured: "Smith and Topin 2017: ResNet-56 on CIFAR-10 92.4 % in 10,000 updates, where a stepwise \
               constant rate has 91.2 % in 80,000. FFCV: ResNet-50 75.6 % in 24 epochs and 78.4 % in \
               88. airbench94: 94.01 % on CIFAR-10, the mean of 1000 runs, in 9.9 epochs. Not measured \
               by Trickbag.",
    hurts: "Its accuracies in between say nothing about the last one, and a training that is \
            stopped early has not annealed.",
    changes: &["learning_rate"],
};

impl Effect for Triangle {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        if let Some(warmup) = draft.writer(Slot::Warmup) {
            let (trick, other, slot) = (CARD.name, "Warmup", Slot::Warmup);
            return Err(Problem::Contradiction { trick, other, slot }.at("").with(Some(warmup)));
        }
        check_share("from", self.from)?;
        check_share("to", self.to)?;
        let (rise, total) = (draft.steps(self.peak_at, "peak_at")?, draft.clock.total_steps);
        if rise >= total {
            let fault = Problem::TooLong { phase: "rise", steps: rise, total }.at("peak_at");
            return Err(fault.with(Some("epochs".to_owned())));
        }
        let (peak, fall) = (draft.peak, total - rise);
        let (from, to) = (self.from * peak, self.to * peak);
        draft.decay = Some(Schedule::one_cycle(self.shape, from, peak, to, rise, fall)?);
        let [from, peak, to] = [from, peak, to].map(short);
        Ok(format!("{from} to {peak} in {rise} steps, to {to} in {fall}"))
    }
}

fn check_share(field: &'static str, share: f64) -> Result<(), Fault> {
    if (0.0..=1.0).contains(&share) {
        return Ok(());
    }
    Err(Problem::impossible(field, share, "a share of the peak, 0 to 1").at(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::{check, check_on};

    const TRIANGLE: Triangle =
        Triangle { peak_at: Duration::Epochs(2.0), from: 0.5, to: 0.1, shape: Shape::Linear };

    #[test]
    fn the_rate_rises_and_falls() {
        let draft = check(&TRIANGLE, Ok("0.05 to 0.1 in 20 steps, to 0.01 in 80"));
        let rates = draft.rates([0, 10, 20, 60, 100]);
        for (rate, expected) in rates.into_iter().zip([0.05, 0.075, 0.1, 0.055, 0.01]) {
            assert!((rate - expected).abs() < 1e-12, "{rate} {expected}");
        }
    }

    #[test]
    fn a_warmup_beside_it_is_refused() {
        let mut draft = Draft::example();
        draft.writers.insert(Slot::Warmup, "tricks[3]".to_owned());
        let refused = "`Triangle` and `Warmup` both set how the learning rate rises";
        let draft = check_on(draft, &TRIANGLE, Err(("", refused)));
        assert!(draft.decay.is_none());
    }

    #[test]
    fn impossible_triangles_are_refused() {
        let refused = "`from` is 1.5, expected a share of the peak, 0 to 1";
        check(&Triangle { from: 1.5, ..TRIANGLE }, Err(("from", refused)));
        let refused = "`to` is -1, expected a share of the peak, 0 to 1";
        check(&Triangle { to: -1.0, ..TRIANGLE }, Err(("to", refused)));
        let refused = "the rise takes 100 steps, but the whole training has only 100";
        let late = Triangle { peak_at: Duration::Fraction(1.0), ..TRIANGLE };
        check(&late, Err(("peak_at", refused)));
    }
}
