//! A gate for each channel.

use serde::{Deserialize, Serialize};
use trickbag_models::SqueezeExcite as Settings;

use super::{Card, Effect, Slot, add_to_network};
use crate::plan::Draft;
use crate::problem::Fault;

/// Weighs the channels of each residual block by gates that are computed from all of them:
/// `SqueezeExcite(reduction: 16)`.
///
/// `reduction`, 16 when left out: channels for each unit of the layer between.
///
/// Source: Hu et al. 2018 (arXiv 1709.01507).
///
/// Convention: on the branch, right before the addition; units are rounded to a multiple of 8 (timm).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SqueezeExcite(pub Settings);

pub(super) const CARD: Card = Card {
    name: "SqueezeExcite",
    slot: Slot::Gates,
    source: "Hu et al. 2018",
    line: "SqueezeExcite(reduction: 16)",
    what: "Weighs the channels of each residual block by gates between 0 and 1 that two small \
           layers compute from the averages of all channels. What a channel says about one place \
           can thus depend on the whole image.",
    convention: "On the branch, right before the addition; the layer between has \
                 channels/reduction units, rounded to a multiple of 8 (timm). The paper does not \
                 round.",
    measured: "ResNet-50 on ImageNet: top-1 error about 24.8 to 23.3 (Hu et al. 2018). Not \
               measured by Trickbag.",
    hurts: "Hardly any operations, but each block waits for averages of its whole output and then \
            reads it once more: in small networks the step takes visibly longer. About a tenth \
            more parameters in ResNet-50; in networks with few channels 8 units are a bottleneck.",
    changes: &["groups", "macs", "network"],
};

impl Effect for SqueezeExcite {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        add_to_network(draft, |extras| extras.squeeze_excite = Some(self.0))?;
        Ok(format!("a unit for {} channels", self.0.reduction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn blocks_get_gates() {
        let trick = SqueezeExcite(Settings { reduction: 8 });
        let draft = check(&trick, Ok("a unit for 8 channels"));
        assert_eq!(draft.extras.squeeze_excite, Some(trick.0));
        let refused = "the reduction of squeeze and excitation is 0, expected 1 or more";
        check(&SqueezeExcite(Settings { reduction: 0 }), Err(("", refused)));
    }
}
