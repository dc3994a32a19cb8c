//! Boxes of images that are replaced by those of others.

use serde::{Deserialize, Serialize};
use trickbag_losses::CutMix as Settings;

use super::{Card, Effect, Slot, check_mixing};
use crate::plan::Draft;
use crate::problem::Fault;

/// Replaces a box of each image by that of another of its batch, and mixes the targets by area:
/// `CutMix(alpha: 1.0)`.
///
/// `alpha`, above 0: the share of the image that is left is drawn from Beta(alpha, alpha), once for a
/// batch. `probability`, 1 when left out, is the share of the batches that get a box; with `MixUp`
/// the two share out the batches, and must not come to more than 1.
///
/// Source: Yun et al. 2019 (arXiv 1905.04899).
///
/// Convention: labels are smoothed first, then mixed; the partner is the batch reversed; the share is
/// computed again from the part of the box that lies in the image (timm).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CutMix(pub Settings);

pub(super) const CARD: Card = Card {
    name: "CutMix",
    slot: Slot::Patches,
    source: "Yun et al. 2019",
    line: "CutMix(alpha: 1.0)",
    what: "Replaces a box of each image by the same box of another image of the batch, and mixes \
           the targets by area. The network has to find evidence in every part of an image, and \
           what fills the box is an image too, not grey.",
    convention: "Labels are smoothed first, then mixed; the partner is the batch reversed; the \
                 share is computed again from the part of the box that lies in the image (timm). \
                 torchvision rolls the batch by one, Composer permutes it.",
    measured: "ResNet-50 on ImageNet: 79.232 to 79.510 beside MixUp, drawn at random for each \
               batch (torchvision's ladder); about 76.3 to 78.6 in 300 epochs by itself (Yun et \
               al. 2019). Not measured by Trickbag.",
    hurts: "Short trainings: it slows learning down, and below some hundred epochs a small network \
            ends lower than without. The box may hide the object altogether. Training accuracy is \
            no longer that of whole images.",
    changes: &["mixing"],
};

impl Effect for CutMix {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        draft.mixing.cutmix = Some(self.0);
        check_mixing(draft)?;
        let Settings { alpha, probability } = self.0;
        Ok(format!(
            "an area from Beta({alpha}, {alpha}), in {} % of the batches",
            100.0 * probability
        ))
    }
}

#[cfg(test)]
mod tests {
    use trickbag_losses::{Error, MixUp};

    use super::*;
    use crate::tricks::tests::{check, check_on};

    #[test]
    fn batches_get_a_box() {
        let trick = CutMix(Settings { alpha: 1.0, probability: 1.0 });
        let draft = check(&trick, Ok("an area from Beta(1, 1), in 100 % of the batches"));
        assert_eq!(draft.mixing.cutmix, Some(trick.0));
    }

    #[test]
    fn the_two_cannot_both_have_every_batch() {
        let mut draft = Draft::example();
        draft.mixing.mixup = Some(MixUp { alpha: 0.2, probability: 0.5 });
        let refused = Error::Probabilities(1.5).to_string();
        let trick = CutMix(Settings { alpha: 1.0, probability: 1.0 });
        check_on(draft, &trick, Err(("probability", &refused)));
    }
}
