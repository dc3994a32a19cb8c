//! A learning rate that falls along half a cosine.

use serde::{Deserialize, Serialize};
use trickbag_schedules::Schedule;

use super::{Effect, Slot};
use crate::error::{Fault, Problem};
use crate::plan::Draft;

/// Lowers the learning rate along half a cosine to `min` at the end of the training: `CosineAnnealing`, or
/// `CosineAnnealing(min: 1e-5)`.
///
/// Source: SGDR (arXiv 1608.03983) without restarts; Bag of Tricks (arXiv 1812.01187), section 5.1.
///
/// Convention: closed form, 0.5 * (1 + cos(pi*t/T)) * (peak - min) + min, where t and T count the updates
/// after the warmup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosineAnnealing {
    /// The learning rate that the curve ends in: absolute, at least 0 and below the peak.
    #[serde(default)]
    pub min: f64,
}

impl Effect for CosineAnnealing {
    fn name(&self) -> &'static str {
        "CosineAnnealing"
    }

    fn slot(&self) -> Slot {
        Slot::Decay
    }

    fn source(&self) -> &'static str {
        "SGDR; Bag of Tricks, 5.1"
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let (peak, steps) = (draft.peak, draft.steps_after_warmup());
        if !(0.0..peak).contains(&self.min) {
            let expected = format!("a rate of at least 0 and below the peak, {peak}");
            return Err(Problem::impossible("min", self.min, expected).at("min"));
        }
        draft.decay = Some(Schedule::cosine(peak, self.min, steps)?);
        Ok(format!("{peak} to {} in {steps} steps", self.min))
    }
}
