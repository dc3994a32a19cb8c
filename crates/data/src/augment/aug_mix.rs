//! AugMix: the image mixed with several randomly changed copies of itself.

use super::space::{KINDS, Space};
use super::{check_setting, pick};
use crate::{Change, Error, Operation};
use rand::Rng;
use rand_distr::{Distribution, Gamma};
use serde::{Deserialize, Serialize};

/// Mixes an image with `width` copies, each changed by a chain of random operations:
/// `AugMix(severity: 3, width: 3, alpha: 1.0)`, which is also what it does when these are left out.
///
/// Source: Hendrycks et al. 2019 (arXiv 1912.02781), without the paper's consistency loss.
/// Convention: torchvision's operations, brightness, colour, contrast and sharpness among them (the
/// paper keeps these for its test), ten magnitudes and bilinear interpolation; but each chain is
/// computed with the operations on Pillow images, as in the authors' code.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugMix {
    /// Each operation's strength is drawn from the first so many of ten, 1 to 10.
    pub severity: usize,
    /// Changed copies, 1 to 100.
    pub width: usize,
    /// Operations per copy, 1 to 100; 1, 2 or 3 at random when left out.
    pub depth: Option<usize>,
    /// The weights are Dirichlet(alpha): large values mix evenly, small ones pick one copy. 0.1 to
    /// 1000.
    pub alpha: f64,
}

/// A changed copy in a mixture.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Its part of the mixture, 0 to 1.
    pub weight: f32,
    /// What was done to it, in this order.
    pub operations: Vec<Operation>,
}

impl Default for AugMix {
    fn default() -> Self {
        Self { severity: 3, width: 3, depth: None, alpha: 1.0 }
    }
}

impl AugMix {
    pub(super) fn check(&self) -> Result<(), Error> {
        let check = |setting, value, range, expected| {
            check_setting("AugMix", setting, value, range, expected)
        };
        check("severity", self.severity as f64, 1.0..=10.0, "1 to 10")?;
        check("width", self.width as f64, 1.0..=100.0, "1 to 100")?;
        let depth = self.depth.unwrap_or(1);
        check("depth", depth as f64, 1.0..=100.0, "1 to 100, or nothing for 1, 2 or 3 at random")?;
        check("alpha", self.alpha, 0.1..=1000.0, "0.1 to 1000")
    }

    pub(super) fn draw(&self, size: [usize; 2], rng: &mut impl Rng) -> Change {
        let original = self.draw_shares(2, rng)[0];
        let shares = self.draw_shares(self.width, rng);
        let chain = |share: f64| {
            let weight = (share * (1.0 - original)) as f32;
            Chain { weight, operations: self.draw_operations(size, rng) }
        };
        Change::Mix { original: original as f32, chains: shares.into_iter().map(chain).collect() }
    }

    /// Dirichlet: gamma variates, divided by their sum. (`check` refuses what is no gamma
    /// distribution.)
    fn draw_shares(&self, count: usize, rng: &mut impl Rng) -> Vec<f64> {
        let Ok(gamma) = Gamma::new(self.alpha, 1.0) else { return vec![1.0 / count as f64; count] };
        let drawn: Vec<f64> = gamma.sample_iter(rng).take(count).collect();
        let sum: f64 = drawn.iter().sum();
        drawn.into_iter().map(|share| share / sum).collect()
    }

    fn draw_operations(&self, size: [usize; 2], rng: &mut impl Rng) -> Vec<Operation> {
        let space = Space::mild(size);
        let depth = self.depth.unwrap_or_else(|| rng.gen_range(1..=3));
        let mut operation = || {
            let kind = pick(&KINDS[1..], rng);
            let bin = rng.gen_range(0..self.severity as u64) as usize;
            space.draw(kind, bin, rng)
        };
        (0..depth).map(|_| operation()).collect()
    }
}
