//! A part of the training images, the same share of every class.

use crate::order::{Draws, generator, members};
use crate::{Error, Split};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Trains on a part of the images: `Subset(fraction: 0.1, seed: 1)`.
///
/// Each class keeps the same share, to within an image; what is kept depends on nothing but the
/// labels and the seed, and a smaller fraction keeps a part of what a larger one keeps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subset {
    /// The part that is kept, above 0 and at most 1.
    pub fraction: f64,
    /// Decides which images.
    pub seed: u64,
}

impl Subset {
    /// How many of `train_len` training images remain: the fraction of them, rounded.
    pub fn train_len(&self, train_len: usize) -> usize {
        (self.fraction * train_len as f64).round() as usize
    }

    /// Checks that something is left to train on.
    ///
    /// # Errors
    /// [`Error::Fraction`].
    pub fn check(&self, train_len: usize) -> Result<(), Error> {
        if self.fraction <= 1.0 && self.train_len(train_len) > 0 {
            return Ok(());
        }
        let expected = format!("a part of {train_len} images, at least one and at most all");
        Err(Error::Fraction { setting: "Subset", found: self.fraction, expected })
    }

    /// The images that remain, in their order.
    ///
    /// # Errors
    /// [`Error::SubsetClass`] when nothing of a class remains.
    pub(crate) fn applied(&self, split: &Split) -> Result<Split, Error> {
        self.check(split.len())?;
        let kept = self.kept(split.labels());
        let reduced = split.selected(&kept);
        let remaining: BTreeSet<u32> = reduced.labels().iter().copied().collect();
        match split.labels().iter().find(|label| !remaining.contains(label)) {
            Some(&label) => Err(Error::SubsetClass { fraction: self.fraction, label }),
            None => Ok(reduced),
        }
    }

    /// Ordered by how far each image is in the shuffled row of its class, the first ones.
    fn kept(&self, labels: &[u32]) -> Vec<usize> {
        let mut rng = generator(self.seed, 0, Draws::Subset);
        let mut ranked: Vec<(f64, usize)> = Vec::new();
        for mut class in members(labels) {
            class.shuffle(&mut rng);
            let count = class.len() as f64;
            let place = |(place, index): (usize, usize)| ((place as f64 + 0.5) / count, index);
            ranked.extend(class.into_iter().enumerate().map(place));
        }
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        ranked.truncate(self.train_len(labels.len()));
        let mut kept: Vec<usize> = ranked.into_iter().map(|(_, index)| index).collect();
        kept.sort_unstable();
        kept
    }
}
