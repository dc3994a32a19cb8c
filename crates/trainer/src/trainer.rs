//! The loop: one step after another, an evaluation and a checkpoint after each epoch.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use serde::{Deserialize, Serialize};
use trickbag_data::{Batch, Dataset, Loading, batch_generator};
use trickbag_losses::cross_entropy;
use trickbag_models::{Mode, Noise, Parameters, RunningStatistics, Update};
use trickbag_ops::{Backend, FeatureMap, Matrix, Vector};
use trickbag_optim::{State, Units, without_frozen};
use trickbag_param_groups::Group;
use trickbag_precision::{backward, working_copy};
use trickbag_recipe::Plan;
use trickbag_report::{EpochRecord, Record, StepRecord};

use crate::units::units;
use crate::{BEST, Error, MODEL, Score};

/// So many images, and what fills up the last batch, or all if there are fewer, make a whitening
/// filter (airbench94).
const WHITENING_IMAGES: usize = 5000;

/// Images and targets.
type Examples<E, D> = (FeatureMap<E, D>, Matrix<f32, D>);

/// A gradient for each parameter.
type Gradients<D> = Vec<Vector<f32, D>>;

/// A plan in training: parameters, statistics, optimiser state, and how far it has come.
#[derive(Debug)]
pub struct Trainer<'p, E: Dtype, D: Backend<E>> {
    pub(crate) plan: &'p Plan,
    pub(crate) dev: D,
    pub(crate) parameters: Parameters<f32, D>,
    pub(crate) statistics: RunningStatistics<D>,
    pub(crate) optimizer: State<D>,
    pub(crate) progress: Progress,
    groups: Vec<Group>,
    units: Vec<Units>,
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
    /// A device that cannot hold the network.
    pub fn new(plan: &'p Plan, dev: D) -> Result<Self, Error> {
        let parameters = plan.network.initialise(plan.seed, plan.zero_gamma, &dev)?;
        let statistics = plan.network.initial_statistics(&dev)?;
        let optimizer = State::new(plan.optimizer, &parameters)?;
        let groups = plan.groups.rows().iter().map(|row| row.group).collect();
        let units = units(&plan.network);
        let (progress, format) = (Progress::default(), PhantomData);
        Ok(Self { plan, dev, parameters, statistics, optimizer, progress, groups, units, format })
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
    /// # Errors
    ///
    /// [`Error::Diverged`], unreadable images, a failing device or disk. What was written before
    /// is intact.
    pub fn run(
        &mut self,
        data: &Dataset,
        checkpoints: &Path,
        stop: &AtomicBool,
        watch: &mut dyn FnMut(&Record) -> Result<(), trickbag_report::Error>,
    ) -> Result<Outcome, Error> {
        let loading = self.prepare(data)?;
        let plan = self.plan;
        while self.progress.step < plan.total_steps {
            let epoch = self.progress.step / plan.steps_per_epoch;
            let done = (self.progress.step % plan.steps_per_epoch) as usize;
            let mut clock = Instant::now();
            for batch in data.train_batches(&loading, epoch, done)? {
                let loss = self.update(batch?)?;
                self.progress.seconds += clock.elapsed().as_secs_f64();
                clock = Instant::now();
                watch(&Record::Step(self.step_record(epoch, loss)))?;
                let mid_epoch = !self.progress.step.is_multiple_of(plan.steps_per_epoch);
                if mid_epoch && stop.load(Ordering::Relaxed) {
                    self.save_last(checkpoints)?;
                    return Ok(Outcome::Stopped);
                }
            }
            self.end_epoch(epoch, data, checkpoints, watch)?;
            if stop.load(Ordering::Relaxed) && self.progress.step < plan.total_steps {
                return Ok(Outcome::Stopped);
            }
        }
        self.save_network(&checkpoints.join(MODEL))?;
        Ok(Outcome::Finished)
    }

    /// Makes ready for the next update, and says how batches are loaded for it: sees that the data set
    /// is the planned one, and computes what the network takes from images before its first step.
    ///
    /// [`run`](Self::run) does this; it is for who calls [`update`](Self::update).
    ///
    /// # Errors
    ///
    /// [`Error::OtherData`] and unreadable images.
    pub fn prepare(&mut self, data: &Dataset) -> Result<Loading, Error> {
        self.check(data)?;
        let plan = self.plan;
        let loading = Loading {
            seed: plan.seed,
            batch_size: plan.batch_size,
            size: [plan.facts.height, plan.facts.width],
            order: plan.order,
            augment: plan.augment.clone(),
            normalize: plan.normalize.clone(),
        };
        self.whiten(data, &loading)?;
        Ok(loading)
    }

    /// Computes the filter of a whitening layer from training images as they are.
    fn whiten(&mut self, data: &Dataset, loading: &Loading) -> Result<(), Error> {
        let network = &self.plan.network;
        let fixed = network.parameters().iter().any(|spec| spec.update == Update::Fixed);
        if !fixed || self.progress.step > 0 {
            return Ok(());
        }
        let loading = Loading { augment: Vec::new(), ..loading.clone() };
        let (mut images, mut shape) = (Vec::new(), [0; 4]);
        for batch in data.train_batches(&loading, 0, 0)? {
            let batch = batch?;
            shape = [shape[0] + batch.len(), batch.height, batch.width, batch.channels];
            images.extend(batch.images);
            if shape[0] >= WHITENING_IMAGES {
                break;
            }
        }
        Ok(network.whiten(&mut self.parameters, &images, shape, &self.dev)?)
    }

    /// One update of the parameters, at the plan's learning rate of this step; the mean loss of the
    /// batch before it. Loss and accuracy also go into the epoch's score.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`], which leaves the parameters as they were, and a failing device.
    pub fn update(&mut self, batch: Batch) -> Result<f32, Error> {
        let plan = self.plan;
        let learning_rate = plan.learning_rate.at(self.progress.step);
        let labels = batch.labels.clone();
        let (images, targets) = self.examples(batch)?;

        let working = Parameters(working_copy::<E, D>(&self.parameters)?);
        let noise = Noise { seed: plan.seed, step: self.progress.step };
        let mode = Mode::Train(&mut self.statistics, noise);
        let logits = plan.network.forward(&working, mode, images.leaky_traced())?;
        let answers = logits.retaped::<NoneTape>();
        let loss = cross_entropy(logits, &targets, None)?;
        let value = loss.value();
        if !value.is_finite() {
            let step = self.progress.step + 1;
            return Err(Error::Diverged { step, loss: value, learning_rate });
        }
        let gradients = backward(loss.scaled(1.0)?, &working, 1.0)?;
        drop(working); // so that the parameters are updated in place
        let gradients = self.clipped(gradients)?;
        self.optimizer.update(&mut self.parameters, gradients, &self.groups, learning_rate)?;
        self.progress.step += 1;
        self.progress.score += Score::of(&answers, &labels, value);
        Ok(value)
    }

    /// A batch's images and targets on the device, mixed with each other where the plan says so.
    fn examples(&self, mut batch: Batch) -> Result<Examples<E, D>, Error> {
        let plan = self.plan;
        let classes = plan.network.classes();
        let shape = [batch.len(), batch.height, batch.width, batch.channels];
        let mut targets = plan.loss.target_rows(&batch.labels, classes)?;
        let mut rng = batch_generator(plan.seed, self.progress.step);
        let mix = plan.mixing.draw([batch.height, batch.width], &mut rng)?;
        mix.images(&mut batch.images, shape)?;
        mix.targets(&mut targets, classes)?;
        let targets = self.dev.try_tensor_from_vec(targets, (batch.len(), classes));
        Ok((self.images(batch)?, targets.map_err(trickbag_ops::Error::device)?))
    }

    /// The gradients of an update within the plan's limit.
    fn clipped(&self, gradients: Gradients<D>) -> Result<Gradients<D>, Error> {
        let Some(clip) = self.plan.clip else { return Ok(gradients) };
        let gradients = without_frozen(gradients, &self.groups)?;
        let (clipped, _) = clip.apply(gradients, &self.parameters, &self.units)?;
        Ok(clipped)
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
        }
    }

    fn end_epoch(
        &mut self,
        epoch: u64,
        data: &Dataset,
        checkpoints: &Path,
        watch: &mut dyn FnMut(&Record) -> Result<(), trickbag_report::Error>,
    ) -> Result<(), Error> {
        let clock = Instant::now();
        let val = self.evaluate(data)?;
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
        }))?;
        let better = self.progress.best_top1.is_none_or(|best| val.top1() > best);
        let best_top1 = if better { Some(val.top1()) } else { self.progress.best_top1 };
        self.progress = Progress { step, best_top1, ..Progress::default() };
        if better {
            self.save_network(&checkpoints.join(BEST))?;
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
