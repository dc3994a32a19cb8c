//! Where randomness comes from, and which images an epoch shows in which order: every draw is a
//! function of the seed, the epoch and the image, so neither threads nor an interruption can change
//! it.

use crate::Error;
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Which training images an epoch shows, and in which order.
///
/// An epoch is always as long as there are images, so the clock of a training does not depend on
/// this.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Each image once, in random order.
    #[default]
    Shuffled,
    /// Drawn with replacement, each class as often as any other on average: the chance of an image
    /// is inverse to the size of its class (PyTorch's `WeightedRandomSampler` with these weights).
    Balanced,
    /// Repeated augmentation: this many copies of an image side by side, each changed by draws of
    /// its own, until the epoch is full. So an epoch shows only a part of the images.
    ///
    /// Source: Hoffer et al. 2020 (arXiv 1901.09335). Convention: torchvision's `RASampler` on one
    /// worker.
    Repeated(usize),
}

/// An image's turn in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// The seed of the run.
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u64,
    /// The image, by its index in the split.
    pub index: usize,
    /// How often this epoch has shown the image before.
    pub turn: u64,
}

impl Order {
    /// Checks that an epoch can be put together like this.
    ///
    /// # Errors
    /// [`Error::Repeats`].
    pub fn check(self) -> Result<(), Error> {
        if self == Order::Repeated(0) { Err(Error::Repeats) } else { Ok(()) }
    }

    /// The visits of an epoch to images with these labels.
    pub(crate) fn visits(self, seed: u64, epoch: u64, labels: &[u32]) -> Vec<Visit> {
        let mut turns = vec![0; labels.len()];
        let visit = |index: usize| {
            turns[index] += 1;
            Visit { seed, epoch, index, turn: turns[index] - 1 }
        };
        self.indices(seed, epoch, labels).into_iter().map(visit).collect()
    }

    fn indices(self, seed: u64, epoch: u64, labels: &[u32]) -> Vec<usize> {
        let mut rng = generator(seed, epoch, Draws::Order);
        match self {
            Order::Shuffled => permutation(labels.len(), &mut rng),
            Order::Repeated(times) => {
                let order = permutation(labels.len(), &mut rng);
                let copies = order.iter().flat_map(|index| std::iter::repeat_n(*index, times));
                copies.take(labels.len()).collect()
            }
            Order::Balanced => {
                let classes = members(labels);
                let mut below = |len: usize| rng.gen_range(0..len as u64) as usize;
                let mut draw = || {
                    let class = &classes[below(classes.len())];
                    class[below(class.len())]
                };
                labels.iter().map(|_| draw()).collect()
            }
        }
    }
}

impl Visit {
    /// The generator of this visit's draws, which shares nothing with that of another turn, epoch,
    /// image or seed.
    pub fn generator(&self) -> ChaCha8Rng {
        let Self { seed, epoch, index, turn } = *self;
        generator(seed, epoch, Draws::Visit { index: index as u64, turn })
    }

    /// A coin that was tossed once for the image, whatever the epoch.
    pub(crate) fn coin(&self) -> bool {
        generator(self.seed, 0, Draws::Coin { index: self.index as u64 }).r#gen()
    }
}

/// The indices of each class that has any.
pub(crate) fn members(labels: &[u32]) -> Vec<Vec<usize>> {
    let classes = labels.iter().max().map_or(0, |label| *label as usize + 1);
    let mut members = vec![Vec::new(); classes];
    for (index, label) in labels.iter().enumerate() {
        members[*label as usize].push(index);
    }
    members.retain(|class| !class.is_empty());
    members
}

/// What is drawn.
pub(crate) enum Draws {
    Order,
    Visit { index: u64, turn: u64 },
    Coin { index: u64 },
    Subset,
    Labels,
    Batch { step: u64 },
}

/// The generator for what is drawn once for the batch of a step, counted from 0.
///
/// ```
/// use rand::Rng;
/// use trickbag_data::batch_generator;
///
/// let draw = |seed, step| batch_generator(seed, step).r#gen::<u64>();
/// assert_eq!(draw(1, 7), draw(1, 7));
/// assert_ne!(draw(1, 7), draw(1, 8));
/// ```
pub fn batch_generator(seed: u64, step: u64) -> ChaCha8Rng {
    generator(seed, 0, Draws::Batch { step })
}

/// The key holds all numbers in full, so two of these generators never share a stream.
pub(crate) fn generator(seed: u64, epoch: u64, draws: Draws) -> ChaCha8Rng {
    let (kind, index) = match draws {
        Draws::Order => (0, 0),
        Draws::Visit { index, turn } => (1 + turn, index),
        Draws::Coin { index } => (u64::MAX, index),
        Draws::Subset => (u64::MAX - 1, 0),
        Draws::Labels => (u64::MAX - 2, 0),
        Draws::Batch { step } => (u64::MAX - 3, step),
    };
    let mut key = [0; 32];
    for (bytes, number) in key.chunks_exact_mut(8).zip([seed, epoch, kind, index]) {
        bytes.copy_from_slice(&u64::to_le_bytes(number));
    }
    ChaCha8Rng::from_seed(key)
}

/// Fisher-Yates.
fn permutation(len: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.shuffle(rng);
    order
}
