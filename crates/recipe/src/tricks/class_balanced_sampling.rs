//! Every class as often as any other.

use serde::{Deserialize, Serialize};
use trickbag_data::Order;

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::Fault;

/// Draws the images of an epoch, with replacement, such that every class comes as often as any other:
/// `ClassBalancedSampling`.
///
/// Source: Kang et al. 2020 (arXiv 1910.09217), section 4.1.
///
/// Convention: the chance of an image is inverse to the size of its class (PyTorch's
/// `WeightedRandomSampler` with these weights). An epoch is as long as without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassBalancedSampling {}

pub(super) const CARD: Card = Card {
    name: "ClassBalancedSampling",
    slot: Slot::Order,
    source: "Kang et al. 2020, 4.1",
    line: "ClassBalancedSampling",
    what: "Draws the images of an epoch with replacement such that every class comes as often as \
           any other. A network that sees one class a hundred times as often as another answers \
           with the first when in doubt.",
    convention: "The chance of an image is inverse to the size of its class (PyTorch's \
                 `WeightedRandomSampler` with these weights). An epoch is as long as without, so \
                 it repeats images of rare classes and misses some of frequent ones.",
    measured: "On ImageNet-LT and others, Kang et al. 2020 gain with it where only the classifier \
               is trained anew; trained with it from the start, features get worse. Not measured \
               by Trickbag.",
    hurts: "With classes of equal size it only repeats and misses images. With very rare classes \
            the same few images come over and over and are learnt by heart. Accuracy on validation \
            images that are as unbalanced as the training images falls.",
    changes: &["order"],
};

impl Effect for ClassBalancedSampling {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        draft.order = Order::Balanced;
        Ok("images drawn with replacement, every class as often".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn classes_come_as_often() {
        let words = "images drawn with replacement, every class as often";
        assert_eq!(check(&ClassBalancedSampling {}, Ok(words)).order, Order::Balanced);
    }
}
