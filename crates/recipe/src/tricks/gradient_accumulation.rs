//! One update from several passes.

use serde::{Deserialize, Serialize};

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Computes the gradients of an update in passes of `micro_batch` images, which need less memory:
/// `GradientAccumulation(micro_batch: 32)`.
///
/// `batch_size` stays what it is, the images of one update, so learning rate, schedule and number of
/// updates do not change with the line. A last pass may have fewer images.
///
/// Source: common practice; Ott et al. 2018 (arXiv 1806.00187), section 3.
///
/// Convention: gradients are the mean over all *images* of the update, also where the last pass is
/// short (dividing by the number of passes is the classic slip); images are mixed before they are
/// divided; batch norm sees the images of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientAccumulation {
    /// Images of one pass: from 1 to `batch_size`.
    pub micro_batch: usize,
}

pub(super) const CARD: Card = Card {
    name: "GradientAccumulation",
    slot: Slot::MicroBatch,
    source: "Ott et al. 2018, 3",
    line: "GradientAccumulation(micro_batch: 32)",
    what: "Divides the images of an update among several passes and adds their gradients up, so that \
           a large batch fits into a small memory.",
    convention: "The mean over all images of the update, also where the last pass is short. Images \
                 are mixed first, then divided. Clipping and the optimiser come once.",
    measured: "It is meant to change nothing but memory and time.",
    hurts: "Batch norm normalises over the images of one pass: below 16 its statistics are poor. \
            Small passes use a processor less well.",
    changes: &["micro_batch"],
};

impl Effect for GradientAccumulation {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let (found, images) = (self.micro_batch, draft.batch_size);
        if !(1..=images).contains(&found) {
            let expected = format!("from 1 to the {images} images of an update");
            return Err(Problem::impossible("micro_batch", found, expected).at("micro_batch"));
        }
        draft.micro_batch = found;
        Ok(format!("{images} images in {} passes of {found}", images.div_ceil(found)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn an_update_is_divided_or_the_division_refused() {
        let of = |micro_batch| GradientAccumulation { micro_batch };
        assert_eq!(check(&of(100), Ok("512 images in 6 passes of 100")).micro_batch, 100);
        for (micro_batch, found) in [(0, "0"), (513, "513")] {
            let refused =
                format!("`micro_batch` is {found}, expected from 1 to the 512 images of an update");
            check(&of(micro_batch), Err(("micro_batch", &refused)));
        }
    }
}
