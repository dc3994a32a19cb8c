//! Residual blocks that start as their shortcut.

use serde::{Deserialize, Serialize};
use trickbag_models::ZeroGamma as Start;

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::Fault;

/// Starts the last norm scale of every residual block from 0, so that a block begins as its
/// shortcut: `ZeroGamma`.
///
/// Source: Goyal et al. 2017 (arXiv 1706.02677), section 5.1; Bag of Tricks (arXiv 1812.01187),
/// section 3.1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZeroGamma {}

pub(super) const CARD: Card = Card {
    name: "ZeroGamma",
    slot: Slot::ResidualScale,
    source: "Goyal et al. 2017, 5.1; Bag of Tricks, 3.1",
    line: "ZeroGamma",
    what: "Starts the last norm scale of every residual block from 0, so that a block begins as \
           its shortcut and the network as a shallow one, which is easier to train at first.",
    convention: "The scale that ends the branch, right before the addition (Goyal et al.); all \
                 other norm scales start from 1.",
    measured: "ResNet-50 on ImageNet, about: 76.03 to 76.19 at batch 256, 75.93 to 76.37 at 1024 \
               (Bag of Tricks, 3.1).",
    hurts: "Short trainings of shallow networks: with three blocks and a thousand steps \
            (recipes/mnist.ron) it costs about a point, because the blocks have not come back from \
            0 by the end. Networks without residual blocks stay as they are.",
    changes: &["zero_gamma"],
};

impl Effect for ZeroGamma {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        draft.zero_gamma = Start::On;
        Ok("the last norm scale of every residual block starts from 0".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn blocks_start_as_their_shortcut() {
        let words = "the last norm scale of every residual block starts from 0";
        assert_eq!(check(&ZeroGamma {}, Ok(words)).zero_gamma, Start::On);
    }
}
