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
    line: "TODO",
    what: "TODO",
    convention: "TODO",
    measured: "TODO",
    hurts: "TODO",
    changes: &[],
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
