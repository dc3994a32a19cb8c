//! How images become a batch: taken in order, changed, normalised, laid side by side.

use crate::normalize::NormalizeTable;
use crate::split::View;
use crate::{Augment, Change, Error, Facts, Normalize, Order, Split, Visit};
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
    /// Height and width to train at, which may differ from the data set's and from epoch to epoch.
    /// [`Augment::RandomResizedCrop`] cuts from the full image at this size; otherwise images are
    /// resized to it before they are changed (bilinear, antialiased).
    pub size: [usize; 2],
    /// Which images an epoch shows, and in which order.
    pub order: Order,
    /// Changes of each image, in this order.
    pub augment: Vec<Augment>,
    /// Applied after all changes but erasing.
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
    /// [`Error::BatchSizeZero`], [`Error::BatchTooLarge`], [`Error::Resize`], and those of
    /// [`Order::check`], [`Augment::check_all`] and [`Normalize::table`].
    pub fn check(&self, facts: &Facts) -> Result<(), Error> {
        let (batch_size, train_len) = (self.batch_size, facts.train_len);
        if batch_size == 0 {
            return Err(Error::BatchSizeZero);
        }
        if batch_size > train_len {
            return Err(Error::BatchTooLarge { batch_size, train_len });
        }
        let [height, width] = self.size;
        if height == 0 || width == 0 {
            return Err(Error::Resize { height, width });
        }
        self.order.check()?;
        Augment::check_all(&self.augment, &Facts { height, width, ..*facts })?;
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
    visits: Vec<Visit>,
    loading: Loading,
    view: View,
    table: NormalizeTable,
    /// Where there are files to decode.
    pool: Option<ThreadPool>,
}

impl BatchMaker {
    /// A maker of batches of `split` with these visits of its images.
    pub(crate) fn new(
        split: Arc<Split>,
        visits: Vec<Visit>,
        loading: Loading,
    ) -> Result<Self, Error> {
        let table = loading.normalize.table(split.shape()[2])?;
        let view = match loading.augment.first() {
            Some(Augment::RandomResizedCrop) => View::Original,
            _ => View::Fitted,
        };
        let pool = if split.decodes(view) { Some(decoders()?) } else { None };
        Ok(Self { split, visits, loading, view, table, pool })
    }

    /// Batch `number`; the last one may be short.
    pub(crate) fn batch(&self, number: usize) -> Result<Batch, Error> {
        let size = self.loading.batch_size;
        let end = self.visits.len().min((number + 1) * size);
        let visits = &self.visits[number * size..end];
        let ([height, width], [_, _, channels]) = (self.loading.size, self.split.shape());
        let mut images = vec![0.0; visits.len() * height * width * channels];
        self.fill(&mut images, visits)?;
        let indices: Vec<usize> = visits.iter().map(|visit| visit.index).collect();
        let labels = indices.iter().map(|&index| self.split.labels()[index]).collect();
        Ok(Batch { images, labels, indices, height, width, channels })
    }

    fn fill(&self, images: &mut [f32], visits: &[Visit]) -> Result<(), Error> {
        let len = images.len() / visits.len();
        let write = |(out, visit): (&mut [f32], &Visit)| self.write(visit, out);
        match &self.pool {
            None => images.chunks_exact_mut(len).zip(visits).try_for_each(write),
            Some(pool) => {
                pool.install(|| images.par_chunks_exact_mut(len).zip(visits).try_for_each(write))
            }
        }
    }

    fn write(&self, visit: &Visit, out: &mut [f32]) -> Result<(), Error> {
        let size @ [height, width] = self.loading.size;
        let mut image = match self.view {
            View::Fitted => self.split.image(visit.index)?.resize(height, width)?,
            View::Original => self.split.original(visit.index)?,
        };
        let mut generator = visit.generator();
        let mut erasures = Vec::new();
        for augment in &self.loading.augment {
            match augment.draw(&image, size, visit, &mut generator) {
                Change::Erase(erasure) => erasures.push(erasure),
                change => image = change.apply(image)?,
            }
        }
        self.table.apply(image.pixels(), out);
        erasures.iter().for_each(|erasure| erasure.apply(out, image.shape()));
        Ok(())
    }
}

/// Threads of their own, because the caller may occupy those of the current pool while it waits.
fn decoders() -> Result<ThreadPool, Error> {
    let threads = ThreadPoolBuilder::new().num_threads(rayon::current_num_threads());
    threads.build().map_err(|error| Error::Thread(std::io::Error::other(error)))
}
