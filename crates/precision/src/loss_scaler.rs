//! Dynamic loss scaling as a pure state machine.

use serde::{Deserialize, Serialize};

use crate::Error;

/// Settings of dynamic loss scaling; the defaults are PyTorch's `GradScaler`'s.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScalerSettings {
    /// Scale of the first step.
    pub initial: f32,
    /// Factor after `interval` good steps in a row; above 1.
    pub growth: f32,
    /// Factor after an overflow; between 0 and 1.
    pub backoff: f32,
    /// Good steps in a row before the scale grows.
    pub interval: u32,
    /// Lowest scale; an overflow there ends the training.
    pub floor: f32,
}

impl Default for ScalerSettings {
    fn default() -> Self {
        Self { initial: 65536.0, growth: 2.0, backoff: 0.5, interval: 2000, floor: 1.0 }
    }
}

/// How a step's gradients came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    /// All finite: the step counts.
    Finite,
    /// Some infinite or NaN: the step must update nothing at all.
    Overflow,
}

/// Dynamic loss scaling (Micikevicius et al., arXiv 1710.03740).
///
/// The loss is multiplied by [`scale`](Self::scale) before the backward pass and the gradients are
/// divided by it afterwards. The scale doubles after 2000 good steps in a row and halves on an
/// overflow. An overflow step updates nothing: no parameter, no momentum, no schedule, no average.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossScaler {
    settings: ScalerSettings,
    scale: f32,
    good_steps: u32,
}

impl Default for LossScaler {
    fn default() -> Self {
        let settings = ScalerSettings::default();
        Self { settings, scale: settings.initial, good_steps: 0 }
    }
}

impl LossScaler {
    /// A scaler before its first step.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] names the setting that is out of its range.
    pub fn new(settings: ScalerSettings) -> Result<Self, Error> {
        let ScalerSettings { initial, growth, backoff, interval, floor } = settings;
        let rules = [
            ("growth", growth, growth > 1.0 && growth.is_finite(), "a number above 1"),
            ("backoff", backoff, backoff > 0.0 && backoff < 1.0, "a number between 0 and 1"),
            ("interval", interval as f32, interval > 0, "at least 1 step"),
            ("floor", floor, floor > 0.0 && floor.is_finite(), "a positive number"),
            ("initial", initial, initial >= floor && initial.is_finite(), "at least the floor"),
        ];
        match rules.into_iter().find(|rule| !rule.2) {
            None => Ok(Self { settings, scale: initial, good_steps: 0 }),
            Some((field, found, _, expected)) => {
                Err(Error::Settings { field, found: f64::from(found), expected })
            }
        }
    }

    /// What the loss of the next step is multiplied by.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// The scaler after a step.
    ///
    /// # Errors
    ///
    /// [`Error::Floor`] for an overflow at the lowest scale.
    pub fn after(self, outcome: StepOutcome) -> Result<Self, Error> {
        let ScalerSettings { growth, backoff, interval, floor, .. } = self.settings;
        match outcome {
            StepOutcome::Finite if self.good_steps + 1 < interval => {
                Ok(Self { good_steps: self.good_steps + 1, ..self })
            }
            StepOutcome::Finite => {
                let grown = self.scale * growth;
                let scale = if grown.is_finite() { grown } else { self.scale };
                Ok(Self { scale, good_steps: 0, ..self })
            }
            StepOutcome::Overflow if self.scale <= floor => Err(Error::Floor { floor }),
            StepOutcome::Overflow => {
                Ok(Self { scale: (self.scale * backoff).max(floor), good_steps: 0, ..self })
            }
        }
    }
}
