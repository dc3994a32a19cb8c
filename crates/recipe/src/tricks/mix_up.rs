//! Blended pairs of images.

use serde::{Deserialize, Serialize};
use trickbag_losses::MixUp as Settings;

use super::{Card, Effect, Slot, check_mixing};
use crate::plan::Draft;
use crate::problem::Fault;

/// Blends each image, and its targets, with another of its batch: `MixUp(alpha: 0.2)`.
///
/// `alpha`, above 0, says how much: the image's own share is drawn from Beta(alpha, alpha), once for
/// a batch. `probability`, 1 when left out, is the share of the batches that are blended; with
/// `CutMix` the two share out the batches, and must not come to more than 1.
///
/// Source: Zhang et al. 2018 (arXiv 1710.09412); Bag of Tricks (arXiv 1812.01187), section 5.4.
///
/// Convention: labels are smoothed first, then mixed; the partner is the batch reversed (timm,
/// gluon).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MixUp(pub Settings);

pub(super) const CARD: Card = Card {
    name: "MixUp",
    slot: Slot::Blends,
    source: "Zhang et al. 2018; Bag of Tricks, 5.4",
    line: "MixUp(alpha: 0.2)",
    what: "Blends each image, and its targets, with another of its batch. Between two images the \
           answers have to go over into each other in a line, which keeps the network from \
           learning single images by heart.",
    convention: "Labels are smoothed first, then mixed; the partner is the batch reversed; one \
                 share for the whole batch (timm, gluon). torchvision rolls the batch by one, \
                 Composer permutes it.",
    measured: "On ImageNet, with 200 epochs: ResNet-50-D about 78.31 to 79.15, Inception-V3 78.40 \
               to 78.77, MobileNet 72.93 to 73.28 (Bag of Tricks, 5.4). ResNet-50 79.114 to 79.232 \
               (torchvision's ladder). CIFAR-10: ResNet-20 92.1 to 92.9, ResNet-56 93.6 to 94.2 \
               (gluon).",
    hurts: "Short trainings and small networks, which do not overfit: it needs more epochs to pay \
            off. Bag of Tricks trains 200 instead of 120 for it. A batch of one image has no \
            partner, and in an odd one the middle image stays as it is.",
    changes: &["mixing"],
};

impl Effect for MixUp {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        draft.mixing.mixup = Some(self.0);
        check_mixing(draft)?;
        let Settings { alpha, probability } = self.0;
        Ok(format!(
            "a share from Beta({alpha}, {alpha}), in {} % of the batches",
            100.0 * probability
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::{check, check_on};

    #[test]
    fn batches_are_blended() {
        let trick = MixUp(Settings { alpha: 0.2, probability: 0.5 });
        let draft = check(&trick, Ok("a share from Beta(0.2, 0.2), in 50 % of the batches"));
        assert_eq!(draft.mixing.mixup, Some(trick.0));
    }

    #[test]
    fn a_single_image_has_no_partner() {
        let draft = Draft { batch_size: 1, ..Draft::example() };
        let refused = trickbag_losses::Error::Alone.to_string();
        check_on(draft, &MixUp(Settings { alpha: 0.2, probability: 1.0 }), Err(("", &refused)));
    }

    #[test]
    fn impossible_settings_are_refused() {
        let refused = "`alpha` is 0, expected a positive number";
        check(&MixUp(Settings { alpha: 0.0, probability: 1.0 }), Err(("alpha", refused)));
        let refused = "`probability` is 1.5, expected a number from 0 to 1";
        check(&MixUp(Settings { alpha: 1.0, probability: 1.5 }), Err(("probability", refused)));
    }
}
