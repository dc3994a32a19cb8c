//! One update of the parameters: gradients, their limit, the optimiser, and what follows it.

use std::ops::Range;

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use trickbag_data::{Batch, batch_generator};
use trickbag_losses::{Loss, binary_cross_entropy, cross_entropy, distillation};
use trickbag_models::{Noise, Parameters, RunningStatistics, Share};
use trickbag_ops::{Backend, FeatureMap, Matrix, Vector};
use trickbag_optim::{Accumulator, without_frozen};
use trickbag_param_groups::Training;
use trickbag_precision::{StepOutcome, backward, working_copy};
use trickbag_recipe::Loss as Planned;

use crate::statistics::flat;
use crate::{Error, Score, Trainer};

/// A gradient for each parameter.
type Gradients<D> = Vec<Vector<f32, D>>;

/// The images and targets of an update, mixed with each other where the plan says so.
struct Examples {
    images: Vec<f32>,
    /// Height, width and channels.
    size: [usize; 3],
    targets: Vec<f32>,
    labels: Vec<u32>,
}

/// What the passes of an update came to. Nothing of the training has changed yet.
struct Attempt<D: Device<f32>> {
    gradients: Gradients<D>,
    statistics: RunningStatistics<D>,
    score: Score,
    outcome: StepOutcome,
}

/// What one pass of a rank sees.
struct Part<'a> {
    images: &'a [f32],
    targets: &'a [f32],
    labels: &'a [u32],
}

impl Examples {
    /// Micro-batches of `len` images, the last perhaps of fewer.
    fn micro_batches(&self, len: usize) -> impl Iterator<Item = Range<usize>> {
        let count = self.labels.len();
        (0..count).step_by(len).map(move |from| from..count.min(from + len))
    }

    fn part(&self, part: Range<usize>) -> Part<'_> {
        let [images, targets] = [&self.images, &self.targets].map(|values| {
            let width = values.len() / self.labels.len();
            &values[part.start * width..part.end * width]
        });
        Part { images, targets, labels: &self.labels[part] }
    }
}

