//! The ways in which a test runs an operator: both forms on the CPU, and at every other place.
#![allow(dead_code, unreachable_pub)] // each test uses a part of it

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use trickbag_ops::{
    Activation, Affine, Backend, BatchStatistics, Divisor, Error, FeatureMap, Matrix, Normalised,
    Pointwise, Rounding, Vector, Window, composed,
};

use crate::device::{Operator, Output, Place, bridged, to};
use crate::form::{Dims, FORMS, Form};
use crate::golden::{close, near};

type OnTape<S> = Tensor<S, f32, Cpu, OwnedTape<f32, Cpu>>;
/// An output, and values beside it.
type Found<S> = (OnTape<S>, Vec<Vector<f32, Cpu>>);
type Map = FeatureMap<f32, Cpu>;
type Beside = Option<OnTape<Dims>>;

/// A form on the CPU, or the device's own way at a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way {
    Form(Form),
    At(Place),
}

pub fn ways() -> Vec<Way> {
    FORMS.into_iter().map(Way::Form).chain(Place::composed().into_iter().map(Way::At)).collect()
}

impl Way {
    pub fn is_half(self) -> bool {
        matches!(self, Self::At(place) if place.is_half())
    }

    /// Holds values against expected ones; with 11 bits, those of both together.
    pub fn check(self, name: &str, found: &[f32], expected: &[f64], tolerance: f64) {
        let name = format!("{name}, {self:?}");
        match self.is_half() {
            true => near(&name, found, expected, 0.01),
            false => close(&name, found, expected, tolerance),
        }
    }

    pub fn conv2d(
        self,
        x: OnTape<Dims>,
        filter: &Map,
        window: &Window,
        groups: usize,
    ) -> Result<OnTape<Dims>, Error> {
        let place = match self {
            Self::Form(Form::Fast) => return Backend::conv2d(x, filter, window, groups),
            Self::Form(Form::Composed) => return composed::conv2d(x, filter, window, groups),
            Self::At(place) => place,
        };
        // For the shape, and what cannot be.
        let y = *composed::conv2d(x.retaped::<NoneTape>(), filter, window, groups)?.shape();
        let operator = Op::Conv(*x.shape(), *filter.shape(), *window, groups);
        Ok(there(place, operator, vec![flat(x), leaf(filter)], &y)?.0)
    }

    pub fn batch_norm(
        self,
        x: OnTape<Dims>,
        affine: &Affine<'_, f32, Cpu>,
        residual: Beside,
    ) -> Result<Normalised<f32, Cpu, OwnedTape<f32, Cpu>>, Error> {
        self.ghost_batch_norm(x, 1, affine, residual)
    }

    pub fn ghost_batch_norm(
        self,
        x: OnTape<Dims>,
        ghosts: usize,
        affine: &Affine<'_, f32, Cpu>,
        residual: Beside,
    ) -> Result<Normalised<f32, Cpu, OwnedTape<f32, Cpu>>, Error> {
        let place = match self {
            Self::Form(Form::Fast) => {
                return Backend::ghost_batch_norm(x, ghosts, affine, residual);
            }
            Self::Form(Form::Composed) => {
                return composed::ghost_batch_norm(x, ghosts, affine, residual);
            }
            Self::At(place) => place,
        };
        let shape = *x.shape();
        let operator = Op::Norm(shape, ghosts, affine.eps, affine.activation);
        let (y, statistics) = there(place, operator, norm_inputs(x, affine, residual), &shape)?;
        let [mean, var] = [0, 1].map(|i| statistics[i].clone());
        Ok((y, BatchStatistics { mean, var }))
    }

    pub fn batch_norm_fixed(
        self,
        x: OnTape<Dims>,
        running: &BatchStatistics<Cpu>,
        affine: &Affine<'_, f32, Cpu>,
        residual: Beside,
    ) -> Result<OnTape<Dims>, Error> {
        let place = match self {
            Self::Form(Form::Fast) => {
                return Backend::batch_norm_fixed(x, running, affine, residual);
            }
            Self::Form(Form::Composed) => {
                return composed::batch_norm_fixed(x, running, affine, residual);
            }
            Self::At(place) => place,
        };
        let shape = *x.shape();
        let running = [running.mean.as_vec(), running.var.as_vec()];
        let operator = Op::FixedNorm(shape, running, affine.eps, affine.activation);
        Ok(there(place, operator, norm_inputs(x, affine, residual), &shape)?.0)
    }

    pub fn max_pool(self, x: OnTape<Dims>, window: &Window) -> Result<OnTape<Dims>, Error> {
        let place = match self {
            Self::Form(Form::Fast) => return Backend::max_pool(x, window),
            Self::Form(Form::Composed) => return composed::max_pool(x, window),
            Self::At(place) => place,
        };
        let y = *composed::max_pool(x.retaped::<NoneTape>(), window)?.shape();
        let operator = Op::MaxPool(*x.shape(), *window);
        Ok(there(place, operator, vec![flat(x)], &y)?.0)
    }

