//! Small training images first.

use serde::{Deserialize, Serialize};
use trickbag_data::{Error, ProgressiveResizing as Settings};

use super::{Card, Effect, Slot};
use crate::number::short;
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Trains on smaller images at first: `ProgressiveResizing(initial_scale: 0.5, delay: 0.5, finetune:
/// 0.2, multiple: 4)`; these are the values when left out.
///
/// The side stays at `initial_scale` of the full one for the part `delay` of the epochs, grows in a
/// line, and is full for the last part `finetune`. The full size is that of the data, or of
/// [`TrainTestResolution`](super::TrainTestResolution).
///
/// Source: Howard 2018 (fast.ai, DAWNBench); Composer.
///
/// Convention: the size changes between epochs, and is a multiple of `multiple` until it is full.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProgressiveResizing(pub Settings);

pub(super) const CARD: Card = Card {
    name: "ProgressiveResizing",
    slot: Slot::SizeOverTime,
    source: "Howard 2018; Composer",
    line: "ProgressiveResizing(initial_scale: 0.5, delay: 0.4, finetune: 0.2)",
    what: "Trains on smaller images at first. Half the side is a quarter of the work, and what the \
           first epochs learn does not need the details.",
    convention: "The size changes between epochs (Composer: between batches). Random crops are cut from \
                 the whole image at the size of the epoch, other images are resized before they are \
                 changed. Evaluation keeps its size.",
    measured: "Not measured by Trickbag. It is in FFCV's recipes (160 to 192 pixels) and in Composer's \
               (half of the side, or 0.6 of it).",
    hurts: "With small images, where half of the side is too little to see anything, and in short \
            last phases: the batch norms have to get used to the full size.",
    changes: &["progressive_resizing"],
};

impl Effect for ProgressiveResizing {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let Settings { initial_scale, delay, finetune, .. } = self.0;
        self.0.check().map_err(|error| match error {
            Error::Progress { setting, .. } => Problem::Data(error).at(setting),
            error => Problem::Data(error).at(""),
        })?;
        let first = self.0.size(draft.train_size, 0, draft.epochs);
        draft.check_size(first).map_err(|problem| problem.at("initial_scale"))?;
        draft.progressive_resizing = Some(self.0);
        let [from, until] = [delay, 1.0 - finetune].map(|part| short(part * draft.epochs as f64));
        Ok(format!(
            "{initial_scale} of the side, {} x {}, growing from epoch {from} to {until}",
            first[0], first[1]
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::{check, check_on};

    #[test]
    fn images_grow() {
        let words = "0.5 of the side, 112 x 112, growing from epoch 5 to 8";
        let draft = check(&ProgressiveResizing(Settings::default()), Ok(words));
        assert_eq!(draft.progressive_resizing, Some(Settings::default()));

        let draft = Draft { train_size: [160, 160], ..Draft::example() };
        let words = "0.5 of the side, 80 x 80, growing from epoch 5 to 8";
        check_on(draft, &ProgressiveResizing(Settings::default()), Ok(words));
    }

    #[test]
    fn impossible_settings_are_refused() {
        let settings = Settings { delay: 1.5, ..Settings::default() };
        let refused = settings.check().unwrap_err().to_string();
        check(&ProgressiveResizing(settings), Err(("delay", &refused)));

        let mut draft = Draft::example();
        draft.augment = vec![trickbag_data::Augment::PadCrop(120)];
        let refused = trickbag_data::Error::PadTooLarge { pad: 120, height: 112, width: 112 };
        let small = ProgressiveResizing(Settings::default());
        check_on(draft, &small, Err(("initial_scale", &refused.to_string())));
    }
}
