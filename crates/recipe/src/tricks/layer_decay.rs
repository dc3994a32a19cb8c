//! Learning rates that are smaller the further a layer is from the head.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use trickbag_param_groups::{Rule, Settings};

use super::{Card, Effect, Slot};
use crate::number::short;
use crate::plan::{Draft, parameters};
use crate::problem::{Fault, Problem};

/// Multiplies the learning rate of a layer by this number once for every layer above it:
/// `LayerDecay(0.75)`. Its value is above 0 and below 1.
///
/// Source: Clark et al. 2020 (arXiv 2003.10555); Bao et al. 2021 (arXiv 2106.08254).
///
/// Convention: the head has the learning rate itself, the block below it `0.75` times that, and so on
/// down to the stem (BEiT, timm). Layers are residual blocks, or what takes their place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LayerDecay(pub f64);

pub(super) const CARD: Card = Card {
    name: "LayerDecay",
    slot: Slot::Multipliers,
    source: "Clark et al. 2020; Bao et al. 2021",
    line: "LayerDecay(0.75)",
    what: "Makes the learning rate smaller the further a block is from the head. Early layers of a \
           trained network find edges and textures that any images have; they need less change \
           than the late ones.",
    convention: "The head has the learning rate itself, each block below it that of the block above \
                 times the value; the stem is the last (BEiT, timm). A block is one residual block, \
                 where BEiT has one transformer layer.",
    measured: "Not measured by Trickbag. MAE (He et al. 2021, table 9) fine-tunes its transformers with \
               0.75.",
    hurts: "From scratch: early layers then learn too little. In deep networks a small value comes \
            close to freezing: 0.75 leaves the stem of a ResNet-50, 17 layers below the head, 0.0075 \
            of the rate.",
    changes: &["groups"],
};

impl Effect for LayerDecay {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        if !(self.0 > 0.0 && self.0 < 1.0) {
            let expected = "a number above 0 and below 1";
            return Err(Problem::impossible(CARD.name, self.0, expected).at(""));
        }
        let network = draft.network().map_err(|error| Problem::Model(error).at(""))?;
        let depths: BTreeSet<usize> = parameters(&network).iter().map(|p| p.depth).collect();
        let head = depths.last().copied().unwrap_or_default();
        let multiplier = |depth: usize| self.0.powf((head - depth) as f64);
        for depth in depths {
            let lr_multiplier = Some(multiplier(depth));
            let then = Settings { lr_multiplier, ..Settings::default() };
            draft.rules.push(Rule::new(then).at_depths(depth..=depth));
        }
        Ok(format!("from {} in the stem to 1 in the head", short(multiplier(0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn the_head_has_the_rate_and_the_stem_the_least_of_it() {
        let draft = check(&LayerDecay(0.5), Ok("from 7.62939e-6 in the stem to 1 in the head"));
        let multipliers: Vec<_> =
            draft.rules.iter().filter_map(|rule| rule.then.lr_multiplier).collect();
        // The stem, 16 blocks and the head.
        let expected: Vec<f64> = (0..18).rev().map(|above| 0.5_f64.powi(above)).collect();
        assert_eq!(multipliers, expected);
    }

    #[test]
    fn impossible_decays_are_refused() {
        let refused = "`LayerDecay` is 1, expected a number above 0 and below 1";
        check(&LayerDecay(1.0), Err(("", refused)));
    }
}