impl<E: Dtype, D: Backend<E>> Trainer<'_, E, D> {
    /// One update of the parameters; returns its loss. Loss and accuracy go into the score of the
    /// epoch.
    ///
    /// Where the loss is scaled and gradients overflow, nothing changes but the scale, and the same
    /// batch is tried again: a schedule counts updates, so it has none to skip.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] for a loss that is not finite, which changes nothing; [`Error::Overflow`];
    /// [`Error::Ranks`]; a failing device; another rank's failure.
    pub fn update(&mut self, batch: Batch) -> Result<f32, Error> {
        let loss = self.updated(batch);
        self.or_abort(loss)
    }

    fn updated(&mut self, batch: Batch) -> Result<f32, Error> {
        let plan = self.plan;
        let examples = self.examples(batch)?;
        let Attempt { gradients, statistics, score, .. } = self.passes(&examples)?;
        let gradients = self.clipped(gradients)?;
        self.statistics = statistics;
        let step = self.progress.step;
        if let Some(momentum) = &plan.momentum {
            self.optimizer.set_momentum(momentum.at(step))?;
        }
        let (groups, learning_rate) = (self.groups.at(step), plan.learning_rate.at(step));
        self.optimizer.update(&mut self.parameters, gradients, groups, learning_rate)?;
        if let Some(slow) = &mut self.slow {
            slow.update(&mut self.parameters)?;
        }
        if let Some(average) = &mut self.average {
            average.update(&self.parameters, &flat(&self.statistics))?;
        }
        self.progress.step += 1;
        self.progress.score += score;
        Ok(score.loss() as f32)
    }

    fn examples(&self, batch: Batch) -> Result<Examples, Error> {
        let plan = self.plan;
        let Batch { mut images, labels, height, width, channels, .. } = batch;
        let classes = plan.network.classes();
        let mut targets = plan.targets.target_rows(&labels, classes)?;
        let mut rng = batch_generator(plan.seed, self.progress.step);
        let mix = plan.mixing.draw([height, width], &mut rng)?;
        mix.images(&mut images, [labels.len(), height, width, channels])?;
        mix.targets(&mut targets, classes)?;
        Ok(Examples { images, size: [height, width, channels], targets, labels })
    }

    /// The passes of an update, at the first scale of the loss at which no gradient overflows.
    fn passes(&mut self, examples: &Examples) -> Result<Attempt<D>, Error> {
        loop {
            let attempt = self.attempt(examples)?;
            let Some(scaler) = self.scaler else { return Ok(attempt) };
            let next = scaler.after(attempt.outcome);
            self.scaler = Some(next.map_err(|reason| self.overflow(attempt.score, reason))?);
            if attempt.outcome == StepOutcome::Finite {
                return Ok(attempt);
            }
        }
    }

    fn attempt(&self, examples: &Examples) -> Result<Attempt<D>, Error> {
        let mut statistics = self.statistics.clone();
        let (gradients, score) = self.gradients(&self.parameters, &mut statistics, examples)?;
        let outcome = self.outcome(&gradients)?;
        let mut attempt = Attempt { gradients, statistics, score, outcome };
        if attempt.outcome == StepOutcome::Finite {
            attempt.gradients = self.sharpened(attempt.gradients, examples)?;
            attempt.outcome = self.outcome(&attempt.gradients)?;
        }
        Ok(attempt)
    }

    /// The vote of all gradients that the optimiser will use; where the loss is not scaled, nobody
    /// asks. The gradients are sums over all ranks, so one that overflows on any of them has done so on
    /// all.
    fn outcome(&self, gradients: &[Vector<f32, D>]) -> Result<StepOutcome, Error> {
        if self.scaler.is_none() {
            return Ok(StepOutcome::Finite);
        }
        let groups = self.groups.at(self.progress.step).iter();
        let used = gradients.iter().zip(groups).filter(|(_, g)| g.training == Training::Trainable);
        Ok(StepOutcome::of(used.map(|(gradient, _)| gradient))?)
    }

    /// The mean gradients over all examples at these parameters, pass by pass, and their score, the
    /// same on all ranks. The statistics move with each pass.
    fn gradients(
        &self,
        parameters: &[Vector<f32, D>],
        statistics: &mut RunningStatistics<D>,
        examples: &Examples,
    ) -> Result<(Gradients<D>, Score), Error> {
        let plan = self.plan;
        let working = Parameters(working_copy::<E, D>(parameters)?);
        let passes = plan.batch_size.div_ceil(plan.micro_batch) as u64;
        let scale = self.scaler.map_or(1.0, |scaler| scaler.scale());
        let (mut window, mut total) = (Accumulator::default(), Score::default());
        for (pass, whole) in (0..).zip(examples.micro_batches(plan.micro_batch)) {
            let own = self.share(&whole)?;
            let (samples, weight) = (whole.len() as u64, own.len() as f32 / whole.len() as f32);
            let share = Share { ranks: self.ranks.clone(), first: own.start - whole.start };
            let Part { images, targets, labels } = examples.part(own);
            let images = self.feature_map(images.to_vec(), examples.size)?;
            let targets = self
                .dev
                .try_tensor_from_vec(targets.to_vec(), (labels.len(), plan.network.classes()));
            let targets = targets.map_err(trickbag_ops::Error::device)?;
            let noise = Noise { seed: plan.seed, step: self.progress.step * passes + pass };
            let taught = self.taught(&images)?;
            let images = images.leaky_traced();
            let logits = plan.network.forward_share(&working, statistics, noise, &share, images)?;
            let answers = logits.retaped::<NoneTape>();
            let loss = self.loss(logits, &targets, taught)?;
            let score = self.joint_score(Score::of(&answers, labels, loss.value()))?;
            self.check_loss(score.loss() as f32)?;
            total += score;
            // This rank's term of the mean over the micro-batch.
            let gradients = backward(loss.scaled(scale * weight)?, &working, scale)?;
            window.add(gradients, samples)?;
        }
        Ok((self.summed(window.take())?, total))
    }

    /// The teacher's logits for the same images, where there is one.
    fn taught(&self, images: &FeatureMap<E, D>) -> Result<Option<Matrix<f32, D>>, Error> {
        match &self.teacher {
            Some(teacher) => Ok(Some(teacher.logits(images.clone())?)),
            None => Ok(None),
        }
    }

    fn loss<T: Tape<E, D>>(
        &self,
        logits: Matrix<E, D, T>,
        targets: &Matrix<f32, D>,
        taught: Option<Matrix<f32, D>>,
    ) -> Result<Loss<E, D, T>, Error> {
        Ok(match (&self.plan.loss, taught) {
            (Planned::Taught { settings, .. }, Some(taught)) => {
                distillation(logits, targets, &taught, *settings)?
            }
            (Planned::EachClass(settings), _) => binary_cross_entropy(logits, targets, *settings)?,
            (Planned::AllClasses | Planned::Taught { .. }, _) => {
                cross_entropy(logits, targets, None)?
            }
        })
    }

    fn check_loss(&self, loss: f32) -> Result<(), Error> {
        if loss.is_finite() {
            return Ok(());
        }
        let Self { plan, progress, .. } = self;
        let learning_rate = plan.learning_rate.at(progress.step);
        Err(Error::Diverged { step: progress.step + 1, loss, learning_rate })
    }

    fn overflow(&self, score: Score, reason: trickbag_precision::Error) -> Error {
        let Self { plan, progress, .. } = self;
        let (loss, learning_rate) = (score.loss() as f32, plan.learning_rate.at(progress.step));
        Error::Overflow { step: progress.step + 1, loss, learning_rate, reason }
    }

    /// The gradients again, a small climb away, in the updates that take them there. That pass drops
    /// the same units, and leaves no trace in the statistics.
    fn sharpened(
        &self,
        gradients: Gradients<D>,
        examples: &Examples,
    ) -> Result<Gradients<D>, Error> {
        let Some(sam) = self.plan.sam.filter(|sam| sam.applies(self.progress.step)) else {
            return Ok(gradients);
        };
        let gradients = without_frozen(gradients, self.groups.at(self.progress.step))?;
        let climbed = sam.perturb(&self.parameters, &gradients)?;
        Ok(self.gradients(&climbed, &mut self.statistics.clone(), examples)?.0)
    }

    /// The gradients of an update within the plan's limit.
    fn clipped(&self, gradients: Gradients<D>) -> Result<Gradients<D>, Error> {
        let Some(clip) = self.plan.clip else { return Ok(gradients) };
        let gradients = without_frozen(gradients, self.groups.at(self.progress.step))?;
        let (clipped, _) = clip.apply(gradients, &self.parameters, &self.units)?;
        Ok(clipped)
    }
}
