//! The loop: one step after another, an evaluation and a checkpoint after each epoch.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use dfdx::dtypes::Dtype;
use serde::{Deserialize, Serialize};
use trickbag_collective::{Collective, Single};
use trickbag_data::{Dataset, Loading};
use trickbag_models::{Parameters, RunningStatistics, Transfer, Update};
use trickbag_ops::Backend;
use trickbag_optim::{Average, SlowWeights, State, Units};
use trickbag_precision::LossScaler;
use trickbag_recipe::Plan;
use trickbag_report::{EpochRecord, LossScale, Record, StepRecord};

use crate::checkpoint::named_tensors;
use crate::groups::Groups;
use crate::statistics::flat;
use crate::teacher::Teacher;
use crate::units::units;
use crate::{BEST, Error, MODEL, Score};

/// So many images, and what fills up the last batch, or all if there are fewer, make a whitening
/// filter (airbench94).
const WHITENING_IMAGES: usize = 5000;

/// A plan in training: parameters, statistics, optimiser state, and how far it has come.
#[derive(Debug)]
pub struct Trainer<'p, E: Dtype, D: Backend<E>> {
    pub(crate) plan: &'p Plan,
    pub(crate) dev: D,
    pub(crate) ranks: Arc<dyn Collective>,
    pub(crate) parameters: Parameters<f32, D>,
    pub(crate) statistics: RunningStatistics<D>,
    pub(crate) optimizer: State<D>,
    pub(crate) slow: Option<SlowWeights<D>>,
    pub(crate) average: Option<Average<D>>,
    /// Where the number format needs one.
    pub(crate) scaler: Option<LossScaler>,
    pub(crate) progress: Progress,
    pub(crate) teacher: Option<Teacher<'p, E, D>>,
    pub(crate) groups: Groups,
    pub(crate) units: Vec<Units>,
    transfer: Option<Transfer>,
    format: PhantomData<E>,
}

/// How far a training has come. All else follows from the plan and the number of the step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Updates done.
    pub(crate) step: u64,
    /// Training score of the epoch under way.
    pub(crate) score: Score,
    /// Seconds spent on the epoch under way.
    pub(crate) seconds: f64,
    /// The best validation accuracy so far.
    pub(crate) best_top1: Option<f64>,
}

/// How a training ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done.
    Finished,
    /// It was asked to stop; the checkpoint has everything to go on from here.
    Stopped,
}

impl<'p, E: Dtype, D: Backend<E>> Trainer<'p, E, D> {
    /// A training before its first step.
    ///
    /// # Errors
    ///
    /// A device that cannot hold the network; values to start from, or a teacher's, that cannot be
    /// read.
    pub fn new(plan: &'p Plan, dev: D) -> Result<Self, Error> {
        let mut parameters = plan.network.initialise(plan.seed, plan.zero_gamma, &dev)?;
        let mut statistics = plan.network.initial_statistics(&dev)?;
        let transfer = match &plan.init_from {
            Some(path) => {
                let tensors = named_tensors(path)?;
                let loaded =
                    plan.network.init_from(tensors, &mut parameters, &mut statistics, &dev);
                Some(loaded.map_err(|reason| Error::Values { path: path.clone(), reason })?)
            }
            None => None,
        };
        Ok(Self { transfer, ..Self::with_values(plan, dev, parameters, statistics)? })
    }

    /// A training at step 0 with these values.
    pub(crate) fn with_values(
        plan: &'p Plan,
        dev: D,
        parameters: Parameters<f32, D>,
        statistics: RunningStatistics<D>,
    ) -> Result<Self, Error> {
        let optimizer = State::new(plan.optimizer, &parameters)?;
        let slow = plan.lookahead.map(|settings| SlowWeights::new(settings, &parameters));
        let scaler =
            plan.precision.needs_loss_scaling().then(|| LossScaler::new(plan.loss_scaling));
        let average = plan.average.map(|s| Average::new(s, &parameters, &flat(&statistics)));
        Ok(Self {
            plan,
            ranks: Arc::new(Single),
            optimizer,
            slow: slow.transpose()?,
            average: average.transpose()?,
            scaler: scaler.transpose()?,
            progress: Progress::default(),
            teacher: Teacher::of(plan, &dev)?,
            groups: Groups::of(plan),
            units: units(&plan.network),
            transfer: None,
            format: PhantomData,
            dev,
            parameters,
            statistics,
        })
    }

    /// What was loaded from the file that the parameters start from; `None` where there is none, and
    /// in a resumed training.
    pub fn transfer(&self) -> Option<&Transfer> {
        self.transfer.as_ref()
    }

    /// Updates done so far.
    pub fn step(&self) -> u64 {
        self.progress.step
    }

    /// Trains to the end of the plan, or until `stop` is set: then the step under way is finished.
    ///
    /// After each epoch, and when stopped, the folder `checkpoints` gets [`LAST`](crate::LAST),
    /// with everything that a resumed training needs; after the best epoch so far
    /// [`BEST`](crate::BEST), and at the end [`MODEL`](crate::MODEL), with the values of the
    /// network alone. `watch` sees each record as it is made, before the checkpoint that covers it.
    ///
    /// Among ranks, `stop` is whether any of them is asked to, `watch` sees the same records on each but
    /// for the times, and the first rank alone writes checkpoints.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`], [`Error::Overflow`], unreadable images, a failing device or disk. What was written before
    /// is intact.
    pub fn run(
        &mut self,
        data: &Dataset,
        checkpoints: &Path,
        stop: &AtomicBool,
        watch: &mut dyn FnMut(&Record) -> Result<(), trickbag_report::Error>,
    ) -> Result<Outcome, Error> {
        let outcome = self.epochs(data, checkpoints, stop, watch);
        self.or_abort(outcome)
    }

