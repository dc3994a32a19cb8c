//! Loss scaling as a pure state machine.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How the loss of an `F16` training is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum LossScaling {
    /// As large as the gradients allow; found out, and followed, in the course of the training.
    Dynamic(ScalerSettings),
    /// Always by this factor. An overflow ends the training.
    Static(f32),
    /// Not at all: gradients below 6e-8 are lost. An overflow ends the training.
    Off,
}

impl Default for LossScaling {
    fn default() -> Self {
        Self::Dynamic(ScalerSettings::default())
    }
}

impl LossScaling {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] names the first setting out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Dynamic(settings) => settings.validate(),
            Self::Static(scale) => {
                let fits = *scale > 0.0 && scale.is_finite();
                check("scale", (*scale).into(), fits, "a positive number")
            }
            Self::Off => Ok(()),
        }
    }
}

/// Settings of dynamic loss scaling; the defaults are PyTorch's `GradScaler`'s.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScalerSettings {
    /// Scale of the first step.
    pub initial: f32,
    /// Factor after `interval` good steps in a row; above 1.
    pub growth: f64,
    /// Factor after an overflow; between 0 and 1.
    pub backoff: f64,
    /// Good steps in a row before the scale grows.
    pub interval: u32,
    /// Lowest scale; an overflow there ends the training. PyTorch has none.
    pub floor: f32,
}

impl Default for ScalerSettings {
    fn default() -> Self {
        Self { initial: 65536.0, growth: 2.0, backoff: 0.5, interval: 2000, floor: 1.0 }
    }
}

impl ScalerSettings {
    fn validate(&self) -> Result<(), Error> {
        let Self { initial, growth, backoff, interval, floor } = *self;
        check("growth", growth, growth > 1.0 && growth.is_finite(), "a number above 1")?;
        check("backoff", backoff, backoff > 0.0 && backoff < 1.0, "a number between 0 and 1")?;
        check("interval", interval.into(), interval > 0, "at least 1 step")?;
        check("floor", floor.into(), floor > 0.0 && floor.is_finite(), "a positive number")?;
        let fits = initial >= floor && initial.is_finite();
        check("initial", initial.into(), fits, "at least the floor")
    }
}

fn check(field: &'static str, found: f64, fits: bool, expected: &'static str) -> Result<(), Error> {
    match fits {
        true => Ok(()),
        false => Err(Error::Settings { field, found, expected }),
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

/// Loss scaling at work (Micikevicius et al., arXiv 1710.03740).
///
/// The loss is multiplied by [`scale`](Self::scale) before the backward pass and the gradients are
/// divided by it afterwards. A dynamic scale doubles after 2000 good steps in a row and halves on an
/// overflow. An overflow step updates nothing: no parameter, no momentum, no schedule, no average.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossScaler {
    scaling: LossScaling,
    scale: f32,
    good_steps: u32,
    overflows: u64,
}

impl LossScaler {
    /// A scaler before its first step.
    ///
    /// # Errors
    ///
    /// Those of [`LossScaling::validate`].
    pub fn new(scaling: LossScaling) -> Result<Self, Error> {
        scaling.validate()?;
        let scale = match scaling {
            LossScaling::Dynamic(settings) => settings.initial,
            LossScaling::Static(scale) => scale,
            LossScaling::Off => 1.0,
        };
        Ok(Self { scaling, scale, good_steps: 0, overflows: 0 })
    }

    /// What the loss of the next step is multiplied by.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Steps that overflowed so far.
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    /// The scaler after a step.
    ///
    /// # Errors
    ///
    /// [`Error::Floor`] for an overflow at the lowest scale, [`Error::Fixed`] for one at a scale that
    /// does not change.
    pub fn after(self, outcome: StepOutcome) -> Result<Self, Error> {
        match (self.scaling, outcome) {
            (LossScaling::Dynamic(settings), StepOutcome::Finite) => Ok(self.grown(settings)),
            (LossScaling::Dynamic(settings), StepOutcome::Overflow) => self.fallen(settings),
            (LossScaling::Static(_) | LossScaling::Off, StepOutcome::Finite) => Ok(self),
            (LossScaling::Static(scale), StepOutcome::Overflow) => Err(Error::Fixed { scale }),
            (LossScaling::Off, StepOutcome::Overflow) => Err(Error::Fixed { scale: 1.0 }),
        }
    }

    fn grown(self, ScalerSettings { growth, interval, .. }: ScalerSettings) -> Self {
        if self.good_steps + 1 < interval {
            return Self { good_steps: self.good_steps + 1, ..self };
        }
        let grown = times(self.scale, growth);
        let scale = if grown.is_finite() { grown } else { self.scale };
        Self { scale, good_steps: 0, ..self }
    }

    fn fallen(self, settings: ScalerSettings) -> Result<Self, Error> {
        let ScalerSettings { backoff, floor, .. } = settings;
        let scale = times(self.scale, backoff).max(floor);
        // Also where the factor is so near 1 that nothing changes.
        if scale >= self.scale {
            return Err(Error::Floor { floor });
        }
        Ok(Self { scale, good_steps: 0, overflows: self.overflows + 1, ..self })
    }
}

/// Rounded once, as PyTorch does.
fn times(scale: f32, factor: f64) -> f32 {
    (f64::from(scale) * factor) as f32
}

impl Default for LossScaler {
    fn default() -> Self {
        let settings = ScalerSettings::default();
        let scaling = LossScaling::Dynamic(settings);
        Self { scaling, scale: settings.initial, good_steps: 0, overflows: 0 }
    }
}
