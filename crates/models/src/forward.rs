//! The forward pass: walks the layers with the operators of [`trickbag_ops`].

use std::sync::Arc;

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use trickbag_collective::Collective;
use trickbag_ops::{
    Activation, Affine, Backend, BatchStatistics, FeatureMap, Filter, Flow, Matrix, Packed,
    Pointwise, Synchronised, Vector, Window,
};

use crate::initialise::vector;
use crate::network::{Conv, Dense, Head, Layer, Norm, ParameterId, Pooling, Residual};
use crate::noise::DROPOUT;
use crate::{Error, Network, Noise, Parameters, RunningStatistics, Share};

/// Which statistics batch norm uses, and whether anything is random.
#[derive(Debug)]
pub enum Mode<'a, D: Device<f32>> {
    /// The batch's own statistics; the running ones move by a tenth towards them (by 0.4 in
    /// [`Airbench94`](crate::Airbench94)), the variance unbiased (`n / (n - 1)`), as in PyTorch. What
    /// is dropped at random follows from the noise. The images are data, which have no gradient.
    Train(&'a mut RunningStatistics<D>, Noise),
    /// The batch's own statistics; the running ones become the mean over this batch and so many
    /// before it, as in PyTorch's `update_bn`: how the statistics of an average of parameters are
    /// computed. Nothing is random.
    Calibrate(&'a mut RunningStatistics<D>, u64),
    /// The running statistics, unchanged; nothing is random.
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
        self.pass(parameters, mode, None, None, images)
    }

    /// [`forward`](Self::forward) in [`Mode::Train`], of a rank's share of a batch: what comes out for
    /// its images, and the running statistics, are what one process would have for the whole batch, up
    /// to rounding.
    ///
    /// Batch norm has the statistics of all ranks together (PyTorch's `SyncBatchNorm`), so they must
    /// come here, and go back, together. See
    /// [`sync_batch_norm`](trickbag_ops::Backend::sync_batch_norm) for what flows back. Masks are those
    /// that the images have in the whole batch.
    ///
    /// # Errors
    ///
    /// Those of `forward`, [`Error::SharedGhosts`], and where a rank is missing
    /// [`trickbag_ops::Error::Collective`].
    pub fn forward_share<E: Dtype, D: Backend<E>, T: Tape<E, D>>(
        &self,
        parameters: &Parameters<E, D>,
        statistics: &mut RunningStatistics<D>,
        noise: Noise,
        share: &Share,
        images: FeatureMap<E, D, T>,
    ) -> Result<Matrix<E, D, T>, Error> {
        self.pass(parameters, Mode::Train(statistics, noise), Some(share), None, images)
    }

    pub(crate) fn pass<E: Dtype, D: Backend<E>, T: Tape<E, D>>(
        &self,
        parameters: &Parameters<E, D>,
        mode: Mode<'_, D>,
        share: Option<&Share>,
        packed: Option<&[Packed]>,
        images: FeatureMap<E, D, T>,
    ) -> Result<Matrix<E, D, T>, Error> {
        self.check(parameters, &mode)?;
        if images.shape().3 != self.in_channels {
            return Err(Error::Channels { found: images.shape().3, expected: self.in_channels });
        }
        let flow = match mode {
            Mode::Train(..) | Mode::Calibrate(..) => Flow::Stop,
            Mode::Evaluate(_) => Flow::Through,
        };
        let mut pass = Pass { network: self, parameters, mode, share, packed, flow, blocks: 0 };
        let features = pass.run(&self.layers, images)?;
        pass.head(&self.head, features)
    }

    /// Moves the running statistics of a norm by `momentum` towards those of `n` values a channel.
    fn update<D: Device<f32>>(
        &self,
        running: &mut RunningStatistics<D>,
        norm: &Norm,
        batch: &BatchStatistics<D>,
        n: usize,
        momentum: f64,
    ) -> Result<(), Error> {
        if n < 2 {
            return Err(Error::OneValue { norm: self.norms[norm.statistics].name.clone() });
        }
        let unbiased = momentum * n as f64 / (n as f64 - 1.0);
        let running = &mut running[norm.statistics];
        running
            .mean
            .try_axpy(1.0 - momentum, &batch.mean, momentum)
            .and_then(|()| running.var.try_axpy(1.0 - momentum, &batch.var, unbiased))
            .map_err(|error| trickbag_ops::Error::device(error).into())
    }

    pub(crate) fn check<E: Dtype, D: Backend<E>>(
        &self,
        parameters: &Parameters<E, D>,
        mode: &Mode<'_, D>,
    ) -> Result<(), Error> {
        let statistics: &RunningStatistics<D> = match mode {
            Mode::Train(statistics, _) | Mode::Calibrate(statistics, _) => statistics,
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
    /// Which images there are, if not all.
    share: Option<&'a Share>,
    /// What was packed of each parameter, if these no longer change.
    packed: Option<&'a [Packed]>,
    /// Of the next convolution.
    flow: Flow,
    /// Residual blocks so far that may be skipped.
    blocks: u64,
}

impl<'a, E: Dtype, D: Backend<E>> Pass<'a, E, D> {
    fn run<T: Tape<E, D>>(
        &mut self,
        layers: &[Layer],
        x: FeatureMap<E, D, T>,
    ) -> Result<FeatureMap<E, D, T>, Error> {
        match layers {
            [] => Ok(x),
            [
                Layer::Conv(conv @ Conv { bias: None, .. }),
                Layer::Norm { norm, activation },
                rest @ ..,
            ] => {
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
            Layer::Pointwise(function) => Ok(D::pointwise(x, *function)?),
            Layer::MaxPool(window) => Ok(D::max_pool(x, window)?),
            Layer::AvgPool { window, rounding, divisor } => {
                Ok(D::avg_pool(x, window, *rounding, *divisor)?)
            }
            Layer::BlurPool => Ok(D::blur_pool(x)?),
            Layer::Gate { squeeze, excite } => self.gate(squeeze, excite, x),
            Layer::Residual(residual) => self.residual(residual, x),
            Layer::Branches(branches) => {
                let run = |branch: &Vec<Layer>| self.run(branch, x.with_empty_tape());
                let parts = branches.iter().map(run).collect::<Result<Vec<_>, _>>()?;
                let (joined, tape) = D::concat_channels(parts)?.split_tape();
                Ok(joined.put_tape(tape.merge(x.split_tape().1)))
            }
        }
    }

    /// The norm at the end of a body is one operator with the addition, if nothing comes between.
    fn residual<T: Tape<E, D>>(
        &mut self,
        residual: &Residual,
        x: FeatureMap<E, D, T>,
    ) -> Result<FeatureMap<E, D, T>, Error> {
        let Residual { body, shortcut, activation, drop_rate } = residual;
        let beside = x.with_empty_tape();
        match &body[..] {
            [body @ .., Layer::Norm { norm, activation: Activation::Identity }]
                if self.noise(*drop_rate).is_none() =>
            {
                let (conv, body) = match body {
                    [body @ .., Layer::Conv(conv @ Conv { bias: None, .. })] => (Some(conv), body),
                    body => (None, body),
                };
                let branch = self.run(body, x)?;
                let beside = self.run(shortcut, beside)?;
                self.norm(conv, norm, *activation, branch, Some(beside))
            }
            body => {
                let branch = self.run(body, x)?;
                let branch = self.drop_samples(branch, *drop_rate)?;
                let beside = self.run(shortcut, beside)?;
                self.shift(None, *activation, branch, Some(beside))
            }
        }
    }

    /// Stochastic depth: zeros for whole samples.
    fn drop_samples<T: Tape<E, D>>(
        &mut self,
        x: FeatureMap<E, D, T>,
        rate: f64,
    ) -> Result<FeatureMap<E, D, T>, Error> {
        let Some(noise) = self.noise(rate) else { return Ok(x) };
        let (batch, _, _, channels) = *x.shape();
        self.blocks += 1;
        let mask = self.mask(noise, DROPOUT + self.blocks, (batch, 1), rate);
        let factors = mask.into_iter().flat_map(|factor| std::iter::repeat_n(factor, channels));
        let factors = matrix(x.device(), factors.collect(), (batch, channels))?;
        Ok(D::scale_channels(x, factors.retaped::<T>())?)
    }

    /// Dropout: zeros for single features.
    fn drop_features<T: Tape<E, D>>(
        &self,
        x: Matrix<E, D, T>,
        rate: f64,
    ) -> Result<Matrix<E, D, T>, Error> {
        let Some(noise) = self.noise(rate) else { return Ok(x) };
        let shape = *x.shape();
        let factors = matrix(x.device(), self.mask(noise, DROPOUT, shape, rate), shape)?;
        multiply(x, factors)
    }

    /// So many values for each of the images that are here, from the mask of the whole batch.
    fn mask(&self, noise: Noise, place: u64, shape: (usize, usize), rate: f64) -> Vec<f32> {
        let before = self.share.map_or(0, |share| share.first) * shape.1;
        noise.mask(place, before + shape.0 * shape.1, rate).split_off(before)
    }

    /// What decides a mask of this rate, if there is one.
    fn noise(&self, rate: f64) -> Option<Noise> {
        match self.mode {
            Mode::Train(_, noise) if rate > 0.0 => Some(noise),
            _ => None,
        }
    }

    /// Squeeze and excitation.
    fn gate<T: Tape<E, D>>(
        &self,
        squeeze: &Dense,
        excite: &Dense,
        x: FeatureMap<E, D, T>,
    ) -> Result<FeatureMap<E, D, T>, Error> {
        let averages = D::global_avg_pool(x.with_empty_tape())?;
        let units = D::pointwise(self.dense(squeeze, averages)?, Pointwise::Relu)?;
        let gates = D::pointwise(self.dense(excite, units)?, Pointwise::Sigmoid)?;
        Ok(D::scale_channels(x, gates)?)
    }

    fn dense<T: Tape<E, D>>(
        &self,
        dense: &Dense,
        x: Matrix<E, D, T>,
    ) -> Result<Matrix<E, D, T>, Error> {
        let bias = self.parameter(dense.bias);
        let shape = (x.shape().1, bias.shape().0);
        let weight = D::reshape(self.parameter(dense.weight).clone(), &shape)?;
        Ok(D::linear(x, &weight, bias)?)
    }

    fn head<T: Tape<E, D>>(
        &self,
        head: &Head,
        features: FeatureMap<E, D, T>,
    ) -> Result<Matrix<E, D, T>, Error> {
        let (batch, height, width, channels) = *features.shape();
        let (dev, classes) = (features.device().clone(), self.network.classes);
        let pooled = match head.pooling {
            Pooling::Average => D::global_avg_pool(features)?,
            Pooling::Maximum => {
                let all = Window { kernel: [height, width], ..Window::square(1) };
                D::reshape(D::max_pool(features, &all)?, &(batch, channels))?
            }
        };
        let weight = D::reshape(self.parameter(head.weight).clone(), &(channels, classes))?;
        let bias = match head.bias {
            Some(bias) => self.parameter(bias).clone(),
            None => constant(&dev, 0.0, classes)?,
        };
        let logits = D::linear(self.drop_features(pooled, head.dropout)?, &weight, &bias)?;
        if head.scale == 1.0 {
            return Ok(logits);
        }
        let factors = matrix(&dev, vec![head.scale; batch * classes], (batch, classes))?;
        multiply(logits, factors)
    }

    fn conv<T: Tape<E, D>>(
        &mut self,
        conv: &Conv,
        x: FeatureMap<E, D, T>,
    ) -> Result<FeatureMap<E, D, T>, Error> {
        self.flow = Flow::Through;
        let y = D::conv2d(x, &self.filter(conv)?, &conv.window, conv.groups)?;
        match conv.bias {
            Some(bias) => self.shift(Some(self.parameter(bias)), Activation::Identity, y, None),
            None => Ok(y),
        }
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
        let shift = self.parameter(norm.shift);
        let scale = match norm.scale {
            Some(scale) => self.parameter(scale).clone(),
            None => constant(x.device(), 1.0, shift.shape().0)?,
        };
        let eps = self.network.norm_setting.eps;
        let affine = Affine { scale: &scale, shift, eps, activation };
        let conv = match conv {
            Some(conv) => Some((conv, self.filter(conv)?)),
            None => None,
        };
        let momentum = match self.mode {
            Mode::Calibrate(_, before) => 1.0 / (before + 1) as f64,
            _ => self.network.norm_setting.momentum,
        };
        match &mut self.mode {
            Mode::Evaluate(running) => {
                let running = &running[norm.statistics];
                let y = match conv {
                    Some((Conv { filter: id, window, groups, .. }, values)) => {
                        let packed = self.packed.map(|packed| &packed[id.0]);
                        let filter = Filter { values: &values, packed };
                        D::conv2d_batch_norm_fixed(
                            x, filter, window, *groups, running, &affine, residual,
                        )?
                    }
                    None => D::batch_norm_fixed(x, running, &affine, residual)?,
                };
                Ok(y)
            }
            Mode::Train(running, _) | Mode::Calibrate(running, _) => {
                let flow = std::mem::replace(&mut self.flow, Flow::Through);
                let ghost_batch = self.network.norm_setting.ghost_batch;
                let ranks = self.share.map(|share| &share.ranks);
                if let Some(ranks) = ranks.filter(|ranks| ranks.world_size() > 1) {
                    if let Some(ghost_batch) = ghost_batch {
                        let world_size = ranks.world_size();
                        return Err(Error::SharedGhosts { ghost_batch, world_size });
                    }
                    let (y, statistics, n) = together(conv, x, &affine, residual, ranks)?;
                    self.network.update(running, norm, &statistics, n as usize, momentum)?;
                    return Ok(y);
                }
                let (y, batch_statistics) = match (conv, ghost_batch) {
                    (Some((Conv { window, groups, .. }, filter)), None) => {
                        D::conv2d_batch_norm(x, &filter, window, *groups, flow, &affine, residual)?
                    }
                    (Some((Conv { window, groups, .. }, filter)), Some(images)) => {
                        let x = D::conv2d(x, &filter, window, *groups)?;
                        let ghosts = x.shape().0 / images;
                        D::ghost_batch_norm(x, ghosts, &affine, residual)?
                    }
                    (None, None) => D::batch_norm(x, &affine, residual)?,
                    (None, Some(images)) => {
                        let ghosts = x.shape().0 / images;
                        D::ghost_batch_norm(x, ghosts, &affine, residual)?
                    }
                };
                let (batch, height, width, _) = *y.shape();
                let batch = ghost_batch.unwrap_or(batch);
                let n = batch * height * width;
                self.network.update(running, norm, &batch_statistics, n, momentum)?;
                Ok(y)
            }
        }
    }

    /// `activation(x + shift + residual)`, as a norm whose statistics change nothing.
    fn shift<T: Tape<E, D>>(
        &self,
        shift: Option<&Vector<E, D>>,
        activation: Activation,
        x: FeatureMap<E, D, T>,
        residual: Option<FeatureMap<E, D, T>>,
    ) -> Result<FeatureMap<E, D, T>, Error> {
        let (dev, channels) = (x.device().clone(), x.shape().3);
        let [zeros, ones] = [0.0, 1.0].map(|value| vector(&dev, vec![value; channels]));
        let statistics = BatchStatistics { mean: zeros?, var: ones? };
        let [zero, one] = [0.0, 1.0].map(|value| constant(&dev, value, channels));
        let (zero, one) = (zero?, one?);
        let affine = Affine { scale: &one, shift: shift.unwrap_or(&zero), eps: 0.0, activation };
        Ok(D::batch_norm_fixed(x, &statistics, &affine, residual)?)
    }

    fn parameter(&self, id: ParameterId) -> &'a Vector<E, D> {
        &self.parameters[id.0]
    }
}

/// The value `len` times.
fn constant<E: Dtype, D: Backend<E>>(
    dev: &D,
    value: f32,
    len: usize,
) -> Result<Vector<E, D>, Error> {
    Ok(D::from_f32(vector(dev, vec![value; len])?)?)
}

fn matrix<E: Dtype, D: Backend<E>>(
    dev: &D,
    values: Vec<f32>,
    shape: (usize, usize),
) -> Result<Matrix<E, D>, Error> {
    Ok(D::reshape(D::from_f32(vector(dev, values)?)?, &shape)?)
}

/// Element by element.
fn multiply<E: Dtype, D: Backend<E>, T: Tape<E, D>>(
    x: Matrix<E, D, T>,
    factors: Matrix<E, D>,
) -> Result<Matrix<E, D, T>, Error> {
    let shape = *x.shape();
    let image = D::reshape(x, &(shape.0, 1, 1, shape.1))?;
    let product = D::scale_channels(image, factors.retaped::<T>())?;
    Ok(D::reshape(product, &shape)?)
}

/// A convolution, if there is one, and a norm with the statistics of all ranks.
fn together<E: Dtype, D: Backend<E>, T: Tape<E, D>>(
    conv: Option<(&Conv, FeatureMap<E, D>)>,
    x: FeatureMap<E, D, T>,
    affine: &Affine<'_, E, D>,
    residual: Option<FeatureMap<E, D, T>>,
    ranks: &Arc<dyn Collective>,
) -> Result<Synchronised<E, D, T>, Error> {
    let x = match conv {
        Some((Conv { window, groups, .. }, filter)) => D::conv2d(x, &filter, window, *groups)?,
        None => x,
    };
    Ok(D::sync_batch_norm(x, affine, residual, ranks)?)
}
