//! A training step, as the trainer does it, on one batch of random images.

use std::marker::PhantomData;

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use trickbag_losses::{CrossEntropy, cross_entropy};
use trickbag_models::{Mode, Network, Noise, Parameters, RunningStatistics, ZeroGamma};
use trickbag_ops::{Backend, FeatureMap};
use trickbag_optim::{Decay, Optimizer, Sgd, State};
use trickbag_param_groups::Group;
use trickbag_precision::{backward, working_copy};

use super::options::Work;
use crate::failure::Failure;

const LOSS: CrossEntropy = CrossEntropy { label_smoothing: 0.1 };
const SGD: Sgd =
    Sgd { lr: 0.01, momentum: 0.9, nesterov: true, weight_decay: 5e-4, decay: Decay::Coupled };

/// A network in training.
pub(super) struct Training<'n, E: Dtype, D: Backend<E>> {
    network: &'n Network,
    parameters: Parameters<f32, D>,
    statistics: RunningStatistics<D>,
    optimizer: State<D>,
    groups: Vec<Group>,
    images: FeatureMap<f32, D>,
    labels: Vec<u32>,
    dev: D,
    format: PhantomData<E>,
}

impl<'n, E: Dtype, D: Backend<E>> Training<'n, E, D> {
    pub(super) fn new(network: &'n Network, work: &Work, dev: D) -> Result<Self, Failure> {
        let parameters = network.initialise(1, ZeroGamma::Off, &dev)?;
        let classes = network.classes() as u32;
        Ok(Self {
            network,
            statistics: network.initial_statistics(&dev)?,
            optimizer: State::new(Optimizer::Sgd(SGD), &parameters)?,
            groups: vec![Group::with_decay(SGD.weight_decay); parameters.len()],
            parameters,
            images: images(work, &dev),
            labels: (0..work.batch as u32).map(|image| image % classes).collect(),
            dev,
            format: PhantomData,
        })
    }

    /// One update; the loss before it.
    pub(super) fn step(&mut self) -> Result<f32, Failure> {
        let images = <D as Backend<E>>::from_f32(self.images.clone())?;
        let targets = LOSS.targets(&self.labels, self.network.classes(), &self.dev)?;
        let working = Parameters(working_copy::<E, D>(&self.parameters)?);
        let mode = Mode::Train(&mut self.statistics, Noise::default());
        let logits = self.network.forward(&working, mode, images.leaky_traced())?;
        let loss = cross_entropy(logits, &targets, None)?;
        let value = loss.value();
        let gradients = backward(loss.scaled(1.0)?, &working, 1.0)?;
        drop(working); // so that the parameters are updated in place
        self.optimizer.update(&mut self.parameters, gradients, &self.groups, SGD.lr)?;
        Ok(value)
    }
}

/// A batch of noise, as wide as normalised photographs are.
pub(super) fn images<D: Device<f32>>(work: &Work, dev: &D) -> FeatureMap<f32, D> {
    dev.sample_normal_like(&(work.batch, work.image, work.image, 3))
}
