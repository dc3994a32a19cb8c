//! The tweaks of the residual network, each by itself.

use serde::{Deserialize, Serialize};
use trickbag_models::Tweak;

use super::{Card, Effect, Slot, add_to_network};
use crate::plan::Draft;
use crate::problem::Fault;

const SOURCE: &str = "Bag of Tricks, 4.2";

/// Moves the stride of a bottleneck from its first 1x1 convolution to the 3x3 one: `ResNetB`.
///
/// Source: Bag of Tricks (arXiv 1812.01187), section 4.2; Gross and Wilber 2016 (torch).
///
/// Convention: the variant `A` of a network is the one without it; torchvision's ResNets have it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNetB {}

/// Puts three 3x3 convolutions in the place of the 7x7 one: `ResNetC`.
///
/// Source: Bag of Tricks (arXiv 1812.01187), section 4.2; Szegedy et al. 2016 (arXiv 1512.00567).
///
/// Convention: half the width, half the width, the width; the first has the stride.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNetC {}

/// Averages 2x2 pixels before the shortcut's 1x1 convolution, which loses its stride: `ResNetD`.
///
/// Source: Bag of Tricks (arXiv 1812.01187), section 4.2.
///
/// Convention: an average at the border counts the pixels that are there (timm).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNetD {}

pub(super) const CARD_B: Card = Card {
    name: "ResNetB",
    slot: Slot::BlockStride,
    source: SOURCE,
    line: "TODO",
    what: "TODO",
    convention: "TODO",
    measured: "TODO",
    hurts: "TODO",
    changes: &[],
};

impl Effect for ResNetB {
    fn card(&self) -> &'static Card {
        &CARD_B
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        tweak(draft, Tweak::B, "blocks stride in the 3x3 convolution")
    }
}

pub(super) const CARD_C: Card = Card {
    name: "ResNetC",
    slot: Slot::Stem,
    source: SOURCE,
    line: "TODO",
    what: "TODO",
    convention: "TODO",
    measured: "TODO",
    hurts: "TODO",
    changes: &[],
};

impl Effect for ResNetC {
    fn card(&self) -> &'static Card {
        &CARD_C
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        tweak(draft, Tweak::C, "three 3x3 convolutions instead of the 7x7 one")
    }
}

pub(super) const CARD_D: Card = Card {
    name: "ResNetD",
    slot: Slot::Shortcut,
    source: SOURCE,
    line: "TODO",
    what: "TODO",
    convention: "TODO",
    measured: "TODO",
    hurts: "TODO",
    changes: &[],
};

impl Effect for ResNetD {
    fn card(&self) -> &'static Card {
        &CARD_D
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        tweak(draft, Tweak::D, "shortcuts average before their convolution")
    }
}

fn tweak(draft: &mut Draft, tweak: Tweak, words: &str) -> Result<String, Fault> {
    add_to_network(draft, |extras| extras.tweaks.push(tweak))?;
    Ok(words.to_owned())
}

#[cfg(test)]
mod tests {
    use trickbag_models::{Architecture, Error, ResNet, Stem, Variant};

    use super::*;
    use crate::problem::Problem;
    use crate::tricks::tests::{check, check_on};

    #[test]
    fn each_tweak_is_added_by_itself() {
        let draft = check(&ResNetB {}, Ok("blocks stride in the 3x3 convolution"));
        assert_eq!(draft.extras.tweaks, [Tweak::B]);
        let words = "three 3x3 convolutions instead of the 7x7 one";
        let draft = check_on(draft, &ResNetC {}, Ok(words));
        let draft = check_on(draft, &ResNetD {}, Ok("shortcuts average before their convolution"));
        assert_eq!(draft.extras.tweaks, [Tweak::B, Tweak::C, Tweak::D]);
    }

    #[test]
    fn a_tweak_that_changes_nothing_is_refused() {
        let (depth, width) = (50, Some(8));
        let resnet = ResNet { depth, stem: Stem::ImageNet, variant: Variant::B, width };
        let mut draft = Draft { architecture: Architecture::ResNet(resnet), ..Draft::example() };
        let fault = ResNetB {}.apply(&mut draft).unwrap_err();
        assert_eq!(fault.at, "");
        let Problem::Model(Error::Tweak { tweak, .. }) = *fault.problem else {
            panic!("another problem")
        };
        assert_eq!(tweak, Tweak::B);
    }
}
