//! How the loss is scaled for a number format of small range.

use serde::{Deserialize, Serialize};
use trickbag_precision::{Error, LossScaling as Settings, ScalerSettings};

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Scales the loss of an `F16` training otherwise than by default: `LossScaling(Static(1024))`,
/// `LossScaling(Dynamic(initial: 1024))`, or `LossScaling(Off)`.
///
/// `Dynamic` has the fields `initial` (65536), `growth` (2), `backoff` (0.5), `interval` (2000) and
/// `floor` (1); without the line it has these values.
///
/// Source: Micikevicius et al. 2018 (arXiv 1710.03740), section 3.2; PyTorch's `GradScaler`.
///
/// Convention: gradients are divided by the scale in f32 before anything uses them. An update whose
/// gradients overflow changes nothing but the scale, and its batch is tried again; PyTorch goes on to
/// the next batch. An overflow at a scale that is fixed, or at the floor, ends the training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossScaling(pub Settings);

pub(super) const CARD: Card = Card {
    name: "LossScaling",
    slot: Slot::LossScale,
    source: "Micikevicius et al. 2018, 3.2",
    line: "LossScaling(Static(1024))",
    what: "Multiplies the loss before the backward pass and divides the gradients afterwards, so that \
           small gradients do not become zero in `F16`. Without the line the scale is dynamic: as \
           large as the gradients allow. `Static` fixes it, `Off` leaves it out.",
    convention: "Dynamic as PyTorch's GradScaler: from 65536, twice as large after 2000 good updates in \
                 a row, half as large on an overflow. An update that overflows changes no parameter, \
                 momentum, schedule, average or statistics; its batch is tried again at the lower \
                 scale, where PyTorch goes on to the next batch. An overflow at a fixed scale, or at the \
                 floor, ends the training.",
    measured: "Micikevicius et al. 2018: a Multibox SSD diverges without, and with a scale of 8 reaches \
               the accuracy of f32; ImageNet classifiers trained without. Not measured by Trickbag.",
    hurts: "A fixed scale that suits the first epochs may overflow later, and ends the training then.",
    changes: &["loss_scaling"],
};

impl Effect for LossScaling {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        if !draft.precision.needs_loss_scaling() {
            return Err(Problem::Needs { trick: CARD.name, needs: "Precision(F16)" }.at(""));
        }
        self.0.validate().map_err(|error: Error| Problem::Precision(error).at(""))?;
        draft.loss_scaling = self.0;
        Ok(in_words(&self.0))
    }
}

/// As in `dynamic from 65536`.
pub(crate) fn in_words(scaling: &Settings) -> String {
    match scaling {
        Settings::Dynamic(ScalerSettings { initial, interval, .. }) => {
            format!("dynamic from {initial}, grows after {interval} steps")
        }
        Settings::Static(scale) => format!("always {scale}"),
        Settings::Off => "off".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use trickbag_precision::Policy;

    use super::*;
    use crate::tricks::tests::{check, check_on};

    fn half() -> Draft {
        let mut draft = Draft::example();
        draft.precision = Policy::F16;
        draft
    }

    #[test]
    fn scales_are_planned() {
        let short = ScalerSettings { initial: 1024.0, interval: 100, ..ScalerSettings::default() };
        for (scaling, words) in [
            (Settings::Dynamic(short), "dynamic from 1024, grows after 100 steps"),
            (Settings::Static(128.0), "always 128"),
            (Settings::Off, "off"),
        ] {
            let draft = check_on(half(), &LossScaling(scaling), Ok(words));
            assert_eq!(draft.loss_scaling, scaling);
        }
    }

    #[test]
    fn impossible_and_needless_scales_are_refused() {
        let refused = "`LossScaling` needs `Precision(F16)`, which the recipe does not have";
        check(&LossScaling(Settings::Off), Err(("", refused)));
        let refused = "loss scaling: `scale` is 0, expected a positive number";
        check_on(half(), &LossScaling(Settings::Static(0.0)), Err(("", refused)));
    }
}
