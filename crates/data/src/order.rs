//! Where randomness comes from: every draw is a function of (seed, epoch) or (seed, epoch, sample),
//! so neither threads nor an interruption can change it.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// The order of an epoch's samples: a permutation of `0..len` (Fisher-Yates).
pub(crate) fn epoch_order(seed: u64, epoch: u64, len: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.shuffle(&mut generator(seed, epoch, Draws::Order));
    order
}

/// The generator of one sample's augmentations in one epoch.
pub(crate) fn sample_generator(seed: u64, epoch: u64, index: usize) -> ChaCha8Rng {
    generator(seed, epoch, Draws::Sample(index as u64))
}

enum Draws {
    Order,
    Sample(u64),
}

/// The key holds all numbers in full, so two of these generators never share a stream.
fn generator(seed: u64, epoch: u64, draws: Draws) -> ChaCha8Rng {
    let (kind, index) = match draws {
        Draws::Order => (0, 0),
        Draws::Sample(index) => (1, index),
    };
    let mut key = [0; 32];
    for (bytes, number) in key.chunks_exact_mut(8).zip([seed, epoch, kind, index]) {
        bytes.copy_from_slice(&u64::to_le_bytes(number));
    }
    ChaCha8Rng::from_seed(key)
}
