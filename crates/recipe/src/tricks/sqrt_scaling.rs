//! The learning rate in proportion to the square root of the batch.

use serde::{Deserialize, Serialize};
use trickbag_schedules::sqrt_scaling;

use super::{Card, Effect, Slot};
use crate::number::short;
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Multiplies the learning rate by the square root of `batch_size / base_batch`:
/// `SqrtScaling(base_batch: 256)`.
///
/// Source: Krizhevsky 2014 (arXiv 1404.5997); You et al. 2019 (arXiv 1904.00962) for LAMB.
///
/// Convention: timm's rule for adaptive optimisers, with the global batch as in
/// [`LinearScaling`](super::LinearScaling).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqrtScaling {
    /// The batch that the optimiser's `lr` was chosen for; above 0.
    pub base_batch: u64,
}

pub(super) const CARD: Card = Card {
    name: "SqrtScaling",
    slot: Slot::PeakRate,
    source: "Krizhevsky 2014; You et al. 2019",
    line: "SqrtScaling(base_batch: 256)",
    what: "Multiplies the learning rate by the square root of the batch's growth. The noise of a \
           gradient falls with that root, and optimisers that divide by the size of gradients, \
           such as AdamW and LAMB, take steps that grow as the noise falls.",
    convention: "lr = base * sqrt((global batch) / (base batch)), as timm for its adaptive optimisers. \
                 SGD follows the batch itself: LinearScaling.",
    measured: "Not measured by Trickbag.",
    hurts: "With SGD: at four times the batch it halves the rate that LinearScaling has.",
    changes: &["learning_rate"],
};

impl Effect for SqrtScaling {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let (base, batch) = (draft.peak, draft.batch_size as u64);
        draft.peak = sqrt_scaling(base, batch, self.base_batch)
            .map_err(|error| Problem::Schedule(error).at("base_batch"))?;
        Ok(format!("{base} * sqrt({batch}/{}) = {}", self.base_batch, short(draft.peak)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn the_rate_follows_the_root_of_the_batch() {
        let draft = check(&SqrtScaling { base_batch: 128 }, Ok("0.1 * sqrt(512/128) = 0.2"));
        assert_eq!(draft.peak, 0.2);
        let refused = sqrt_scaling(0.1, 512, 0).unwrap_err().to_string();
        check(&SqrtScaling { base_batch: 0 }, Err(("base_batch", &refused)));
    }
}
