//! A forward pass of a frozen network on one batch of random images.

use dfdx::dtypes::Dtype;
use trickbag_models::{Frozen, Network, Parameters, ZeroGamma};
use trickbag_ops::{Backend, FeatureMap};
use trickbag_precision::working_copy;

use super::options::Work;
use super::training::images;
use crate::failure::Failure;

/// A network in use: its values no longer change.
pub(super) struct Inference<'n, E: Dtype, D: Backend<E>> {
    network: Frozen<'n, E, D>,
    images: FeatureMap<f32, D>,
}

impl<'n, E: Dtype, D: Backend<E>> Inference<'n, E, D> {
    pub(super) fn new(network: &'n Network, work: &Work, dev: &D) -> Result<Self, Failure> {
        let parameters = network.initialise(1, ZeroGamma::Off, dev)?;
        let parameters = Parameters(working_copy::<E, D>(&parameters)?);
        let network = network.freeze(parameters, network.initial_statistics(dev)?)?;
        Ok(Self { network, images: images(work, dev) })
    }

    pub(super) fn step(&self) -> Result<(), Failure> {
        let images = <D as Backend<E>>::from_f32(self.images.clone())?;
        self.network.forward(images)?;
        Ok(())
    }
}
