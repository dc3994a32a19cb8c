//! No weight decay on biases.

use serde::{Deserialize, Serialize};
use trickbag_param_groups::{Kind, Rule};

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::Fault;

/// No weight decay on the biases of convolutions and linear layers: `NoBiasDecay`.
///
/// Source: Bag of Tricks (arXiv 1812.01187), section 3.1, after Jia et al. 2018 (arXiv 1807.11205).
/// What the paper calls by this name spares the norms too: add [`NoNormDecay`](super::NoNormDecay).
///
/// Convention: chosen by the kind of parameter, never by its name. (timm: one dimension or less;
/// FFCV: the name contains `bn`, which misses some.)
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoBiasDecay {}

pub(super) const CARD: Card = Card {
    name: "NoBiasDecay",
    slot: Slot::BiasDecay,
    source: "Bag of Tricks, 3.1",
    line: "NoBiasDecay",
    what: "Spares biases and the scales and shifts of norms from weight decay. They are few, they \
           do not overfit, and pulling them towards 0 only makes the network less able to fit.",
    convention: "Chosen by the kind of parameter, never by its name. timm takes what has one \
                 dimension or less; FFCV names that contain `bn`, which misses some. The names are \
                 in the plan's parameter groups.",
    measured: "ResNet-50 on ImageNet, about: 76.19 to 76.16 at batch 256, 76.37 to 76.03 at 1024 \
               (Bag of Tricks, 3.1): no gain by itself. With a decay of 2e-5, for norms only, \
               79.510 to 80.036 (torchvision's ladder).",
    hurts: "It changes how much decay the network has in all, so a decay that was tuned without it \
            has to be tuned again. With a small decay, or few epochs, expect no difference.",
    changes: &["groups"],
};

impl Effect for NoBiasDecay {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        draft.rules.push(Rule::no_decay([Kind::Bias]));
        Ok("no decay of biases".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn one_rule_takes_the_decay_of_biases() {
        let draft = check(&NoBiasDecay {}, Ok("no decay of biases"));
        assert_eq!(draft.rules, [Rule::no_decay([Kind::Bias])]);
    }
}
