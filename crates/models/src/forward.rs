//! The forward pass: walks the layers with the operators of [`trickbag_ops`].

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use trickbag_ops::{
    Activation, Affine, Backend, BatchStatistics, Divisor, FeatureMap, Flow, Matrix, Rounding,
    Vector,
};

use crate::network::{Conv, Layer, Norm, ParameterId};
use crate::{Error, Network, Parameters, RunningStatistics};

/// Added to the variance (PyTorch's default).
const EPS: f32 = 1e-5;
/// Weight of the batch in the running statistics (PyTorch's default).
const MOMENTUM: f64 = 0.1;

/// Which statistics batch norm uses.
#[derive(Debug)]
pub enum Mode<'a, D: Device<f32>> {
    /// The batch's own; the running ones move by a tenth towards them, the variance unbiased
    /// (`n / (n - 1)`), as in PyTorch. The images are data, which have no gradient.
    Train(&'a mut RunningStatistics<D>),
    /// The running ones, unchanged.
    Evaluate(&'a RunningStatistics<D>),
}

impl Network {
    /// Logits `(batch, classes)` of images `(batch, height, width, channels)`.
    ///
    /// # Errors
    ///
    /// [`Error::Channels`] for images of another number of channels, [`Error::Mismatch`] for
    /// values of another network, [`Error::OneValue`] where a batch is too small to normalise, and
    /// [`Error::Ops`] for images too small for the network or a failing device.
    pub fn forward<E: Dtype, D: Backend<E>, T: Tape<E, D>>(
        &self,
        parameters: &Parameters<E, D>,
        mode: Mode<'_, D>,
        images: FeatureMap<E, D, T>,
    ) -> Result<Matrix<E, D, T>, Error> {
        self.check(parameters, &mode)?;
        if images.shape().3 != self.in_channels {
            return Err(Error::Channels { found: images.shape().3, expected: self.in_channels });
        }
        let flow = match mode {
            Mode::Train(_) => Flow::Stop,
            Mode::Evaluate(_) => Flow::Through,
        };
        let mut pass = Pass { network: self, parameters, mode, flow };
        let features = pass.run(&self.layers, images)?;
        let pooled = D::global_avg_pool(features)?;
        let weight = (pooled.shape().1, self.classes);
        let weight = D::reshape(pass.parameter(self.head.weight).clone(), &weight)?;
        Ok(D::linear(pooled, &weight, pass.parameter(self.head.bias))?)
    }

    fn check<E: Dtype, D: Backend<E>>(
        &self,
        parameters: &Parameters<E, D>,
        mode: &Mode<'_, D>,
    ) -> Result<(), Error> {
        let statistics: &RunningStatistics<D> = match mode {
            Mode::Train(statistics) => statistics,
            Mode::Evaluate(statistics) => statistics,
        };
        let lengths = self.parameters.iter().map(|p| p.len());
        let channels = self.norms.iter().map(|n| n.channels);
        let fits = parameters.iter().map(|p| p.shape().0).eq(lengths)
            && statistics.iter().map(|s| s.mean.shape().0).eq(channels);
        match fits {
            true => Ok(()),
            false => Err(Error::Mismatch(vec!["lists of other lengths".into()])),
        }
    }
}

struct Pass<'a, E: Dtype, D: Backend<E>> {
    network: &'a Network,
    parameters: &'a Parameters<E, D>,
    mode: Mode<'a, D>,
    /// Of the next convolution.
    flow: Flow,
}

impl<'a, E: Dtype, D: Backend<E>> Pass<'a, E, D> {
    fn run<T: Tape<E, D>>(
        &mut self,
        layers: &[Layer],
        x: FeatureMap<E, D, T>,
    ) -> Result<FeatureMap<E, D, T>, Error> {
        match layers {
            [] => Ok(x),
            [Layer::Conv(conv), Layer::Norm { norm, activation }, rest @ ..] => {
                let x = self.norm(Some(conv), norm, *activation, x, None)?;
                self.run(rest, x)
            }
            [layer, rest @ ..] => {
                let x = self.layer(layer, x)?;
                self.run(rest, x)
            }
        }
    }

