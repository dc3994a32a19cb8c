//! Features that are left out at random.

use serde::{Deserialize, Serialize};

use super::{Card, Effect, Slot, add_to_network};
use crate::plan::Draft;
use crate::problem::Fault;

/// Leaves out features before the classifier at random in training: `Dropout(0.2)`.
///
/// Its value is the probability, at least 0 and below 1.
///
/// Source: Srivastava et al. 2014 (Journal of Machine Learning Research 15).
///
/// Convention: what remains is divided by the probability that it does (PyTorch).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dropout(pub f64);

pub(super) const CARD: Card = Card {
    name: "Dropout",
    slot: Slot::Features,
    source: "Srivastava et al. 2014",
    line: "Dropout(0.2)",
    what: "Leaves out features before the classifier at random in training, so that the classifier \
           cannot lean on a few of them. It regularises large classifiers on little data.",
    convention: "What remains is divided by the probability that it does, so that evaluation needs \
                 no correction (PyTorch).",
    measured: "Part of the published Inception trainings; none of the recipes of Bag of Tricks, \
               torchvision or Composer for ResNets has it. Not measured by Trickbag.",
    hurts: "Networks with batch norm gain little, and lose in short trainings, where they do not \
            overfit yet: look whether training accuracy is well above validation accuracy first.",
    changes: &["network"],
};

impl Effect for Dropout {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        add_to_network(draft, |extras| extras.dropout = self.0)?;
        Ok(format!("each feature is left out with probability {}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn features_are_left_out() {
        let words = "each feature is left out with probability 0.2";
        assert_eq!(check(&Dropout(0.2), Ok(words)).extras.dropout, 0.2);
    }

    #[test]
    fn impossible_probabilities_are_refused() {
        let mut draft = Draft::example();
        assert_eq!(Dropout(-0.1).apply(&mut draft).unwrap_err().at, "");
    }
}
