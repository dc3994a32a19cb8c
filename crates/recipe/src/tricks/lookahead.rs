//! Slow weights that follow the optimiser's fast ones.

use serde::{Deserialize, Serialize};
use trickbag_optim::Lookahead as Settings;

use super::{Card, Effect, Slot, at_setting};
use crate::plan::Draft;
use crate::problem::Fault;

/// Every so many updates, slow weights go a part of the way to the optimiser's, which go back to them:
/// `Lookahead(alpha: 0.5, every: 5)`.
///
/// Source: Zhang et al. 2019 (arXiv 1907.08610).
///
/// Convention: the slow weights start as the initial parameters (the paper; timm starts them at the
/// first synchronisation); the optimiser's momentum is kept; the parameters are what is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lookahead(pub Settings);

pub(super) const CARD: Card = Card {
    name: "Lookahead",
    slot: Slot::SlowWeights,
    source: "Zhang et al. 2019",
    line: "Lookahead(alpha: 0.5, every: 5)",
    what: "Every few updates slow weights go a part of the way to where the optimiser went, and the \
           optimiser starts again from them. That damps its swings and forgives a high rate.",
    convention: "The slow weights start as the initial parameters (the paper; timm starts them at \
                 the first synchronisation, which then does nothing). Momentum is kept.",
    measured: "The paper, CIFAR-10, ResNet-18: 95.23 % with SGD, 95.27 % with Lookahead (about). Part \
               of airbench94. Not measured by Trickbag.",
    hurts: "It slows a well-tuned schedule down: with alpha 0.5 half of the way is taken back. An \
            evaluation between two synchronisations sees the fast weights.",
    changes: &["lookahead"],
};

impl Effect for Lookahead {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        self.0.validate().map_err(at_setting)?;
        draft.lookahead = Some(self.0);
        Ok(format!("{} of the way back after every {} steps", 1.0 - self.0.alpha, self.0.every))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn slow_weights_are_planned_or_refused() {
        let settings = Settings { alpha: 0.75, every: 5 };
        let words = "0.25 of the way back after every 5 steps";
        assert_eq!(check(&Lookahead(settings), Ok(words)).lookahead, Some(settings));
        let refused = "`alpha` is 0, expected a number above 0, at most 1";
        check(&Lookahead(Settings { alpha: 0.0, ..settings }), Err(("alpha", refused)));
        let refused = "`every` is 0, expected 1 or a greater whole number";
        check(&Lookahead(Settings { every: 0, ..settings }), Err(("every", refused)));
    }
}
