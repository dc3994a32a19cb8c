//! RandAugment and TrivialAugment: operations drawn uniformly, of a set or of a random strength.

use super::space::{KINDS, Space};
use super::{check_setting, pick};
use crate::{Change, Error};
use rand::Rng;
use serde::{Deserialize, Serialize};

const BINS: usize = 31;

/// Applies `ops` random operations, all at the same strength: `RandAugment(ops: 2, magnitude: 9)`,
/// which is also what it does when these are left out.
///
/// Source: Cubuk et al. 2019 (arXiv 1909.13719). Convention: torchvision's 14 operations and 31
/// magnitudes; what can go two ways goes each way half of the time. (timm counts magnitudes to 10
/// and has other operations.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandAugment {
    /// Operations per image, one after the other, 0 to 100.
    pub ops: usize,
    /// Their strength, 0 to 30.
    pub magnitude: usize,
}

impl Default for RandAugment {
    fn default() -> Self {
        Self { ops: 2, magnitude: 9 }
    }
}

impl RandAugment {
    pub(super) fn check(&self) -> Result<(), Error> {
        let check = |setting, value: usize, legal, expected| {
            check_setting("RandAugment", setting, value as f64, legal, expected)
        };
        check("ops", self.ops, 0.0..=100.0, "0 to 100")?;
        check("magnitude", self.magnitude, 0.0..=(BINS - 1) as f64, "0 to 30")
    }

    pub(super) fn draw(&self, size: [usize; 2], rng: &mut impl Rng) -> Change {
        let space = Space::moderate(BINS, size);
        let mut operation = || {
            let kind = pick(&KINDS, rng);
            space.draw(kind, self.magnitude, rng)
        };
        Change::Operations((0..self.ops).map(|_| operation()).collect())
    }
}

/// One operation of a random strength (Mueller and Hutter 2021, arXiv 2103.10158, "wide").
pub(super) fn draw_trivial(rng: &mut impl Rng) -> Change {
    let space = Space::wide();
    let kind = pick(&KINDS, rng);
    let bin = rng.gen_range(0..space.bins as u64) as usize;
    Change::Operations(vec![space.draw(kind, bin, rng)])
}
