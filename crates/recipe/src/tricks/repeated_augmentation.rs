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
    line: "TODO",
    what: "TODO",
    convention: "TODO",
    measured: "TODO",
    hurts: "TODO",
    changes: &[],
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
