//! Blurs before pixels are left out.

use serde::{Deserialize, Serialize};
use trickbag_models::BlurPool as Blurs;

use super::{Card, Effect, Slot, add_to_network};
use crate::plan::Draft;
use crate::problem::Fault;

/// Blurs feature maps before they are subsampled: `BlurPool`.
///
/// Source: Zhang 2019 (arXiv 1904.11486).
///
/// Convention: a 3x3 binomial filter with mirrored borders; the stem's pooling and the strided
/// convolution of each block lose their stride to a blur that follows (timm's `resnetblur50`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlurPool {}

pub(super) const CARD: Card = Card {
    name: "BlurPool",
    slot: Slot::Subsampling,
    source: "Zhang 2019",
    line: "TODO",
    what: "TODO",
    convention: "TODO",
    measured: "TODO",
    hurts: "TODO",
    changes: &[],
};

impl Effect for BlurPool {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        add_to_network(draft, |extras| extras.blur_pool = Blurs::On)?;
        Ok("a 3x3 blur wherever pixels are left out".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn networks_blur() {
        let draft = check(&BlurPool {}, Ok("a 3x3 blur wherever pixels are left out"));
        assert_eq!(draft.extras.blur_pool, Blurs::On);
    }
}