    pub fn avg_pool(
        self,
        x: OnTape<Dims>,
        window: &Window,
        rounding: Rounding,
        divisor: Divisor,
    ) -> Result<OnTape<Dims>, Error> {
        let place = match self {
            Self::Form(Form::Fast) => return Backend::avg_pool(x, window, rounding, divisor),
            Self::Form(Form::Composed) => return composed::avg_pool(x, window, rounding, divisor),
            Self::At(place) => place,
        };
        let y = composed::avg_pool(x.retaped::<NoneTape>(), window, rounding, divisor)?;
        let operator = Op::AvgPool(*x.shape(), *window, rounding, divisor);
        Ok(there(place, operator, vec![flat(x)], y.shape())?.0)
    }

    pub fn global_avg_pool(self, x: OnTape<Dims>) -> Result<OnTape<(usize, usize)>, Error> {
        let place = match self {
            Self::Form(Form::Fast) => return Backend::global_avg_pool(x),
            Self::Form(Form::Composed) => return composed::global_avg_pool(x),
            Self::At(place) => place,
        };
        let shape = *x.shape();
        let operator = Op::GlobalAvgPool(shape);
        Ok(there(place, operator, vec![flat(x)], &(shape.0, shape.3))?.0)
    }

    pub fn linear(
        self,
        x: OnTape<(usize, usize)>,
        weight: &Matrix<f32, Cpu>,
        bias: &Vector<f32, Cpu>,
    ) -> Result<OnTape<(usize, usize)>, Error> {
        let place = match self {
            Self::Form(Form::Fast) => return Backend::linear(x, weight, bias),
            Self::Form(Form::Composed) => return composed::linear(x, weight, bias),
            Self::At(place) => place,
        };
        let (x_shape, weight_shape) = (*x.shape(), *weight.shape());
        let operator = Op::Linear(x_shape, weight_shape);
        let inputs = vec![flat(x), leaf(weight), leaf(bias)];
        Ok(there(place, operator, inputs, &(x_shape.0, weight_shape.1))?.0)
    }

    pub fn blur_pool(self, x: OnTape<Dims>) -> Result<OnTape<Dims>, Error> {
        let place = match self {
            Self::Form(Form::Fast) => return Backend::blur_pool(x),
            Self::Form(Form::Composed) => return composed::blur_pool(x),
            Self::At(place) => place,
        };
        let y = *composed::blur_pool(x.retaped::<NoneTape>())?.shape();
        let operator = Op::Blur(*x.shape());
        Ok(there(place, operator, vec![flat(x)], &y)?.0)
    }

    pub fn pointwise(self, x: OnTape<Dims>, function: Pointwise) -> Result<OnTape<Dims>, Error> {
        let place = match self {
            Self::Form(Form::Fast) => return Backend::pointwise(x, function),
            Self::Form(Form::Composed) => return composed::pointwise(x, function),
            Self::At(place) => place,
        };
        let shape = *x.shape();
        Ok(there(place, Op::Pointwise(function), vec![flat(x)], &shape)?.0)
    }

    pub fn scale_channels(
        self,
        x: OnTape<Dims>,
        factors: OnTape<(usize, usize)>,
    ) -> Result<OnTape<Dims>, Error> {
        let place = match self {
            Self::Form(Form::Fast) => return Backend::scale_channels(x, factors),
            Self::Form(Form::Composed) => return composed::scale_channels(x, factors),
            Self::At(place) => place,
        };
        let shape = *x.shape();
        Ok(there(place, Op::Scale(shape), vec![flat(x), flat(factors)], &shape)?.0)
    }

    pub fn concat_channels(self, parts: Vec<OnTape<Dims>>) -> Result<OnTape<Dims>, Error> {
        let place = match self {
            Self::Form(Form::Fast) => return Backend::concat_channels(parts),
            Self::Form(Form::Composed) => return composed::concat_channels(parts),
            Self::At(place) => place,
        };
        let shapes: Vec<Dims> = parts.iter().map(|part| *part.shape()).collect();
        let (batch, height, width, _) = shapes[0];
        let y = (batch, height, width, shapes.iter().map(|shape| shape.3).sum());
        let inputs = parts.into_iter().map(flat).collect();
        Ok(there(place, Op::Concat(shapes), inputs, &y)?.0)
    }
}

/// An operator and the shapes of its operands.
#[derive(Debug, Clone)]
enum Op {
    Conv(Dims, Dims, Window, usize),
    Norm(Dims, usize, f32, Activation),
    FixedNorm(Dims, [Vec<f32>; 2], f32, Activation),
    MaxPool(Dims, Window),
    AvgPool(Dims, Window, Rounding, Divisor),
    GlobalAvgPool(Dims),
    Linear((usize, usize), (usize, usize)),
    Blur(Dims),
    Pointwise(Pointwise),
    Scale(Dims),
    Concat(Vec<Dims>),
}

