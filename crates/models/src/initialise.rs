//! A network's values, and what they start from.

use std::ops::{Deref, DerefMut};

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use rand::SeedableRng;
use rand::distributions::{Distribution, Uniform};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use trickbag_ops::{BatchStatistics, Vector};

use crate::network::Init;
use crate::{Error, Network, ParameterSpec, ZeroGamma};

/// The values of a network's parameters, flat, in the order of [`Network::parameters`].
#[derive(Debug, Clone)]
pub struct Parameters<E: Dtype, D: Storage<E>>(pub Vec<Vector<E, D>>);

/// Running mean and variance of each batch norm, in the order of the layers.
#[derive(Debug, Clone)]
pub struct RunningStatistics<D: Device<f32>>(pub Vec<BatchStatistics<D>>);

impl<E: Dtype, D: Storage<E>> Deref for Parameters<E, D> {
    type Target = [Vector<E, D>];
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<E: Dtype, D: Storage<E>> DerefMut for Parameters<E, D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<D: Device<f32>> Deref for RunningStatistics<D> {
    type Target = [BatchStatistics<D>];
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<D: Device<f32>> DerefMut for RunningStatistics<D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Network {
    /// Draws the parameters that training starts from, the same for the same `seed`.
    ///
    /// Convolutions are Kaiming normal with fan-out, the linear head is PyTorch's uniform, norm
    /// scales are 1 and shifts 0, as in torchvision; [`Airbench94`](crate::Airbench94) says where
    /// it differs, and wants [`Network::whiten`] called on what this returns. With
    /// [`ZeroGamma::On`] the last norm scale of each residual block is 0 (Goyal et al., arXiv
    /// 1706.02677; Bag of Tricks, section 3.1).
    ///
    /// # Errors
    ///
    /// [`Error::Ops`] where the device cannot hold them.
    pub fn initialise<D: Device<f32>>(
        &self,
        seed: u64,
        zero_gamma: ZeroGamma,
        dev: &D,
    ) -> Result<Parameters<f32, D>, Error> {
        let draw = |(stream, spec)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(stream);
            vector(dev, values(spec, zero_gamma, &mut rng))
        };
        Ok(Parameters((0..).zip(&self.parameters).map(draw).collect::<Result<_, _>>()?))
    }

    /// Running statistics before training: mean 0, variance 1.
    ///
    /// # Errors
    ///
    /// [`Error::Ops`] where the device cannot hold them.
    pub fn initial_statistics<D: Device<f32>>(
        &self,
        dev: &D,
    ) -> Result<RunningStatistics<D>, Error> {
        let start = |channels| -> Result<_, Error> {
            let mean = vector(dev, vec![0.0; channels])?;
            Ok(BatchStatistics { mean, var: vector(dev, vec![1.0; channels])? })
        };
        Ok(RunningStatistics(
            self.norms.iter().map(|n| start(n.channels)).collect::<Result<_, _>>()?,
        ))
    }
}

pub(crate) fn vector<D: Device<f32>>(dev: &D, values: Vec<f32>) -> Result<Vector<f32, D>, Error> {
    let shape = (values.len(),);
    Ok(dev.try_tensor_from_vec(values, shape).map_err(trickbag_ops::Error::device)?)
}

fn values(spec: &ParameterSpec, zero_gamma: ZeroGamma, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let len = spec.len();
    match spec.init {
        Init::KaimingNormalFanOut { groups } => {
            let fan_out = spec.shape[0] * spec.shape[1] * spec.shape[3] / groups;
            let std = (2.0 / fan_out as f64).sqrt();
            let normal = StandardNormal.sample_iter(rng).take(len);
            normal.map(|x: f64| (x * std) as f32).collect()
        }
        Init::LinearUniform { inputs } => uniform(inputs, len, rng),
        Init::Dirac => dirac(&spec.shape, rng),
        Init::ResidualScale if zero_gamma == ZeroGamma::On => vec![0.0; len],
        Init::ResidualScale | Init::One => vec![1.0; len],
        Init::Zero => vec![0.0; len],
    }
}

/// Within `± 1 / sqrt(inputs)`: what PyTorch's linear layers and convolutions start from.
fn uniform(inputs: usize, len: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let bound = 1.0 / (inputs as f64).sqrt();
    let uniform = Uniform::new_inclusive(-bound, bound);
    uniform.sample_iter(rng).take(len).map(|x| x as f32).collect()
}

/// Outputs beyond the inputs stay uniform; the others repeat the input of their number (PyTorch's
/// `dirac_`).
fn dirac(shape: &[usize], rng: &mut ChaCha8Rng) -> Vec<f32> {
    let (taps, inputs, outputs) = (shape[0] * shape[1], shape[2], shape[3]);
    let centre = shape[0] / 2 * shape[1] + shape[1] / 2;
    let mut values = uniform(taps * inputs, taps * inputs * outputs, rng);
    for (row, values) in values.chunks_mut(outputs).enumerate() {
        let (tap, input) = (row / inputs, row % inputs);
        for (output, value) in values.iter_mut().enumerate().take(inputs) {
            *value = if tap == centre && input == output { 1.0 } else { 0.0 };
        }
    }
    values
}
