//! A higher learning rate for the shifts of norms.

use serde::{Deserialize, Serialize};
use trickbag_param_groups::{Kind, Rule, Settings};

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Multiplies the learning rate of the biases of norms: `BiasLr(64)`. Its value is above 0.
///
/// Source: Page 2019, "How to Train Your ResNet 8: Bag of Tricks"; Jordan 2024 (arXiv 2404.00498),
/// section 3.4.
///
/// Convention, as `airbench94.py`: of norms only, so that the bias of the whitening convolution keeps
/// the ordinary rate; and the decay of an update, learning rate times weight decay, stays what it
/// was, so the weight decay of these parameters is divided by the value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BiasLr(pub f64);

pub(super) const CARD: Card = Card {
    name: "BiasLr",
    slot: Slot::Multipliers,
    source: "Page 2019, 8; Jordan 2024, 3.4",
    line: "BiasLr(64)",
    what: "Multiplies the learning rate of the biases of norms. They are few, and where they \
           should be is far from where they start: at the ordinary rate a short training never \
           gets there.",
    convention: "Biases of norms only (airbench; the bias of its whitening layer keeps the ordinary \
                 rate). Learning rate times weight decay stays the same for them, as in airbench94.py.",
    measured: "Jordan 2024: the training to 94 % on CIFAR-10 takes 13.5 epochs in place of 18. Not \
               measured by Trickbag.",
    hurts: "With few or no norms, and in long trainings, where biases arrive anyway and the high \
            rate shakes them.",
    changes: &["groups"],
};

impl Effect for BiasLr {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        if !(self.0 > 0.0 && self.0.is_finite()) {
            return Err(Problem::impossible(CARD.name, self.0, "a number above 0").at(""));
        }
        let then = Settings {
            lr_multiplier: Some(self.0),
            weight_decay: Some(draft.optimizer.weight_decay() / self.0),
            ..Settings::default()
        };
        draft.rules.push(Rule::new(then).of_kinds([Kind::NormShift]));
        Ok(format!("{} times the rate for biases of norms, with the same decay", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn biases_of_norms_move_faster_and_decay_as_before() {
        let words = "50 times the rate for biases of norms, with the same decay";
        let draft = check(&BiasLr(50.0), Ok(words));
        let rule = &draft.rules[0];
        assert_eq!(rule.kinds, [Kind::NormShift]);
        assert_eq!((rule.then.lr_multiplier, rule.then.weight_decay), (Some(50.0), Some(2e-6)));
    }

    #[test]
    fn impossible_multipliers_are_refused() {
        check(&BiasLr(0.0), Err(("", "`BiasLr` is 0, expected a number above 0")));
    }
}
