//! Training images that are smaller than those of evaluation.

use serde::{Deserialize, Serialize};

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::Fault;

/// Trains on images of another size than evaluation has: `TrainTestResolution(train: 160)`.
///
/// Evaluation keeps the size of the data. Of images that are not square, `train` is the short side.
///
/// Source: Touvron et al. 2019 (arXiv 1906.06423), without the fine-tuning at the end.
///
/// Convention: `RandomResizedCrop` cuts from the whole image at this size; other training images are
/// resized to it before they are changed (bilinear, antialiased). With
/// [`ProgressiveResizing`](super::ProgressiveResizing) it is the full size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainTestResolution {
    /// The short side of training images, in pixels.
    pub train: usize,
}

pub(super) const CARD: Card = Card {
    name: "TrainTestResolution",
    slot: Slot::TrainSize,
    source: "Touvron et al. 2019",
    line: "TrainTestResolution(train: 176)",
    what: "Trains on smaller images than evaluation has. A random crop enlarges what it shows, so \
           objects look larger in training than in a centre crop of the same size; larger \
           evaluation images make up for that, and smaller training images are faster.",
    convention: "Evaluation keeps the size of the data. Random crops are cut from the whole image at the \
                 training size. Without the fine-tuning of the last layers that the paper adds.",
    measured: "Touvron et al. 2019: ResNet-50 trained at 224 pixels has 77.0 % at 224 and 78.4 % at \
               288. torchvision: 80.036 to 80.196 % with crops of 176 in place of 224, evaluated at \
               224. Not measured by Trickbag.",
    hurts: "Without random crops of varying size there is nothing to make up for; and where details \
            matter that small images do not show.",
    changes: &["train_size"],
};

impl Effect for TrainTestResolution {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let full = [draft.facts.height, draft.facts.width];
        let short = full[0].min(full[1]);
        let size = full.map(|side| (side * self.train + short / 2) / short);
        draft.check_size(size).map_err(|problem| problem.at("train"))?;
        draft.train_size = size;
        Ok(format!(
            "training at {} x {}, evaluation at {} x {}",
            size[0], size[1], full[0], full[1]
        ))
    }
}

#[cfg(test)]
mod tests {
    use trickbag_data::Facts;

    use super::*;
    use crate::tricks::tests::{check, check_on};

    #[test]
    fn training_images_have_another_size() {
        let words = "training at 160 x 160, evaluation at 224 x 224";
        let draft = check(&TrainTestResolution { train: 160 }, Ok(words));
        assert_eq!(draft.train_size, [160, 160]);

        let mut draft = Draft::example();
        draft.facts = Facts { width: 448, ..draft.facts };
        let words = "training at 100 x 200, evaluation at 224 x 448";
        let draft = check_on(draft, &TrainTestResolution { train: 100 }, Ok(words));
        assert_eq!(draft.train_size, [100, 200]);
    }

    #[test]
    fn sizes_that_the_network_or_an_augmentation_cannot_take_are_refused() {
        let mut draft = Draft::example();
        draft.architecture = crate::recipe::options().from_str("InceptionV3()").unwrap();
        let found = TrainTestResolution { train: 64 }.apply(&mut draft).unwrap_err();
        let message = found.problem.to_string();
        assert_eq!(found.at, "train");
        assert!(
            message.starts_with("images of 64 x 64 pixels do not fit the network: "),
            "{message}"
        );

        let mut draft = Draft::example();
        draft.augment = vec![trickbag_data::Augment::PadCrop(40)];
        let refused = trickbag_data::Error::PadTooLarge { pad: 40, height: 32, width: 32 };
        let small = TrainTestResolution { train: 32 };
        check_on(draft, &small, Err(("train", &refused.to_string())));
    }
}
