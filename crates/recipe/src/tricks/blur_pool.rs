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
    line: "BlurPool",
    what: "Blurs feature maps before pixels are left out. A stride alone keeps every second pixel, \
           whatever lies between, so the answer depends on where in the frame an object happens to \
           lie; a blurred map shifts more smoothly.",
    convention: "A 3x3 binomial filter with mirrored borders. The pooling of the stem and the \
                 strided convolution of each block lose their stride to a blur that follows norm \
                 and ReLU (timm's `resnetblur50`); Composer blurs what goes into them, shortcuts \
                 too.",
    measured: "ResNet-50 on ImageNet: about +0.7 points (Zhang 2019, this filter). Part of FFCV's \
               and of Composer's recipes. Not measured by Trickbag.",
    hurts: "The convolutions that lose their stride compute four times the pixels, so a step takes \
            longer; see `macs` in the plan. On 32x32 pixels there are only two places to blur.",
    changes: &["macs", "network"],
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
