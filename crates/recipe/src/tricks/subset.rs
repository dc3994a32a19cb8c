//! A part of the training images.

use serde::{Deserialize, Serialize};
use trickbag_data::{Error, Subset as Settings};

use super::{Card, Effect, Slot};
use crate::number::grouped;
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Trains on a part of the images, the same share of every class: `Subset(fraction: 0.1, seed: 1)`.
///
/// An epoch becomes as much shorter, so durations in epochs do too. `seed` decides which images, and
/// has nothing to do with that of the recipe: all seeds of an experiment see the same images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subset(pub Settings);

pub(super) const CARD: Card = Card {
    name: "Subset",
    slot: Slot::Images,
    source: "an experiment of one's own",
    line: "Subset(fraction: 0.1, seed: 1)",
    what: "Trains on a part of the images, the same share of every class: for quick experiments, \
           and for how a recipe does with few images.",
    convention: "Stratified to within an image a class; a smaller fraction keeps a part of what a larger \
                 one keeps. All validation images stay. The seed is not the recipe's.",
    measured: "Not measured by Trickbag.",
    hurts: "Always, in accuracy. What wins on a tenth of the images need not win on all: strong \
            augmentation and long trainings gain with few images.",
    changes: &["facts", "subset", "steps_per_epoch", "total_steps", "learning_rate"],
};

impl Effect for Subset {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let train_len = draft.facts.train_len;
        self.0.check(train_len).map_err(|error| Problem::Data(error).at("fraction"))?;
        let left = self.0.train_len(train_len);
        draft.reduce(self.0).map_err(|fault| match *fault.problem {
            problem @ Problem::Data(Error::BatchTooLarge { .. }) => {
                problem.at("fraction").with(Some("batch_size".to_owned()))
            }
            problem => problem.at("fraction"),
        })?;
        Ok(format!("{} of {} images", grouped(left as u64), grouped(train_len as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    fn subset(fraction: f64) -> Subset {
        Subset(Settings { fraction, seed: 1 })
    }

    #[test]
    fn an_epoch_becomes_shorter() {
        let draft = check(&subset(0.5), Ok("2,560 of 5,120 images"));
        assert_eq!((draft.facts.train_len, draft.subset), (2560, Some(subset(0.5).0)));
        assert_eq!((draft.clock.steps_per_epoch, draft.clock.total_steps), (5, 50));
    }

    #[test]
    fn impossible_parts_are_refused() {
        let refused = subset(1.5).0.check(5120).unwrap_err().to_string();
        check(&subset(1.5), Err(("fraction", &refused)));
        let refused = Error::BatchTooLarge { batch_size: 512, train_len: 51 }.to_string();
        check(&subset(0.01), Err(("fraction", &refused)));
    }
}