impl Operator for Op {
    fn apply<E: Dtype, D: Backend<E>>(
        &self,
        inputs: Vec<Vector<E, D, OwnedTape<E, D>>>,
    ) -> Result<Output<E, D>, Error> {
        let leafs: Vec<Vector<E, D>> = inputs.iter().map(|input| input.retaped()).collect();
        let mut inputs = inputs.into_iter();
        let Some(x) = inputs.next() else { unreachable!("every operator has an input") };
        let dev = x.device().clone();
        let y = match self {
            Self::Conv(shape, filter, window, groups) => {
                let filter = D::reshape(leafs[1].clone(), filter)?;
                one(D::conv2d(D::reshape(x, shape)?, &filter, window, *groups)?)
            }
            Self::Norm(shape, ghosts, eps, activation) => {
                let affine = affine(&leafs, *eps, *activation);
                let residual = inputs.nth(2).map(|r| D::reshape(r, shape)).transpose()?;
                let x = D::reshape(x, shape)?;
                let (y, BatchStatistics { mean, var }) =
                    D::ghost_batch_norm(x, *ghosts, &affine, residual)?;
                return Ok((one(y)?, vec![mean, var]));
            }
            Self::FixedNorm(shape, running, eps, activation) => {
                let affine = affine(&leafs, *eps, *activation);
                let residual = inputs.nth(2).map(|r| D::reshape(r, shape)).transpose()?;
                let [mean, var] = running.clone().map(|values| to(&dev, values));
                let statistics = BatchStatistics { mean, var };
                one(D::batch_norm_fixed(D::reshape(x, shape)?, &statistics, &affine, residual)?)
            }
            Self::MaxPool(shape, window) => one(D::max_pool(D::reshape(x, shape)?, window)?),
            Self::AvgPool(shape, window, rounding, divisor) => {
                one(D::avg_pool(D::reshape(x, shape)?, window, *rounding, *divisor)?)
            }
            Self::GlobalAvgPool(shape) => one(D::global_avg_pool(D::reshape(x, shape)?)?),
            Self::Linear(shape, weight) => {
                let weight = D::reshape(leafs[1].clone(), weight)?;
                one(D::linear(D::reshape(x, shape)?, &weight, &leafs[2])?)
            }
            Self::Blur(shape) => one(D::blur_pool(D::reshape(x, shape)?)?),
            Self::Pointwise(function) => D::pointwise(x, *function),
            Self::Scale(shape) => {
                let factors = inputs.next().map(|f| D::reshape(f, &(shape.0, shape.3)));
                let Some(factors) = factors else { unreachable!("factors are an input") };
                one(D::scale_channels(D::reshape(x, shape)?, factors?)?)
            }
            Self::Concat(shapes) => {
                let parts = std::iter::once(x).chain(inputs).zip(shapes);
                let parts = parts.map(|(part, shape)| D::reshape(part, shape));
                one(D::concat_channels(parts.collect::<Result<_, _>>()?)?)
            }
        };
        Ok((y?, vec![]))
    }
}

fn affine<E: Dtype, D: Storage<E>>(
    leafs: &[Vector<E, D>],
    eps: f32,
    activation: Activation,
) -> Affine<'_, E, D> {
    Affine { scale: &leafs[1], shift: &leafs[2], eps, activation }
}

fn one<S: Shape, E: Dtype, D: Backend<E>>(
    y: Tensor<S, E, D, OwnedTape<E, D>>,
) -> Result<Vector<E, D, OwnedTape<E, D>>, Error> {
    let len = y.shape().num_elements();
    D::reshape(y, &(len,))
}

fn norm_inputs(
    x: OnTape<Dims>,
    affine: &Affine<'_, f32, Cpu>,
    residual: Beside,
) -> Vec<OnTape<(usize,)>> {
    let mut inputs = vec![flat(x), leaf(affine.scale), leaf(affine.shift)];
    inputs.extend(residual.map(flat));
    inputs
}

fn there<S: Shape>(
    place: Place,
    operator: Op,
    inputs: Vec<OnTape<(usize,)>>,
    y: &S,
) -> Result<Found<S>, Error> {
    let (found, beside) = bridged(place, operator, inputs)?;
    Ok((found.reshape_like(y), beside))
}

fn flat<S: Shape>(x: OnTape<S>) -> OnTape<(usize,)> {
    let len = x.shape().num_elements();
    x.reshape_like(&(len,))
}

fn leaf<S: Shape>(x: &Tensor<S, f32, Cpu>) -> OnTape<(usize,)> {
    flat(x.leaky_trace())
}
