//! A question for each class.

use serde::{Deserialize, Serialize};
use trickbag_losses::{BinaryCrossEntropy as Settings, Reduction};

use super::{Card, Effect, Slot};
use crate::plan::{Draft, Loss};
use crate::problem::{Fault, Problem};

/// Trains with the binary cross entropy of each class instead of the cross entropy over all:
/// `BinaryCrossEntropy`, or `BinaryCrossEntropy(target_threshold: 0.2)`.
///
/// Source: Wightman et al. 2021 (arXiv 2110.00476, "ResNet strikes back"), section 3.1.
///
/// Convention: the mean over classes (timm; `reduction: SumClasses` for their sum); targets are
/// smoothed as for the cross entropy, with eps/K on every class. Validation still reports the cross
/// entropy, so that losses of recipes can be compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BinaryCrossEntropy(pub Settings);

pub(super) const CARD: Card = Card {
    name: "BinaryCrossEntropy",
    slot: Slot::Loss,
    source: "Wightman et al. 2021, 3.1",
    line: "BinaryCrossEntropy(target_threshold: 0.2)",
    what: "Asks of each class by itself whether it is in the image. An image mixed of two is both, \
           which a softmax cannot say.",
    convention: "Mean over classes (timm's default); targets smoothed with eps/K on every class. \
                 Validation reports the cross entropy all the same.",
    measured: "Part of the A1 to A3 recipes of the paper (ResNet-50: 80.4 % with A1) and of Composer's \
               ResNet recipes. Not measured by Trickbag.",
    hurts: "Its gradients are smaller by the number of classes, so a rate tuned for the cross entropy \
            is too low. Of little use without mixed images.",
    changes: &["loss"],
};

impl Effect for BinaryCrossEntropy {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let refused = |error| Problem::Loss(error).at("target_threshold");
        self.0.validate().map_err(refused)?;
        draft.loss = Loss::EachClass(self.0);
        let over = match self.0.reduction {
            Reduction::Mean => "the mean over classes",
            Reduction::SumClasses => "the sum over classes",
        };
        Ok(match self.0.target_threshold {
            Some(threshold) => format!("{over}, targets above {threshold} count as 1"),
            None => over.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn the_loss_is_planned_or_refused() {
        let plain = Settings::default();
        let draft = check(&BinaryCrossEntropy(plain), Ok("the mean over classes"));
        assert_eq!(draft.loss, Loss::EachClass(plain));
        let (target_threshold, reduction) = (Some(0.2), Reduction::SumClasses);
        let strict = Settings { target_threshold, reduction };
        let words = "the sum over classes, targets above 0.2 count as 1";
        check(&BinaryCrossEntropy(strict), Ok(words));
        let impossible = Settings { target_threshold: Some(1.0), ..plain };
        let refused = impossible.validate().unwrap_err().to_string();
        check(&BinaryCrossEntropy(impossible), Err(("target_threshold", &refused)));
    }
}
