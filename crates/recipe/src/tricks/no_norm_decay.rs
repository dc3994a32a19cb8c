//! No weight decay on norms.

use serde::{Deserialize, Serialize};
use trickbag_param_groups::{Kind, Rule};

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::Fault;

/// No weight decay on the scales and shifts of norms: `NoNormDecay`.
///
/// Source: Bag of Tricks (arXiv 1812.01187), section 3.1, after Jia et al. 2018 (arXiv 1807.11205),
/// together with [`NoBiasDecay`](super::NoBiasDecay).
///
/// Convention: chosen by the kind of parameter, never by its name. (timm: one dimension or less;
/// FFCV: the name contains `bn`, which misses the norms of shortcuts.)
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoNormDecay {}

pub(super) const CARD: Card = Card {
    name: "NoNormDecay",
    slot: Slot::NormDecay,
    source: "Bag of Tricks, 3.1; Jia et al. 2018",
    line: "NoNormDecay",
    what: "Takes the weight decay from the scales and shifts of norms. Behind a norm the size of a \
           weight does not matter, but its scale is what the layer passes on, and decay would pull \
           it to 0.",
    convention: "By the kind of parameter (scale and shift of a norm), never by name or shape. The \
                 paper's heuristic is this together with NoBiasDecay; torchvision's `--norm-weight-decay \
                 0` is this alone.",
    measured: "Bag of Tricks, table 4, with biases: ResNet-50 76.19 to 76.16 % at batch 256, 76.37 to \
               76.03 % at batch 1024. torchvision, with weight decay 2e-5 in place of 1e-4: 79.510 to \
               80.036 %. Not measured by Trickbag.",
    hurts: "In short trainings the difference is within that of seeds.",
    changes: &["groups"],
};

impl Effect for NoNormDecay {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        draft.rules.push(Rule::no_decay([Kind::NormScale, Kind::NormShift]));
        Ok("no decay of norm scales and norm shifts".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn one_rule_takes_the_decay_of_norms() {
        let draft = check(&NoNormDecay {}, Ok("no decay of norm scales and norm shifts"));
        assert_eq!(draft.rules, [Rule::no_decay([Kind::NormScale, Kind::NormShift])]);
    }
}
