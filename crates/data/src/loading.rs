//! How images become a batch: taken in order, changed, normalised, laid side by side.

use crate::normalize::NormalizeTable;
use crate::order::sample_generator;
use crate::split::View;
use crate::{Augment, Error, Facts, Normalize, Split};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::Arc;

/// How training images become batches.
#[derive(Debug, Clone, PartialEq)]
pub struct Loading {
    /// Decides, with the epoch, the order of the images and every random change of them.
    pub seed: u64,
    /// Images per batch.
    pub batch_size: usize,
    /// Changes of each image, in this order.
    pub augment: Vec<Augment>,
    /// Applied last.
    pub normalize: Normalize,
}

/// A batch of images, ready for a network. It owns its buffers.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Normalised pixels, (batch, height, width, channels).
    pub images: Vec<f32>,
    /// The class of each image.
    pub labels: Vec<u32>,
    /// Which image of its split each one is.
    pub indices: Vec<usize>,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Channels of an image.
    pub channels: usize,
}

impl Loading {
    /// Checks that a data set can be loaded like this.
    ///
    /// # Errors
    /// [`Error::BatchSizeZero`], [`Error::BatchTooLarge`], and those of [`Augment::check_all`] and
    /// [`Normalize::table`].
    pub fn check(&self, facts: &Facts) -> Result<(), Error> {
        let (batch_size, train_len) = (self.batch_size, facts.train_len);
        if batch_size == 0 {
            return Err(Error::BatchSizeZero);
        }
        if batch_size > train_len {
            return Err(Error::BatchTooLarge { batch_size, train_len });
        }
        Augment::check_all(&self.augment, facts)?;
        self.normalize.table(facts.channels).map(drop)
    }
}

impl Batch {
    /// Images in the batch.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether the batch is empty.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// Makes any batch of an epoch from its number alone.
#[derive(Debug)]
pub(crate) struct BatchMaker {
    split: Arc<Split>,
    order: Vec<usize>,
    loading: Loading,
    epoch: u64,
    view: View,
    table: NormalizeTable,
    /// Where there are files to decode.
    pool: Option<ThreadPool>,
}

impl BatchMaker {
    /// A maker of batches of `split` with its images in `order`.
    pub(crate) fn new(
        split: Arc<Split>,
        order: Vec<usize>,
        loading: Loading,
        epoch: u64,
    ) -> Result<Self, Error> {
        let table = loading.normalize.table(split.shape()[2])?;
        let view = match loading.augment.first() {
            Some(Augment::RandomResizedCrop) => View::Original,
            _ => View::Fitted,
        };
        let pool = if split.decodes(view) { Some(decoders()?) } else { None };
        Ok(Self { split, order, loading, epoch, view, table, pool })
    }

    /// Batch `number`; the last one may be short.
    pub(crate) fn batch(&self, number: usize) -> Result<Batch, Error> {
        let size = self.loading.batch_size;
        let end = self.order.len().min((number + 1) * size);
        let indices = self.order[number * size..end].to_vec();
        let [height, width, channels] = self.split.shape();
        let mut images = vec![0.0; indices.len() * height * width * channels];
        self.fill(&mut images, &indices)?;
        let labels = indices.iter().map(|&index| self.split.labels()[index]).collect();
        Ok(Batch { images, labels, indices, height, width, channels })
    }

    fn fill(&self, images: &mut [f32], indices: &[usize]) -> Result<(), Error> {
        let len = images.len() / indices.len();
        let write = |(out, &index): (&mut [f32], &usize)| self.write(index, out);
        match &self.pool {
            None => images.chunks_exact_mut(len).zip(indices).try_for_each(write),
            Some(pool) => {
                pool.install(|| images.par_chunks_exact_mut(len).zip(indices).try_for_each(write))
            }
        }
    }

    fn write(&self, index: usize, out: &mut [f32]) -> Result<(), Error> {
        let [height, width, _] = self.split.shape();
        let mut image = match self.view {
            View::Fitted => self.split.image(index)?,
            View::Original => self.split.original(index)?,
        };
        let mut generator = sample_generator(self.loading.seed, self.epoch, index);
        for augment in &self.loading.augment {
            image = augment.draw(&image, [height, width], &mut generator).apply(image)?;
        }
        self.table.apply(image.pixels(), out);
        Ok(())
    }
}

/// Threads of their own, because the caller may occupy those of the current pool while it waits.
fn decoders() -> Result<ThreadPool, Error> {
    let threads = ThreadPoolBuilder::new().num_threads(rayon::current_num_threads());
    threads.build().map_err(|error| Error::Thread(std::io::Error::other(error)))
}
