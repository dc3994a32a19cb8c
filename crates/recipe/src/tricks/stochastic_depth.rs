//! Residual blocks that are skipped at random.

use serde::{Deserialize, Serialize};

use super::{Card, Effect, Slot, add_to_network};
use crate::plan::Draft;
use crate::problem::Fault;

/// Skips residual blocks at random in training: `StochasticDepth(0.1)`.
///
/// Its value is the probability for the last block, at least 0 and below 1; it grows in a line from
/// the first.
///
/// Source: Huang et al. 2016 (arXiv 1603.09382).
///
/// Convention: each sample by itself; block l of L is skipped with l/L of the probability (the paper,
/// Composer); what remains is divided by the probability that it does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StochasticDepth(pub f64);

pub(super) const CARD: Card = Card {
    name: "StochasticDepth",
    slot: Slot::SkippedBlocks,
    source: "Huang et al. 2016",
    line: "StochasticDepth(0.1)",
    what: "Skips residual blocks at random in training, late ones more often. The network is \
           trained as many shallower ones that share their weights, which regularises, and \
           gradients reach early blocks by shorter ways.",
    convention: "Each sample by itself; block l of L is skipped with l/L of the probability (the \
                 paper, Composer); what remains is divided by the probability that it does. timm \
                 takes (l-1)/(L-1), torchvision's EfficientNet (l-1)/L.",
    measured: "ResNet-110 on CIFAR-10: error about 6.4 to 5.2 with 0.5 for the last block (Huang \
               et al. 2016). 0.1 is part of Composer's hot recipe. Not measured by Trickbag.",
    hurts: "Shallow networks and short trainings, which do not overfit: with the nine blocks of \
            ResNet-20 each is needed. Skipped blocks are computed all the same, so no time is \
            saved.",
    changes: &["network"],
};

impl Effect for StochasticDepth {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        add_to_network(draft, |extras| extras.stochastic_depth = self.0)?;
        Ok(format!("the last block is skipped with probability {}, the others less", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn blocks_are_skipped() {
        let words = "the last block is skipped with probability 0.1, the others less";
        assert_eq!(check(&StochasticDepth(0.1), Ok(words)).extras.stochastic_depth, 0.1);
    }

    #[test]
    fn impossible_probabilities_are_refused() {
        let mut draft = Draft::example();
        assert_eq!(StochasticDepth(1.0).apply(&mut draft).unwrap_err().at, "");
    }
}
