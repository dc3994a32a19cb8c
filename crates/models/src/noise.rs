//! Random masks of a training step, as functions of the seed, the step and the place.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What decides the random masks of a training step: dropout and stochastic depth.
///
/// A mask is a function of these two numbers and its place in the network, and of nothing else, so
/// that a resumed run has the same ones. Two forward passes that should differ, as those of the
/// parts of an accumulated batch, need different steps.
///
/// ```
/// use trickbag_models::Noise;
///
/// let step = Noise { seed: 1, step: 7 };
/// assert_eq!(step.mask(0, 1000, 0.5), step.mask(0, 1000, 0.5));
/// assert_ne!(step.mask(0, 1000, 0.5), Noise { step: 8, ..step }.mask(0, 1000, 0.5));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Noise {
    /// The run's seed.
    pub seed: u64,
    /// The step, or what else counts forward passes.
    pub step: u64,
}

/// The place of the dropout before the classifier.
pub(crate) const DROPOUT: u64 = 0;

/// Keeps these numbers apart from others that are drawn from the same seed.
const STREAM: u64 = u64::from_le_bytes(*b"nn-noise");

impl Noise {
    /// `len` factors: 0 with probability `rate`, otherwise `1 / (1 - rate)`, which keeps the mean.
    ///
    /// Place 0 is the dropout before the classifier; the residual blocks that may be skipped
    /// follow.
    pub fn mask(self, place: u64, len: usize, rate: f64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::from_seed(self.key(place));
        let kept = (1.0 / (1.0 - rate)) as f32;
        (0..len).map(|_| if rng.r#gen::<f64>() < rate { 0.0 } else { kept }).collect()
    }

    fn key(self, place: u64) -> [u8; 32] {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_mut(8).zip([STREAM, self.seed, self.step, place]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_the_mean_and_drops_the_rate() {
        const LEN: usize = 40_000;
        for rate in [0.0, 0.1, 0.5, 0.9] {
            let mask = Noise { seed: 3, step: 5 }.mask(2, LEN, rate);
            let dropped = mask.iter().filter(|&&m| m == 0.0).count() as f64 / LEN as f64;
            let error = 4.0 * (rate * (1.0 - rate) / LEN as f64).sqrt();
            assert!((dropped - rate).abs() <= error, "{rate}: {dropped}");
            let kept = (1.0 / (1.0 - rate)) as f32;
            assert!(mask.iter().all(|&m| m == 0.0 || m == kept), "{rate}");
        }
    }

    #[test]
    fn seed_step_and_place_each_change_the_mask() {
        let noise = Noise { seed: 1, step: 1 };
        let masks = [
            noise.mask(1, 64, 0.5),
            noise.mask(2, 64, 0.5),
            Noise { step: 2, ..noise }.mask(1, 64, 0.5),
            Noise { seed: 2, ..noise }.mask(1, 64, 0.5),
        ];
        for (i, mask) in masks.iter().enumerate() {
            assert!(masks[..i].iter().all(|other| other != mask), "{i}");
        }
    }
}
