//! Targets that leave some probability to every class.

use serde::{Deserialize, Serialize};

use super::{Card, Effect, Slot};
use crate::number::short;
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Trains towards 1 - eps + eps/K for the true class and eps/K for the others:
/// `LabelSmoothing(0.1)`.
///
/// Its value is eps, at least 0 and below 1; K is the number of classes.
///
/// Source: Szegedy et al. 2016 (arXiv 1512.00567), section 7; Bag of Tricks (arXiv 1812.01187),
/// section 5.2.
///
/// Convention: eps/K on every class, as PyTorch, timm, gluon and optax. (The Bag of Tricks paper's
/// equation has eps/(K-1) on the others.)
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LabelSmoothing(pub f64);

pub(super) const CARD: Card = Card {
    name: "LabelSmoothing",
    slot: Slot::Targets,
    source: "Szegedy et al. 2016, 7; Bag of Tricks, 5.2",
    line: "TODO",
    what: "TODO",
    convention: "TODO",
    measured: "TODO",
    hurts: "TODO",
    changes: &[],
};

impl Effect for LabelSmoothing {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        if !(0.0..1.0).contains(&self.0) {
            let problem =
                Problem::impossible("LabelSmoothing", self.0, "a number of at least 0 and below 1");
            return Err(problem.at(""));
        }
        draft.loss.label_smoothing = self.0;
        let classes = draft.facts.classes as f64;
        let other = self.0 / classes;
        let (on, off) = (short(1.0 - self.0 + other), short(other));
        Ok(format!("{on} for the true class, {off} for each other"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn the_loss_smooths() {
        let words = "0.91 for the true class, 0.01 for each other";
        assert_eq!(check(&LabelSmoothing(0.1), Ok(words)).loss.label_smoothing, 0.1);
    }

    #[test]
    fn impossible_shares_are_refused() {
        for (share, text) in [(1.0, "1"), (-0.1, "-0.1"), (f64::NAN, "NaN")] {
            let refused =
                format!("`LabelSmoothing` is {text}, expected a number of at least 0 and below 1");
            check(&LabelSmoothing(share), Err(("", &refused)));
        }
    }
}
