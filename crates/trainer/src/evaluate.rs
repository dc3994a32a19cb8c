//! Counts of right answers, and which network is evaluated on the validation images.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use serde::{Deserialize, Serialize};
use trickbag_data::{Batch, Dataset};
use trickbag_losses::{CrossEntropy, cross_entropy};
use trickbag_models::{Mode, Parameters, RunningStatistics};
use trickbag_ops::{Backend, FeatureMap, Matrix, Vector};
use trickbag_precision::working_copy;

use crate::statistics::unflat;
use crate::{Error, Trainer};

/// Loss and accuracy over samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Samples seen.
    pub samples: u64,
    /// Samples whose largest logit is that of their class.
    pub correct: u64,
    /// Sum of the samples' losses.
    pub loss_sum: f64,
}

impl Score {
    /// Mean loss per sample.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.samples as f64
    }

    /// Accuracy, 0 to 1.
    pub fn top1(&self) -> f64 {
        self.correct as f64 / self.samples as f64
    }

    /// The score of one batch, whose mean loss is `loss`.
    pub(crate) fn of<E: Dtype, D: Backend<E>, T>(
        logits: &Matrix<E, D, T>,
        labels: &[u32],
        loss: f32,
    ) -> Self {
        let (samples, classes) = *logits.shape();
        let logits = logits.as_vec();
        let answers = logits.chunks(classes.max(1)).map(largest);
        let correct = answers.zip(labels).filter(|(answer, label)| *answer == **label as usize);
        Self {
            samples: samples as u64,
            correct: correct.count() as u64,
            loss_sum: f64::from(loss) * samples as f64,
        }
    }
}

impl std::ops::AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.samples += other.samples;
        self.correct += other.correct;
        self.loss_sum += other.loss_sum;
    }
}

/// Index of the first largest value.
fn largest<E: PartialOrd>(row: &[E]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

/// The values that are evaluated and kept: the average's where there is one.
pub(crate) struct Kept<D: Device<f32>> {
    pub(crate) parameters: Parameters<f32, D>,
    pub(crate) statistics: RunningStatistics<D>,
}

impl<E: Dtype, D: Backend<E>> Trainer<'_, E, D> {
    /// Loss and accuracy on the validation images, each counted exactly once, without smoothing or
    /// augmentation and with the running statistics; of the average of the parameters, once there is
    /// one.
    ///
    /// # Errors
    ///
    /// Unreadable images and a failing device.
    pub fn evaluate(&self, data: &Dataset) -> Result<Score, Error> {
        self.score(&self.kept(data)?, data)
    }

    /// The network to evaluate and keep.
    pub(crate) fn kept(&self, data: &Dataset) -> Result<Kept<D>, Error> {
        let average = self.average.as_ref().and_then(|average| Some((average, average.values()?)));
        let Some((average, values)) = average else {
            let (parameters, statistics) = (self.parameters.clone(), self.statistics.clone());
            return Ok(Kept { parameters, statistics });
        };
        let parameters = Parameters(values.parameters.to_vec());
        let statistics = match average.statistics_fit() {
            true => unflat(values.statistics),
            false => self.calibrated(&parameters, data)?,
        };
        Ok(Kept { parameters, statistics })
    }

    /// Statistics of these parameters over the training images of an epoch, the next one.
    fn calibrated(
        &self,
        parameters: &[Vector<f32, D>],
        data: &Dataset,
    ) -> Result<RunningStatistics<D>, Error> {
        let working = Parameters(working_copy::<E, D>(parameters)?);
        let mut statistics = self.plan.network.initial_statistics(&self.dev)?;
        let epoch = self.progress.step / self.plan.steps_per_epoch;
        for (before, batch) in (0..).zip(data.train_batches(&self.loading(epoch), epoch, 0)?) {
            let mode = Mode::Calibrate(&mut statistics, before);
            self.plan.network.forward(&working, mode, self.images(batch?)?)?;
        }
        Ok(statistics)
    }

    pub(crate) fn score(&self, network: &Kept<D>, data: &Dataset) -> Result<Score, Error> {
        let working = Parameters(working_copy::<E, D>(&network.parameters)?);
        let mut total = Score::default();
        let size = [self.plan.facts.height, self.plan.facts.width];
        for batch in data.val_batches(self.plan.batch_size, &self.plan.normalize, size)? {
            let batch = batch?;
            let logits = self.seen(&working, &network.statistics, &batch)?;
            let hard = CrossEntropy { label_smoothing: 0.0 };
            let targets = hard.targets(&batch.labels, self.plan.network.classes(), &self.dev)?;
            let loss = cross_entropy(logits.clone(), &targets, None)?.value();
            total += Score::of(&logits, &batch.labels, loss);
        }
        Ok(total)
    }

    /// The weighted sum of the logits of all views of a batch.
    fn seen(
        &self,
        parameters: &Parameters<E, D>,
        statistics: &RunningStatistics<D>,
        batch: &Batch,
    ) -> Result<Matrix<E, D>, Error> {
        let shape = (batch.len(), self.plan.network.classes());
        let mut sum: Matrix<f32, D> =
            self.dev.try_zeros_like(&shape).map_err(trickbag_ops::Error::device)?;
        for view in &self.plan.test_views {
            let size = [batch.height, batch.width, batch.channels];
            let images = self.feature_map(view.images(batch), size)?;
            let mode = Mode::Evaluate(statistics);
            let logits = self.plan.network.forward(parameters, mode, images)?;
            let logits = <D as Backend<E>>::to_f32(logits)?;
            sum.try_axpy(1.0, &logits, view.weight).map_err(trickbag_ops::Error::device)?;
        }
        Ok(<D as Backend<E>>::from_f32(sum)?)
    }

    fn images(&self, batch: Batch) -> Result<FeatureMap<E, D>, Error> {
        let size = [batch.height, batch.width, batch.channels];
        self.feature_map(batch.images, size)
    }

    /// Images of this size on the device, in the format that computes.
    pub(crate) fn feature_map(
        &self,
        images: Vec<f32>,
        size: [usize; 3],
    ) -> Result<FeatureMap<E, D>, Error> {
        let [height, width, channels] = size;
        let shape = (images.len() / (height * width * channels), height, width, channels);
        let images = self.dev.try_tensor_from_vec(images, shape);
        Ok(<D as Backend<E>>::from_f32(images.map_err(trickbag_ops::Error::device)?)?)
    }
}
