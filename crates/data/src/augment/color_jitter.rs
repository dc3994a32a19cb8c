//! Colour jitter: brightness, contrast, saturation and hue changed by random amounts.

use super::check_setting;
use crate::{Change, Error, Operation};
use rand::{Rng, seq::SliceRandom};
use serde::{Deserialize, Serialize};

/// Changes brightness, contrast, saturation and hue in random order:
/// `ColorJitter(brightness: 0.4, saturation: 0.4)`.
///
/// A setting that is 0 or left out leaves its property alone. On grey images saturation and hue do
/// nothing.
///
/// Source: torchvision's `ColorJitter`. Convention: factors U(max(0, 1 - s), 1 + s), hue
/// U(-s, s) of the colour circle. The Bag of Tricks paper (arXiv 1812.01187, section 2.1) draws
/// brightness, saturation and hue from U(0.6, 1.4); for hue, its framework reads 0.4 as 0.4 half
/// turns, which is `hue: 0.2` here. Its code jitters brightness, contrast and saturation by 0.4.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ColorJitter {
    /// Spread of the brightness factor around 1, at least 0.
    pub brightness: f64,
    /// Spread of the contrast factor around 1, at least 0.
    pub contrast: f64,
    /// Spread of the saturation factor around 1, at least 0.
    pub saturation: f64,
    /// Largest turn of the hue either way, 0 to 0.5 of the colour circle.
    pub hue: f64,
}

impl ColorJitter {
    pub(super) fn check(&self) -> Result<(), Error> {
        let check = |setting, value, limit, expected| {
            check_setting("ColorJitter", setting, value, 0.0..=limit, expected)
        };
        check("brightness", self.brightness, f64::MAX, "a number of at least 0")?;
        check("contrast", self.contrast, f64::MAX, "a number of at least 0")?;
        check("saturation", self.saturation, f64::MAX, "a number of at least 0")?;
        check("hue", self.hue, 0.5, "0 to 0.5")
    }

    pub(super) fn draw(&self, rng: &mut impl Rng) -> Change {
        let factor = |spread: f64, rng: &mut _| uniform((1.0 - spread).max(0.0), 1.0 + spread, rng);
        let mut operations = Vec::new();
        if self.brightness > 0.0 {
            operations.push(Operation::Brightness(factor(self.brightness, rng)));
        }
        if self.contrast > 0.0 {
            operations.push(Operation::Contrast(factor(self.contrast, rng)));
        }
        if self.saturation > 0.0 {
            operations.push(Operation::Saturation(factor(self.saturation, rng)));
        }
        if self.hue > 0.0 {
            operations.push(Operation::Hue(uniform(-self.hue, self.hue, rng)));
        }
        operations.shuffle(rng);
        Change::Operations(operations)
    }
}

fn uniform(low: f64, high: f64, rng: &mut impl Rng) -> f64 {
    low + (high - low) * rng.r#gen::<f64>()
}
