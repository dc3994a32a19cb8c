//! The learning rate in proportion to the batch.

use serde::{Deserialize, Serialize};
use trickbag_schedules::linear_scaling;

use super::{Card, Effect, Slot};
use crate::number::short;
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Multiplies the learning rate by `batch_size / base_batch`: `LinearScaling(base_batch: 256)`.
///
/// Source: Goyal et al. 2017 (arXiv 1706.02677), section 2.1; Bag of Tricks (arXiv 1812.01187),
/// section 3.1.
///
/// Convention: lr = base * (global batch) / (base batch), where the global batch is the per-worker
/// batch times workers times accumulated micro-batches. (timm scales adaptive optimisers by the
/// square root: [`SqrtScaling`](super::SqrtScaling).)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearScaling {
    /// The batch that the optimiser's `lr` was chosen for; above 0.
    pub base_batch: u64,
}

pub(super) const CARD: Card = Card {
    name: "LinearScaling",
    slot: Slot::PeakRate,
    source: "Goyal et al. 2017, 2.1; Bag of Tricks, 3.1",
    line: "LinearScaling(base_batch: 256)",
    what: "Multiplies the learning rate by the batch over the batch that the rate was chosen for. \
           The gradient of a larger batch is less noisy and there are fewer updates in an epoch, \
           so each may be larger.",
    convention: "lr = base * (global batch) / (base batch), where the global batch is the \
                 per-worker batch times workers times accumulated micro-batches (Goyal et al.). \
                 timm scales adaptive optimisers by the square root. Where weight decay is \
                 `Independent`, the rate that it is a share of moves along.",
    measured: "ResNet-50 on ImageNet: top-1 error 23.60 at batch 256, 23.74 at 8192, with warmup \
               (Goyal et al. 2017). Without warmup, about: 75.87 at 256, 75.17 at 1024 (Bag of \
               Tricks, 3.1).",
    hurts: "Without `Warmup` at large batches, whose first updates are then too large. Beyond \
            batches of some 8,000 the rule no longer holds and accuracy falls. For AdamW and other \
            adaptive optimisers it is too steep.",
    changes: &["learning_rate"],
};

impl Effect for LinearScaling {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let (base, batch) = (draft.peak, draft.batch_size as u64);
        draft.peak = linear_scaling(base, batch, self.base_batch)
            .map_err(|error| Problem::Schedule(error).at("base_batch"))?;
        Ok(format!("{base} * {batch}/{} = {}", self.base_batch, short(draft.peak)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn the_rate_follows_the_batch() {
        let draft = check(&LinearScaling { base_batch: 256 }, Ok("0.1 * 512/256 = 0.2"));
        assert_eq!(draft.peak, 0.2);
        let refused = "scaling: the base batch is 0 images; give the batch that the base learning rate \
                       was chosen for";
        check(&LinearScaling { base_batch: 0 }, Err(("base_batch", refused)));
    }
}
