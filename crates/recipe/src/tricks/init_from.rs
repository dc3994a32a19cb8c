//! A start from another training's values.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Starts from the values in a safetensors file, as far as names and shapes agree:
/// `InitFrom("resnet18.safetensors")`.
///
/// The file is one that Trickbag wrote (`model.safetensors`, `best.safetensors`) or one of
/// torchvision's or timm's ResNets. The last layer stays as initialised where the classes differ. The
/// program shows what was loaded, skipped and left. The path starts at the current folder.
///
/// Source: Yosinski et al. 2014 (arXiv 1411.1792); Kornblith et al. 2019 (arXiv 1805.08974).
///
/// Convention: batch-norm statistics are loaded with the parameters; all is trained, unless `Freeze`
/// says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitFrom(pub PathBuf);

pub(super) const CARD: Card = Card {
    name: "InitFrom",
    slot: Slot::Start,
    source: "Yosinski et al. 2014; Kornblith et al. 2019",
    line: "InitFrom(\"resnet18.safetensors\")",
    what: "Starts from the values of a network that was trained on other images. Its first layers \
           fit most photographs; with few images of one's own that is worth more than any trick.",
    convention: "By name and shape; a layer of another shape, as the last one for other classes, \
                 stays as initialised. Batch-norm statistics are loaded too. Nothing is frozen.",
    measured: "Kornblith et al.: on most sets of photographs, ImageNet's values reach in a small part \
               of the updates what random ones reach in all. Not measured by Trickbag.",
    hurts: "With a warmup left out or a rate for training from scratch the values are lost in the \
            first updates: a tenth of that rate is usual. Images must be normalised as they were.",
    changes: &["init_from"],
};

impl Effect for InitFrom {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        if self.0.as_os_str().is_empty() {
            return Err(Problem::impossible("InitFrom", "\"\"", "the path of a file").at(""));
        }
        draft.init_from = Some(self.0.clone());
        Ok(format!("the values of {}", self.0.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn a_file_is_planned_or_its_absence_refused() {
        let draft = check(&InitFrom("a/b".into()), Ok("the values of a/b"));
        assert_eq!(draft.init_from, Some("a/b".into()));
        let refused = "`InitFrom` is \"\", expected the path of a file";
        check(&InitFrom("".into()), Err(("", refused)));
    }
}
