//! Wrong labels, for experiments on how training copes with them.

use crate::Error;
use crate::order::{Draws, generator};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Gives a part of the training images a wrong label: `LabelNoise(fraction: 0.2, seed: 1)`.
///
/// Source: Zhang et al. 2016 (arXiv 1611.03530). Convention: exactly this fraction of the images,
/// rounded, gets another class, each other class alike; where a label is replaced by any class, its
/// own included, 1/classes of them stay right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelNoise {
    /// The part of the labels that become wrong, 0 to 1.
    pub fraction: f64,
    /// Decides which, and to what.
    pub seed: u64,
}

impl LabelNoise {
    /// Checks that labels of so many classes can be changed like this.
    ///
    /// # Errors
    /// [`Error::Fraction`], [`Error::OneClass`].
    pub fn check(&self, classes: usize) -> Result<(), Error> {
        if !(0.0..=1.0).contains(&self.fraction) {
            let expected = "0 to 1".to_owned();
            return Err(Error::Fraction { setting: "LabelNoise", found: self.fraction, expected });
        }
        if classes < 2 { Err(Error::OneClass) } else { Ok(()) }
    }

    /// Changes `labels`, which are below `classes`.
    pub(crate) fn apply(&self, labels: &mut [u32], classes: usize) -> Result<(), Error> {
        self.check(classes)?;
        let mut rng = generator(self.seed, 0, Draws::Labels);
        let count = (self.fraction * labels.len() as f64).round() as usize;
        for index in rand::seq::index::sample(&mut rng, labels.len(), count) {
            let steps = rng.gen_range(1..classes as u64);
            labels[index] = ((u64::from(labels[index]) + steps) % classes as u64) as u32;
        }
        Ok(())
    }
}
