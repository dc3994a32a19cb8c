//! Small images first: the training size of each epoch.

use crate::Error;
use serde::{Deserialize, Serialize};

/// Trains on smaller images at first: `ProgressiveResizing(initial_scale: 0.5)`.
///
/// The side stays at `initial_scale` of the full one for the part `delay` of the epochs, grows in a
/// line, and is full for the last part `finetune`.
///
/// Source: fast.ai; Composer's `ProgressiveResizing`, whose defaults these are. Convention: the
/// size changes between epochs; sides are multiples of `multiple`, except for the full one.
///
/// ```
/// use trickbag_data::ProgressiveResizing;
///
/// let sides = |epoch| ProgressiveResizing::default().size([224, 224], epoch, 10)[0];
/// assert_eq!([0, 4, 5, 6, 7, 8, 9].map(sides), [112, 112, 112, 148, 188, 224, 224]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProgressiveResizing {
    /// The first side as a part of the full one, above 0 and at most 1.
    pub initial_scale: f64,
    /// The part of the training before the side grows, 0 to 1.
    pub delay: f64,
    /// The part of the training at the end with the full side, 0 to 1.
    pub finetune: f64,
    /// What smaller sides are a multiple of, in pixels.
    pub multiple: usize,
}

/// Parts that add up to 1, such as 0.80681 and 0.19319, may do so a little above it.
const ROUNDING: f64 = 1e-9;

impl Default for ProgressiveResizing {
    fn default() -> Self {
        Self { initial_scale: 0.5, delay: 0.5, finetune: 0.2, multiple: 4 }
    }
}

impl ProgressiveResizing {
    /// Checks that there are sizes like these.
    ///
    /// # Errors
    /// [`Error::Progress`].
    pub fn check(&self) -> Result<(), Error> {
        let Self { initial_scale, delay, finetune, multiple } = *self;
        let check = |setting, found, legal, expected| {
            if legal { Ok(()) } else { Err(Error::Progress { setting, found, expected }) }
        };
        let scale = initial_scale > 0.0 && initial_scale <= 1.0;
        check("initial_scale", initial_scale, scale, "a part of the side, above 0 and at most 1")?;
        check("delay", delay, (0.0..=1.0).contains(&delay), "a part of the training, 0 to 1")?;
        let rest = finetune >= 0.0 && delay + finetune <= 1.0 + ROUNDING;
        check("finetune", finetune, rest, "a part of the training, at most what `delay` leaves")?;
        check("multiple", multiple as f64, multiple > 0, "at least 1 pixel")
    }

    /// Height and width in one of `epochs` epochs, where `full` is the last one's.
    pub fn size(&self, full: [usize; 2], epoch: u64, epochs: u64) -> [usize; 2] {
        let progress = epoch as f64 / epochs as f64;
        let growth = 1.0 - self.delay - self.finetune;
        let grown = if progress < self.delay {
            0.0
        } else if progress < self.delay + growth {
            (progress - self.delay) / growth
        } else {
            1.0
        };
        let scale = self.initial_scale + (1.0 - self.initial_scale) * grown;
        full.map(|side| {
            let steps = (side as f64 * scale / self.multiple as f64).round() as usize;
            if grown == 1.0 { side } else { (steps.max(1) * self.multiple).min(side) }
        })
    }
}
