//! The end of a freeze.

use serde::{Deserialize, Serialize};
use trickbag_schedules::Duration;

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Trains what `Freeze` has kept, from some time on: `Unfreeze(at: Epochs(2))`.
///
/// Source: Kumar et al. 2022 (arXiv 2202.10054); Howard and Ruder 2018 (arXiv 1801.06146), section
/// 3.3, who unfreeze one layer after the other.
///
/// Convention: everything at once; the momentum of what was frozen starts from 0, and the learning
/// rate goes on as planned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfreeze {
    /// The first update that trains everything; before the end of the training.
    pub at: Duration,
}

pub(super) const CARD: Card = Card {
    name: "Unfreeze",
    slot: Slot::Thawed,
    source: "Kumar et al. 2022; Howard and Ruder 2018, 3.3",
    line: "Unfreeze(at: Epochs(2))",
    what: "Ends what Freeze began. A new head starts with large and meaningless gradients; by the \
           time they reach the pretrained layers it has learned something.",
    convention: "Everything at once, at one update; the learning rate goes on as planned. Howard and \
                 Ruder unfreeze one layer an epoch.",
    measured: "Kumar et al. 2022, over ten data sets: a trained head first, then the whole network, is \
               1 point better than the whole network at once, and 10 on images from elsewhere. Not \
               measured by Trickbag.",
    hurts: "Late in a training whose learning rate has fallen: little is then left to train with.",
    changes: &["unfreeze"],
};

impl Effect for Unfreeze {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        if draft.writer(Slot::Frozen).is_none() {
            return Err(Problem::Needs { trick: CARD.name, needs: "Freeze" }.at(""));
        }
        let (steps, total) = (draft.steps(self.at, "at")?, draft.clock.total_steps);
        if steps >= total {
            return Err(Problem::TooLong { phase: "freeze", steps, total }.at("at"));
        }
        draft.unfreeze_at = Some(steps);
        Ok(format!("everything is trained from step {steps} on"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::{check, check_on};

    fn frozen() -> Draft {
        let mut draft = Draft::example();
        draft.writers.insert(Slot::Frozen, "tricks[0]".to_owned());
        draft
    }

    #[test]
    fn a_freeze_ends() {
        let words = Ok("everything is trained from step 20 on");
        let draft = check_on(frozen(), &Unfreeze { at: Duration::Epochs(2.0) }, words);
        assert_eq!(draft.unfreeze_at, Some(20));
    }

    #[test]
    fn what_ends_no_freeze_is_refused() {
        let refused = "`Unfreeze` needs `Freeze`, which the recipe does not have";
        check(&Unfreeze { at: Duration::Epochs(2.0) }, Err(("", refused)));
        let refused = "the freeze takes 100 steps, but the whole training has only 100";
        let late = Unfreeze { at: Duration::Fraction(1.0) };
        check_on(frozen(), &late, Err(("at", refused)));
    }
}
