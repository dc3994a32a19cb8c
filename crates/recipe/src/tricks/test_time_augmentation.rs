//! Several looks at an image in evaluation.

use serde::{Deserialize, Serialize};
use trickbag_data::{Facing, View};

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Looks at each image several times in evaluation, and adds the logits up:
/// `TestTimeAugmentation(flip: true)`, `TestTimeAugmentation(flip: true, shift: 1)`.
///
/// `flip` adds the mirrored image, with the weight 1/2 each. `shift` adds the image moved up and left
/// by so many pixels, and down and right, with 1/4 each beside 1/2 for the image in its place. Both
/// together make six views.
///
/// Source: Jordan 2024 (arXiv 2404.00498), section 3.5; flips alone: Krizhevsky et al. 2012.
///
/// Convention, as `airbench94.py`: logits are averaged, not probabilities; what comes into view is
/// the image mirrored at its outermost pixels. (FFCV adds the logits without dividing, which changes
/// the loss and not the accuracy.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestTimeAugmentation {
    /// Whether the mirrored image counts too.
    #[serde(default)]
    pub flip: bool,
    /// Pixels that the image moves by, 0 for none.
    #[serde(default)]
    pub shift: usize,
}

pub(super) const CARD: Card = Card {
    name: "TestTimeAugmentation",
    slot: Slot::Views,
    source: "Jordan 2024, 3.5",
    line: "TestTimeAugmentation(flip: true, shift: 1)",
    what: "Looks at each image several times in evaluation, mirrored and moved, and adds up what \
           the network answers: an ensemble of one network.",
    convention: "Logits are averaged. Weights as in airbench94.py: the six views of flip and shift have \
                 1/4 for the image and its mirror image, 1/8 for each of them moved up and left, and \
                 down and right. Borders are reflected.",
    measured: "Jordan 2024: six views in place of two shorten the training to 94 % on CIFAR-10 from 12 \
               to 10.8 epochs. Not measured by Trickbag.",
    hurts: "Evaluation takes two to six times as long. Mirrored digits and letters are other digits \
            and letters. Accuracies with and without it must not be compared.",
    changes: &["test_views"],
};

impl Effect for TestTimeAugmentation {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        if !self.flip && self.shift == 0 {
            let expected = "`flip: true`, a `shift` above 0, or both";
            return Err(Problem::impossible(CARD.name, "a single view", expected).at(""));
        }
        let most = draft.facts.height.min(draft.facts.width).saturating_sub(1);
        if self.shift > most {
            let expected = format!("at most {most}: images have no more pixels to reflect");
            return Err(Problem::impossible("shift", self.shift, expected).at("shift"));
        }
        draft.test_views = self.views();
        Ok(format!("{} views of each image in evaluation", draft.test_views.len()))
    }
}

impl TestTimeAugmentation {
    fn views(&self) -> Vec<View> {
        let facings: &[_] = match self.flip {
            true => &[Facing::Original, Facing::Mirrored],
            false => &[Facing::Original],
        };
        let shift = self.shift as isize;
        let places: &[_] = match shift {
            0 => &[(0, 1.0)],
            _ => &[(0, 0.5), (shift, 0.25), (-shift, 0.25)],
        };
        let view = |facing, (by, share): (isize, f64)| View {
            facing,
            down: by,
            right: by,
            weight: share / facings.len() as f64,
        };
        let views =
            facings.iter().flat_map(|facing| places.iter().map(|place| view(*facing, *place)));
        views.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    fn seen(flip: bool, shift: usize, words: &str) -> Vec<(Facing, isize, isize, f64)> {
        let draft = check(&TestTimeAugmentation { flip, shift }, Ok(words));
        let views = draft.test_views.iter();
        views.map(|view| (view.facing, view.down, view.right, view.weight)).collect()
    }

    #[test]
    fn views_have_the_weights_of_airbench() {
        use Facing::{Mirrored, Original};
        let expected = [(Original, 0, 0, 0.5), (Mirrored, 0, 0, 0.5)];
        assert_eq!(seen(true, 0, "2 views of each image in evaluation"), expected);
        let expected = [(Original, 0, 0, 0.5), (Original, 2, 2, 0.25), (Original, -2, -2, 0.25)];
        assert_eq!(seen(false, 2, "3 views of each image in evaluation"), expected);
        let expected = [
            (Original, 0, 0, 0.25),
            (Original, 1, 1, 0.125),
            (Original, -1, -1, 0.125),
            (Mirrored, 0, 0, 0.25),
            (Mirrored, 1, 1, 0.125),
            (Mirrored, -1, -1, 0.125),
        ];
        assert_eq!(seen(true, 1, "6 views of each image in evaluation"), expected);
    }

    #[test]
    fn views_that_cannot_be_are_refused() {
        let refused = "`TestTimeAugmentation` is a single view, expected `flip: true`, a `shift` \
                       above 0, or both";
        check(&TestTimeAugmentation { flip: false, shift: 0 }, Err(("", refused)));
        let refused = "`shift` is 224, expected at most 223: images have no more pixels to reflect";
        check(&TestTimeAugmentation { flip: true, shift: 224 }, Err(("shift", refused)));
    }
}
