//! Several copies of an image in a batch.

use serde::{Deserialize, Serialize};
use trickbag_data::Order;

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Shows each image this many times in a row, each time changed differently:
/// `RepeatedAugmentation(4)`. An epoch is as long as without, and so shows a part of the images.
///
/// Source: Hoffer et al. 2020 (arXiv 1901.09335).
///
/// Convention: the copies stand side by side (torchvision's `RASampler`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatedAugmentation(pub usize);

pub(super) const CARD: Card = Card {
    name: "RepeatedAugmentation",
    slot: Slot::Order,
    source: "Hoffer et al. 2020",
    line: "RepeatedAugmentation(4)",
    what: "Shows each image several times in a row, each time changed differently. The gradient \
           then averages over the changes of an image, so strong augmentation adds less noise, and \
           each image is read only once.",
    convention: "The copies stand side by side in the batch (torchvision's `RASampler`), and an \
                 epoch is as long as without: with 4 it shows a quarter of the images.",
    measured: "ResNet-50 on ImageNet, 600 epochs with strong augmentation: 80.674 to 80.858 \
               (torchvision's ladder). Not measured by Trickbag.",
    hurts: "In n epochs each image is seen in n/4 of them, so short trainings lose. In small \
            batches the copies are a large part of the batch, and batch norm sees few different \
            images. Without random changes the copies are equal and the work is wasted.",
    changes: &["order"],
};

impl Effect for RepeatedAugmentation {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let order = Order::Repeated(self.0);
        order.check().map_err(|error| Problem::Data(error).at(""))?;
        draft.order = order;
        Ok(format!("each image {} times in a row", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn images_repeat() {
        let draft = check(&RepeatedAugmentation(4), Ok("each image 4 times in a row"));
        assert_eq!(draft.order, Order::Repeated(4));
        let refused = trickbag_data::Error::Repeats.to_string();
        check(&RepeatedAugmentation(0), Err(("", &refused)));
    }
}