    fn layer<T: Tape<E, D>>(
        &mut self,
        layer: &Layer,
        x: FeatureMap<E, D, T>,
    ) -> Result<FeatureMap<E, D, T>, Error> {
        match layer {
            Layer::Conv(conv) => self.conv(conv, x),
            Layer::Norm { norm, activation } => self.norm(None, norm, *activation, x, None),
            Layer::MaxPool(window) => Ok(D::max_pool(x, window)?),
            Layer::AvgPool(window) => Ok(D::avg_pool(x, window, Rounding::Ceil, Divisor::Valid)?),
            Layer::Residual { body, norm, shortcut } => {
                let beside = x.with_empty_tape();
                let (conv, body) = match &body[..] {
                    [body @ .., Layer::Conv(conv)] => (Some(conv), body),
                    body => (None, body),
                };
                let branch = self.run(body, x)?;
                let beside = self.run(shortcut, beside)?;
                self.norm(conv, norm, Activation::Relu, branch, Some(beside))
            }
        }
    }

    fn conv<T: Tape<E, D>>(
        &self,
        conv: &Conv,
        x: FeatureMap<E, D, T>,
    ) -> Result<FeatureMap<E, D, T>, Error> {
        Ok(D::conv2d(x, &self.filter(conv)?, &conv.window, conv.groups)?)
    }

    fn filter(&self, conv: &Conv) -> Result<FeatureMap<E, D>, Error> {
        let shape = &self.network.parameters[conv.filter.0].shape;
        let shape = (shape[0], shape[1], shape[2], shape[3]);
        Ok(D::reshape(self.parameter(conv.filter).clone(), &shape)?)
    }

    /// A norm, right after a convolution if there is one.
    fn norm<T: Tape<E, D>>(
        &mut self,
        conv: Option<&Conv>,
        norm: &Norm,
        activation: Activation,
        x: FeatureMap<E, D, T>,
        residual: Option<FeatureMap<E, D, T>>,
    ) -> Result<FeatureMap<E, D, T>, Error> {
        let (scale, shift) = (self.parameter(norm.scale), self.parameter(norm.shift));
        let affine = Affine { scale, shift, eps: EPS, activation };
        let conv = match conv {
            Some(conv) => Some((conv, self.filter(conv)?)),
            None => None,
        };
        match &mut self.mode {
            Mode::Evaluate(running) => {
                let x = match conv {
                    Some((conv, filter)) => D::conv2d(x, &filter, &conv.window, conv.groups)?,
                    None => x,
                };
                Ok(D::batch_norm_fixed(x, &running[norm.statistics], &affine, residual)?)
            }
            Mode::Train(running) => {
                let (y, batch_statistics) = match conv {
                    Some((Conv { window, groups, .. }, filter)) => {
                        let flow = std::mem::replace(&mut self.flow, Flow::Through);
                        D::conv2d_batch_norm(x, &filter, window, *groups, flow, &affine, residual)?
                    }
                    None => D::batch_norm(x, &affine, residual)?,
                };
                let (batch, height, width, _) = *y.shape();
                if batch * height * width < 2 {
                    let norm = self.network.norms[norm.statistics].name.clone();
                    return Err(Error::OneValue { norm });
                }
                let running = &mut running[norm.statistics];
                update(running, &batch_statistics, (batch * height * width) as f64)?;
                Ok(y)
            }
        }
    }

    fn parameter(&self, id: ParameterId) -> &'a Vector<E, D> {
        &self.parameters[id.0]
    }
}

/// Moves the running statistics by [`MOMENTUM`] towards those of a batch of `n` values a channel.
fn update<D: Device<f32>>(
    running: &mut BatchStatistics<D>,
    batch: &BatchStatistics<D>,
    n: f64,
) -> Result<(), Error> {
    let unbiased = MOMENTUM * n / (n - 1.0);
    running
        .mean
        .try_axpy(1.0 - MOMENTUM, &batch.mean, MOMENTUM)
        .and_then(|()| running.var.try_axpy(1.0 - MOMENTUM, &batch.var, unbiased))
        .map_err(|error| trickbag_ops::Error::device(error).into())
}
