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
    line: "ResNetB",
    what: "Moves the stride of a downsampling bottleneck from its first 1x1 convolution to its 3x3 \
           one. A 1x1 convolution with stride 2 never looks at three quarters of its input.",
    convention: "The variant `A` of a network is the one without it; torchvision's ResNets, and \
                 this program's default, have it.",
    measured: "ResNet-50 on ImageNet, about: 76.21 to 76.66, for 3.8 to 4.1 GFLOPs (Bag of Tricks, \
               4.2, its own count).",
    hurts: "About 8 % more work. Networks of basic blocks (ResNet-18, -34, the CIFAR ones) have no \
            such 1x1 convolution, and the trick is refused there.",
    changes: &["macs", "network"],
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
    line: "ResNetC",
    what: "Puts three 3x3 convolutions in the place of the 7x7 one. Together they see as much of the \
           image, with two nonlinearities between.",
    convention: "Half the width, half the width, the width (32, 32, 64); the first has the stride, \
                 and max pooling follows.",
    measured: "ResNet-50 on ImageNet, on top of B, about: 76.66 to 76.87, for 4.1 to 4.3 GFLOPs \
               (Bag of Tricks, 4.2, its own count).",
    hurts: "At full resolution every convolution is dear: about 5 % more operations, and more \
            memory for activations than those suggest. The stem for small images has no 7x7 \
            convolution, and the trick is refused there.",
    changes: &["groups", "macs", "network"],
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
    line: "ResNetD",
    what: "Averages 2x2 pixels before the shortcut's 1x1 convolution, which loses its stride. \
           Strided, it would leave out three quarters of the block's input, as in B but on the \
           shortcut.",
    convention: "An average at the border counts the pixels that are there (timm). The paper's \
                 ResNet-D has B and C as well; here each tweak is a line of its own, and `variant: \
                 D` has all three.",
    measured: "ResNet-50 on ImageNet, on top of B and C, about: 76.87 to 77.16, at 4.3 GFLOPs as \
               before (Bag of Tricks, 4.2).",
    hurts: "Hardly ever: the pooling costs next to nothing. The convolution and the norm of the \
            shortcut have timm's names then, so files of weights that were trained without it do \
            not fit.",
    changes: &["groups", "network"],
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
