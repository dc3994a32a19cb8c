//! Gradients from the worst place nearby.

use serde::{Deserialize, Serialize};
use trickbag_optim::Sam as Settings;

use super::{Card, Effect, Slot, at_setting};
use crate::plan::Draft;
use crate::problem::Fault;

/// Takes the gradients again where the loss is higher, a step of length `rho` up the first ones:
/// `Sam(rho: 0.05)`, or `Sam(rho: 0.5, every: 10)` for every tenth update.
///
/// Source: Foret et al. 2021 (arXiv 2010.01412); every so many updates: Composer.
///
/// Convention: the loss, the accuracy and the batch-norm statistics are those of the first pass; both
/// passes drop the same units. The step is taken along the gradients of the whole update, also where
/// they are accumulated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sam(pub Settings);

pub(super) const CARD: Card = Card {
    name: "Sam",
    slot: Slot::GradientPlace,
    source: "Foret et al. 2021",
    line: "Sam(rho: 0.05)",
    what: "Takes the gradients not here but where the loss is highest within a small distance, so \
           that the training prefers flat minima, which carry over better to new images.",
    convention: "Loss, accuracy and batch-norm statistics are those of the first pass; both passes \
                 drop the same units. The climb follows the gradients of the whole update. Biases and \
                 norms take part.",
    measured: "The paper, ImageNet, ResNet-50: error 22.9 to 22.5 % in 100 epochs, 22.3 to 20.9 % \
               in 400 (about). Composer uses it every 5 to 10 updates in its medium and hot recipes. Not \
               measured by Trickbag.",
    hurts: "A pass more for each update it applies to: twice the time where every is 1. A rho that \
            suits one network can stop another from learning.",
    changes: &["sam"],
};

impl Effect for Sam {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        self.0.validate().map_err(at_setting)?;
        draft.sam = Some(self.0);
        let Settings { rho, every } = self.0;
        Ok(format!("gradients from {rho} away, in every {every}. step"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn the_climb_is_planned_or_refused() {
        let settings = Settings { rho: 0.05, every: 10 };
        let words = "gradients from 0.05 away, in every 10. step";
        assert_eq!(check(&Sam(settings), Ok(words)).sam, Some(settings));
        let refused = "`rho` is 0, expected a positive number";
        check(&Sam(Settings { rho: 0.0, ..settings }), Err(("rho", refused)));
        let refused = "`every` is 0, expected 1 or a greater whole number";
        check(&Sam(Settings { every: 0, ..settings }), Err(("every", refused)));
    }
}
