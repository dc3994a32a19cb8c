//! What the ranks of a data-parallel training agree on: shares of a batch, sums, and when to stop.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use trickbag_collective::{Collective, Values};
use trickbag_ops::{Backend, Vector};

use crate::{Error, Score, Trainer};

impl<E: Dtype, D: Backend<E>> Trainer<'_, E, D> {
    /// This training as a rank among others, all of which have the same plan, are in the same state, and
    /// are given the same batches. Without this it is alone.
    ///
    /// Each rank computes its share of every micro-batch, and all of them do the same update, so they
    /// stay in the same state: up to rounding that of one process. A micro-batch of fewer images than
    /// there are ranks is [`Error::Ranks`]. What goes wrong on one rank is an error on all, and none
    /// waits for ever. Batches are loaded, and networks evaluated, whole by every rank.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::thread;
    ///
    /// use dfdx::prelude::Cpu;
    /// use trickbag_collective::Threads;
    /// use trickbag_data::{Dataset, Keep, Source};
    /// use trickbag_recipe::{Document, Plan};
    /// use trickbag_trainer::Trainer;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let recipe = r#"Recipe(
    /// #     name: "tiny", seed: 1, data: Mnist10k, model: ResNet(depth: 8, stem: Cifar, width: 2),
    /// #     batch_size: 64, epochs: 8, optimizer: Sgd(lr: 0.1),
    /// # )"#;
    /// let dataset = Dataset::open(&Source::Mnist10k, Keep::Decoded)?;
    /// let plan = Plan::new(&Document::new("tiny.ron", recipe)?, dataset.facts())?;
    /// let train = |rank| -> Result<f32, Box<dyn std::error::Error + Send + Sync>> {
    ///     let mut trainer = Trainer::<f32, _>::new(&plan, Cpu::default())?.among(Arc::new(rank));
    ///     let mut batches = dataset.train_batches(&trainer.loading(0), 0, 0)?;
    ///     let batch = batches.next().ok_or("no batch")??;
    ///     Ok(trainer.update(batch)?)
    /// };
    /// let losses: Vec<f32> = thread::scope(|scope| {
    ///     let ranks = Threads::world(2).into_iter().map(|rank| scope.spawn(|| train(rank).unwrap()));
    ///     let ranks: Vec<_> = ranks.collect();
    ///     ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    /// });
    /// assert_eq!(losses[0], losses[1]); // the mean over both shares
    /// # Ok(())
    /// # }
    /// ```
    pub fn among(mut self, ranks: Arc<dyn Collective>) -> Self {
        self.ranks = ranks;
        self
    }

    /// This rank's share of the images of a micro-batch.
    pub(crate) fn share(&self, images: &Range<usize>) -> Result<Range<usize>, Error> {
        let (rank, world_size) = (self.ranks.rank(), self.ranks.world_size());
        if images.len() < world_size {
            return Err(Error::Ranks { world_size, images: images.len() });
        }
        let cut = |rank| images.start + rank * images.len() / world_size;
        Ok(cut(rank)..cut(rank + 1))
    }

    /// The score of all ranks together.
    pub(crate) fn joint_score(&self, own: Score) -> Result<Score, Error> {
        let mut sums = [own.samples as f64, own.correct as f64, own.loss_sum];
        self.ranks.all_reduce(Values::F64(&mut sums))?;
        let [samples, correct, loss_sum] = sums;
        Ok(Score { samples: samples as u64, correct: correct as u64, loss_sum })
    }

    /// The sums of the gradients of all ranks.
    pub(crate) fn summed(
        &self,
        gradients: Vec<Vector<f32, D>>,
    ) -> Result<Vec<Vector<f32, D>>, Error> {
        if self.ranks.world_size() == 1 {
            return Ok(gradients);
        }
        let mut sums: Vec<f32> = gradients.iter().flat_map(|gradient| gradient.as_vec()).collect();
        self.ranks.all_reduce(Values::F32(&mut sums))?;
        let mut rest = &sums[..];
        let next = |gradient: Vector<f32, D>| {
            let (sum, after) = rest.split_at(gradient.shape().0);
            rest = after;
            self.dev.try_tensor_from_vec(sum.to_vec(), *gradient.shape())
        };
        let summed = gradients.into_iter().map(next).collect::<Result<_, _>>();
        Ok(summed.map_err(trickbag_ops::Error::device)?)
    }

    /// Whether any rank is asked to stop.
    pub(crate) fn stops(&self, stop: &AtomicBool) -> Result<bool, Error> {
        let mut votes = [f64::from(u8::from(stop.load(Ordering::Relaxed)))];
        self.ranks.all_reduce(Values::F64(&mut votes))?;
        Ok(votes[0] > 0.0)
    }

    /// Lets go of the other ranks where this one cannot go on.
    pub(crate) fn or_abort<R>(&self, result: Result<R, Error>) -> Result<R, Error> {
        if result.is_err() {
            self.ranks.abort();
        }
        result
    }
}
