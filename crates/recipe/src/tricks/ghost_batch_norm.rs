//! Batch norm over parts of a batch.

use serde::{Deserialize, Serialize};

use super::{Card, Effect, Slot, add_to_network};
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Normalises every so many images of a batch by themselves in training: `GhostBatchNorm(32)`.
///
/// The number, at least 2, divides the images of a pass and of an update.
///
/// Source: Hoffer et al. 2017 (arXiv 1705.08741), section 4.
///
/// Convention: ghosts are images that follow each other in the batch; the running statistics move
/// towards the mean of the ghosts' (the paper weighs later ghosts more).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GhostBatchNorm(pub usize);

pub(super) const CARD: Card = Card {
    name: "GhostBatchNorm",
    slot: Slot::GhostBatch,
    source: "Hoffer et al. 2017, 4",
    line: "GhostBatchNorm(32)",
    what: "Normalises parts of a batch by themselves, as if each were a batch. The noise in their \
           statistics regularises, which a large batch lacks.",
    convention: "Ghosts are images that follow each other in the batch. The running statistics move \
                 towards the mean of the ghosts' (the paper weighs later ones more).",
    measured: "Hoffer et al., CIFAR-10, ResNet-44, batch 4096: 86.1 to 90.5 % together with a higher \
               rate and a longer training (about). Not measured by Trickbag.",
    hurts: "Below 16 images the statistics are poor, and evaluation sees another network. A norm can \
            no longer be joined with its convolution, which costs some time.",
    changes: &["network"],
};

impl Effect for GhostBatchNorm {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let images = self.0;
        let passes = [draft.batch_size, draft.micro_batch];
        if images < 2 || passes.iter().any(|pass| !pass.is_multiple_of(images)) {
            let expected = format!(
                "at least 2, and a number that divides the {} images of an update and the {} of a pass",
                passes[0], passes[1]
            );
            return Err(Problem::impossible("GhostBatchNorm", images, expected).at(""));
        }
        add_to_network(draft, |extras| extras.ghost_batch = Some(images))?;
        Ok(format!("each {images} images of a pass normalised by themselves"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::{check, check_on};

    #[test]
    fn ghosts_divide_a_pass_or_are_refused() {
        let words = "each 32 images of a pass normalised by themselves";
        assert_eq!(check(&GhostBatchNorm(32), Ok(words)).extras.ghost_batch, Some(32));
        for (images, micro_batch, found) in [(1, 512, "1"), (33, 512, "33"), (32, 48, "32")] {
            let refused = format!(
                "`GhostBatchNorm` is {found}, expected at least 2, and a number that divides the 512 \
                 images of an update and the {micro_batch} of a pass"
            );
            let draft = Draft { micro_batch, ..Draft::example() };
            check_on(draft, &GhostBatchNorm(images), Err(("", &refused)));
        }
    }
}
