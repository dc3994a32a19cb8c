//! Wrong labels to train with.

use serde::{Deserialize, Serialize};
use trickbag_data::LabelNoise as Settings;

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Gives a part of the training images a wrong label: `LabelNoise(fraction: 0.2, seed: 1)`.
///
/// Source: Zhang et al. 2016 (arXiv 1611.03530).
///
/// Convention: exactly this fraction of the images gets another class than its own, each other class
/// alike. `seed` decides which, and has nothing to do with that of the recipe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LabelNoise(pub Settings);

pub(super) const CARD: Card = Card {
    name: "LabelNoise",
    slot: Slot::Labels,
    source: "Zhang et al. 2016",
    line: "LabelNoise(fraction: 0.2, seed: 1)",
    what: "Gives a part of the training images a wrong label, to see how well a recipe copes with \
           it. The validation labels stay right.",
    convention: "Exactly the fraction, rounded, of the images that are trained on, each to another class \
                 than its own. Where a label is replaced by any class, its own included, fewer are \
                 wrong.",
    measured: "Zhang et al. 2016: networks learn wholly random labels of CIFAR-10 to 100 % training \
               accuracy. Not measured by Trickbag.",
    hurts: "Always: it is there for experiments.",
    changes: &["label_noise"],
};

impl Effect for LabelNoise {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        self.0.check(draft.facts.classes).map_err(|error| Problem::Data(error).at("fraction"))?;
        draft.label_noise = Some(self.0);
        Ok(format!("{} % of the labels are wrong", 100.0 * self.0.fraction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn labels_become_wrong() {
        let noise = Settings { fraction: 0.25, seed: 1 };
        let draft = check(&LabelNoise(noise), Ok("25 % of the labels are wrong"));
        assert_eq!(draft.label_noise, Some(noise));
    }

    #[test]
    fn impossible_fractions_are_refused() {
        let noise = Settings { fraction: 1.5, seed: 1 };
        let refused = noise.check(10).unwrap_err().to_string();
        check(&LabelNoise(noise), Err(("fraction", &refused)));
    }
}
