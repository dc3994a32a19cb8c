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
    line: "TODO",
    what: "TODO",
    convention: "TODO",
    measured: "TODO",
    hurts: "TODO",
    changes: &[],
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