    fn epochs(
        &mut self,
        data: &Dataset,
        checkpoints: &Path,
        stop: &AtomicBool,
        watch: &mut dyn FnMut(&Record) -> Result<(), trickbag_report::Error>,
    ) -> Result<Outcome, Error> {
        self.prepare(data)?;
        let plan = self.plan;
        while self.progress.step < plan.total_steps {
            let epoch = self.progress.step / plan.steps_per_epoch;
            let done = (self.progress.step % plan.steps_per_epoch) as usize;
            let mut clock = Instant::now();
            for batch in data.train_batches(&self.loading(epoch), epoch, done)? {
                let loss = self.update(batch?)?;
                self.progress.seconds += clock.elapsed().as_secs_f64();
                clock = Instant::now();
                watch(&Record::Step(self.step_record(epoch, loss)))?;
                let mid_epoch = !self.progress.step.is_multiple_of(plan.steps_per_epoch);
                if mid_epoch && self.stops(stop)? {
                    self.save_last(checkpoints)?;
                    return Ok(Outcome::Stopped);
                }
            }
            self.end_epoch(epoch, data, checkpoints, watch)?;
            if self.progress.step < plan.total_steps && self.stops(stop)? {
                return Ok(Outcome::Stopped);
            }
        }
        let network = self.kept(data)?;
        self.save_network(&network, &checkpoints.join(MODEL))?;
        Ok(Outcome::Finished)
    }

    /// How the images of an epoch are loaded.
    pub fn loading(&self, epoch: u64) -> Loading {
        let plan = self.plan;
        let resizing = plan.progressive_resizing;
        let size = resizing.map(|by| by.size(plan.train_size, epoch, plan.epochs));
        Loading {
            seed: plan.seed,
            batch_size: plan.batch_size,
            size: size.unwrap_or(plan.train_size),
            order: plan.order,
            augment: plan.augment.clone(),
            normalize: plan.normalize.clone(),
        }
    }

    /// Makes ready for the next update: sees that the data set is the planned one, and computes what
    /// the network takes from images before its first step.
    ///
    /// [`run`](Self::run) does this; it is for who calls [`update`](Self::update).
    ///
    /// # Errors
    ///
    /// [`Error::OtherData`] and unreadable images.
    pub fn prepare(&mut self, data: &Dataset) -> Result<(), Error> {
        self.check(data)?;
        self.whiten(data)
    }

    /// Computes the filter of a whitening layer from training images as they are.
    fn whiten(&mut self, data: &Dataset) -> Result<(), Error> {
        let network = &self.plan.network;
        let fixed = network.parameters().iter().any(|spec| spec.update == Update::Fixed);
        if !fixed || self.progress.step > 0 {
            return Ok(());
        }
        let loading = Loading { augment: Vec::new(), ..self.loading(0) };
        let (mut images, mut shape) = (Vec::new(), [0; 4]);
        for batch in data.train_batches(&loading, 0, 0)? {
            let batch = batch?;
            shape = [shape[0] + batch.len(), batch.height, batch.width, batch.channels];
            images.extend(batch.images);
            if shape[0] >= WHITENING_IMAGES {
                break;
            }
        }
        network.whiten(&mut self.parameters, &images, shape, &self.dev)?;
        if let Some(settings) = self.plan.lookahead {
            self.slow = Some(SlowWeights::new(settings, &self.parameters)?);
        }
        Ok(())
    }

    fn step_record(&self, epoch: u64, loss: f32) -> StepRecord {
        let Progress { step, score, seconds, .. } = &self.progress;
        StepRecord {
            step: *step,
            epoch: epoch + 1,
            loss: f64::from(loss),
            top1: Some(score.top1()),
            learning_rate: self.plan.learning_rate.at(step - 1),
            images_per_second: score.samples as f64 / seconds,
            loss_scale: self.loss_scale(),
        }
    }

    fn loss_scale(&self) -> Option<LossScale> {
        let of = |scaler: LossScaler| LossScale {
            factor: f64::from(scaler.scale()),
            overflows: scaler.overflows(),
        };
        self.scaler.map(of)
    }

    fn end_epoch(
        &mut self,
        epoch: u64,
        data: &Dataset,
        checkpoints: &Path,
        watch: &mut dyn FnMut(&Record) -> Result<(), trickbag_report::Error>,
    ) -> Result<(), Error> {
        let clock = Instant::now();
        let network = self.kept(data)?;
        let val = self.score(&network, data)?;
        let Progress { step, score, seconds, .. } = self.progress;
        watch(&Record::Epoch(EpochRecord {
            epoch: epoch + 1,
            step,
            train_loss: score.loss(),
            train_top1: score.top1(),
            val_loss: val.loss(),
            val_top1: val.top1(),
            learning_rate: self.plan.learning_rate.at(step - 1),
            seconds,
            eval_seconds: clock.elapsed().as_secs_f64(),
            images_per_second: score.samples as f64 / seconds,
            loss_scale: self.loss_scale(),
        }))?;
        let better = self.progress.best_top1.is_none_or(|best| val.top1() > best);
        let best_top1 = if better { Some(val.top1()) } else { self.progress.best_top1 };
        self.progress = Progress { step, best_top1, ..Progress::default() };
        if better {
            self.save_network(&network, &checkpoints.join(BEST))?;
        }
        self.save_last(checkpoints)
    }

    /// The order of the images and the number of steps follow from the facts, so they must agree.
    fn check(&self, data: &Dataset) -> Result<(), Error> {
        let (found, planned) = (data.facts(), &self.plan.facts);
        match found == planned {
            true => Ok(()),
            false => Err(Error::OtherData {
                found: format!("{found:?}"),
                planned: format!("{planned:?}"),
            }),
        }
    }
}
