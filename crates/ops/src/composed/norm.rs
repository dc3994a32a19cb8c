//! The composed forms of batch norm.

use std::sync::Arc;

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use trickbag_collective::Collective;
use trickbag_kernels::{Activation, BatchStats};

use super::recompute::{Again, Traced, add_to_gradient, computed, flat};
use super::{Dims, check_channels, check_ghosts, check_residual, flatten};
use crate::joint::Joint;
use crate::{
    Affine, BatchStatistics, Error, FeatureMap, Matrix, Normalised, Synchronised, Vector, Widen,
};

/// What a batch norm is beside its numbers.
#[derive(Debug, Clone, Copy)]
struct Norm {
    shape: Dims,
    /// Equal parts of the batch.
    ghosts: usize,
    eps: f32,
    activation: Activation,
}

/// The numbers that a norm multiplies with and adds.
struct Operands<'a, E: Dtype, D: Storage<E>, T> {
    scale: &'a Vector<E, D>,
    shift: &'a Vector<E, D>,
    residual: Option<FeatureMap<E, D, T>>,
}

/// What is normalised and the operands, flat, and the tape of all of them.
type Inputs<E, D, T> = (Vec<Vector<E, D>>, T);

/// The same, not flat, on a tape of their own.
type OnTape<'a, E, D> = (Traced<Dims, E, D>, Operands<'a, E, D, OwnedTape<E, D>>);

/// Equal parts of a batch, each of them pixels by channels.
type Parts<E, D, T = NoneTape> = Tensor<(usize, usize, usize), E, D, T>;

/// The pixels of each part about their mean, the mean, and the variance.
type Moments<E, D, T> = (Parts<E, D, T>, Matrix<E, D>, Matrix<E, D, T>);

/// See [`Backend::batch_norm`](crate::Backend::batch_norm).
pub fn batch_norm<E: Dtype, D: Device<E> + Device<f32>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    affine: &Affine<'_, E, D>,
    residual: Option<FeatureMap<E, D, T>>,
) -> Result<Normalised<E, D, T>, Error> {
    ghost_batch_norm(x, 1, affine, residual)
}

/// See [`Backend::ghost_batch_norm`](crate::Backend::ghost_batch_norm).
pub fn ghost_batch_norm<E: Dtype, D: Device<E> + Device<f32>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    ghosts: usize,
    affine: &Affine<'_, E, D>,
    residual: Option<FeatureMap<E, D, T>>,
) -> Result<Normalised<E, D, T>, Error> {
    let norm = Norm::new(&x, ghosts, affine, residual.as_ref())?;
    let operands = Operands { scale: affine.scale, shift: affine.shift, residual };
    norm.of_batch(x, operands).map_err(Error::device)
}

/// See [`Backend::batch_norm_fixed`](crate::Backend::batch_norm_fixed).
pub fn batch_norm_fixed<E: Dtype, D: Device<E> + Device<f32>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    statistics: &BatchStatistics<D>,
    affine: &Affine<'_, E, D>,
    residual: Option<FeatureMap<E, D, T>>,
) -> Result<FeatureMap<E, D, T>, Error> {
    let norm = Norm::fixed(&x, statistics, affine, residual.as_ref())?;
    let operands = Operands { scale: affine.scale, shift: affine.shift, residual };
    norm.with(x, statistics, operands).map_err(Error::device)
}

/// [`ghost_batch_norm`] that keeps nothing for the way back, and computes in `f32` at least.
pub(super) fn lean<E: Dtype, D: Widen<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    ghosts: usize,
    affine: &Affine<'_, E, D>,
    residual: Option<FeatureMap<E, D, T>>,
) -> Result<Normalised<E, D, T>, Error> {
    let norm = Norm::new(&x, ghosts, affine, residual.as_ref())?;
    let run = || {
        let (inputs, tape) = inputs(x, affine, residual)?;
        computed(inputs, tape, move |i| norm.of_batch_again(i), move |i| norm.of_batch_again(i))
    };
    run().map_err(Error::device)
}

/// See [`Backend::sync_batch_norm`](crate::Backend::sync_batch_norm). It keeps nothing for the way
/// back either. Statistics are `f32`.
pub(super) fn lean_sync<E: Dtype, D: Widen<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    affine: &Affine<'_, E, D>,
    residual: Option<FeatureMap<E, D, T>>,
    ranks: &Arc<dyn Collective>,
) -> Result<Synchronised<E, D, T>, Error> {
    let norm = Norm::new(&x, 1, affine, residual.as_ref())?;
    let (pixels, own) = (norm.parts().1, norm.own_stats(&x).map_err(Error::device)?);
    let joint = Joint::new(&own, pixels, ranks)?;
    let statistics = BatchStatistics::on(x.device(), &joint.stats)?;
    let run = || -> Result<_, D::Err> {
        let shared = Shared { norm, joint: joint.clone(), statistics: statistics.clone() };
        let again = shared.clone();
        let (inputs, tape) = inputs(x, affine, residual)?;
        let (y, ()) = computed(inputs, tape, move |i| shared.of(i), move |i| again.of(i))?;
        Ok((y, statistics, joint.pixels))
    };
    run().map_err(Error::device)
}

/// [`batch_norm_fixed`] that keeps nothing for the way back, and computes in `f32` at least.
pub(super) fn lean_fixed<E: Dtype, D: Widen<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    statistics: &BatchStatistics<D>,
    affine: &Affine<'_, E, D>,
    residual: Option<FeatureMap<E, D, T>>,
) -> Result<FeatureMap<E, D, T>, Error> {
    let norm = Norm::fixed(&x, statistics, affine, residual.as_ref())?;
    let [statistics, again] = [statistics.clone(), statistics.clone()];
    let run = || {
        let (inputs, tape) = inputs(x, affine, residual)?;
        let narrow = move |i: &[Vector<E, D>]| norm.with_again(i, &statistics);
        computed(inputs, tape, narrow, move |i| norm.with_again(i, &again))
    };
    run().map(|(y, ())| y).map_err(Error::device)
}

fn inputs<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    affine: &Affine<'_, E, D>,
    residual: Option<FeatureMap<E, D, T>>,
) -> Result<Inputs<E, D, T>, D::Err> {
    let (x, mut tape) = flat(x)?;
    let mut inputs = vec![x];
    for vector in [affine.scale, affine.shift] {
        let (vector, beside) = flat(vector.retaped::<T>())?;
        inputs.push(vector);
        tape = tape.merge(beside);
    }
    if let Some(residual) = residual {
        let (residual, beside) = flat(residual)?;
        inputs.push(residual);
        tape = tape.merge(beside);
    }
    Ok((inputs, tape))
}

/// A norm with the statistics of all ranks.
#[derive(Clone)]
struct Shared<D: Device<f32>> {
    norm: Norm,
    joint: Joint,
    statistics: BatchStatistics<D>,
}

impl<D: Device<f32>> Shared<D> {
    /// The norm with these statistics as constants, and on the way back what flows through them. The
    /// sums that it takes are the gradients of copies of scale and shift, which nothing else has.
    fn of<E: Dtype>(&self, inputs: &[Vector<E, D>]) -> Again<Dims, (), E, D>
    where
        D: Device<E>,
    {
        let (x, operands) = self.norm.operands(inputs)?;
        let (x, tape) = x.split_tape();
        let (scale, beside) = operands.scale.leaky_trace().try_add(E::default())?.split_tape();
        let tape = tape.merge(beside);
        let (shift, beside) = operands.shift.leaky_trace().try_add(E::default())?.split_tape();
        let mut tape = tape.merge(beside);
        let (shared, flat) = (self.clone(), inputs[0].clone());
        let of_norm = [scale.clone(), shift.clone()];
        tape.add_backward_op(move |gradients| {
            let term = shared.feedback(&flat, of_norm, gradients)?;
            add_to_gradient(gradients, &flat, term)
        });
        let operands = Operands { scale: &scale, shift: &shift, ..operands };
        Ok((self.norm.with(x.put_tape(tape), &self.statistics, operands)?, ()))
    }

    /// What flows back to `x` through the statistics.
    fn feedback<E: Dtype>(
        &self,
        x: &Vector<E, D>,
        [scale, shift]: [Vector<E, D>; 2],
        gradients: &mut Gradients<E, D>,
    ) -> Result<Vector<E, D>, D::Err>
    where
        D: Device<E>,
    {
        let mut sums = |of: &Vector<E, D>| -> Result<Vec<f32>, D::Err> {
            gradients.try_alloc_for(of)?;
            numbers(gradients.get(of))
        };
        let (dscale, dshift) = (sums(&scale)?, sums(&shift)?);
        let scale = numbers(scale)?;
        let [factor, offset] = self.joint.feedback(&scale, self.norm.eps, &dscale, &dshift);
        let factor = vector(x.device(), factor)?.try_to_dtype()?;
        let offset = vector(x.device(), offset)?.try_to_dtype()?;
        let operands = Operands { scale: &factor, shift: &offset, residual: None };
        let norm = Norm { activation: Activation::Identity, ..self.norm };
        let x = x.clone().try_reshape_like(&norm.shape)?;
        Ok(flat(norm.with(x, &self.statistics, operands)?)?.0)
    }
}

fn numbers<E: Dtype, D: Device<E> + Device<f32>>(x: Vector<E, D>) -> Result<Vec<f32>, D::Err> {
    Ok(x.try_to_dtype::<f32>()?.as_vec())
}

fn vector<D: Device<f32>>(dev: &D, values: Vec<f32>) -> Result<Vector<f32, D>, D::Err> {
    let shape = (values.len(),);
    dev.try_tensor_from_vec(values, shape)
}

impl Norm {
    fn new<E: Dtype, D: Device<f32> + Storage<E>, T>(
        x: &FeatureMap<E, D, T>,
        ghosts: usize,
        affine: &Affine<'_, E, D>,
        residual: Option<&FeatureMap<E, D, T>>,
    ) -> Result<Self, Error> {
        let shape = *x.shape();
        check_ghosts(shape.0, ghosts)?;
        check_channels("norm scale", affine.scale, shape.3)?;
        check_channels("norm shift", affine.shift, shape.3)?;
        check_residual(residual.map(|r| r.shape()), &shape)?;
        Ok(Self { shape, ghosts, eps: affine.eps, activation: affine.activation })
    }

    fn fixed<E: Dtype, D: Device<f32> + Storage<E>, T>(
        x: &FeatureMap<E, D, T>,
        statistics: &BatchStatistics<D>,
        affine: &Affine<'_, E, D>,
        residual: Option<&FeatureMap<E, D, T>>,
    ) -> Result<Self, Error> {
        check_channels("running mean", &statistics.mean, x.shape().3)?;
        check_channels("running variance", &statistics.var, x.shape().3)?;
        Self::new(x, 1, affine, residual)
    }

    fn of_batch_again<E: Dtype, D: Device<E> + Device<f32>>(
        self,
        inputs: &[Vector<E, D>],
    ) -> Again<Dims, BatchStatistics<D>, E, D> {
        let (x, operands) = self.operands(inputs)?;
        self.of_batch(x, operands)
    }

    fn with_again<E: Dtype, D: Device<E> + Device<f32>>(
        self,
        inputs: &[Vector<E, D>],
        statistics: &BatchStatistics<D>,
    ) -> Again<Dims, (), E, D> {
        let (x, operands) = self.operands(inputs)?;
        Ok((self.with(x, statistics, operands)?, ()))
    }

    /// What [`inputs`] gave, on a tape.
    fn operands<'a, E: Dtype, D: Device<E>>(
        self,
        inputs: &'a [Vector<E, D>],
    ) -> Result<OnTape<'a, E, D>, D::Err> {
        let map = |vector: &Vector<E, D>| vector.leaky_trace().try_reshape_like(&self.shape);
        let residual = inputs.get(3).map(map).transpose()?;
        Ok((map(&inputs[0])?, Operands { scale: &inputs[1], shift: &inputs[2], residual }))
    }

    fn of_batch<E: Dtype, D: Device<E> + Device<f32>, T: Tape<E, D>>(
        self,
        x: FeatureMap<E, D, T>,
        operands: Operands<'_, E, D, T>,
    ) -> Result<Normalised<E, D, T>, D::Err> {
        let (centred, mean_value, var) = self.moments(x)?;
        let of_batch = |of_parts: Matrix<E, D>| -> Result<Vector<f32, D>, D::Err> {
            let of_batch: Vector<E, D> = of_parts.try_mean::<_, Axis<0>>()?;
            of_batch.try_to_dtype()
        };
        let (mean, var_value) = (of_batch(mean_value)?, of_batch(var.retaped::<NoneTape>())?);
        let statistics = BatchStatistics { mean, var: var_value };
        Ok((self.finish(centred, var, operands)?, statistics))
    }

    /// The pixels of each part about their mean, the mean, and the variance.
    fn moments<E: Dtype, D: Device<E>, T: Tape<E, D>>(
        self,
        x: FeatureMap<E, D, T>,
    ) -> Result<Moments<E, D, T>, D::Err> {
        let parts = self.parts();
        let rows: Parts<E, D, T> = x.try_reshape_like(&parts)?;
        let mean: Matrix<E, D, T> = rows.retaped::<T>().try_mean::<_, Axis<1>>()?;
        let mean_value = mean.retaped::<NoneTape>();
        let centred = rows.try_sub(mean.try_broadcast_like::<_, Axis<1>>(&parts)?)?;
        let var = centred.retaped::<T>().try_square()?.try_mean::<_, Axis<1>>()?;
        Ok((centred, mean_value, var))
    }

    /// The statistics of the pixels that are here.
    fn own_stats<E: Dtype, D: Device<E> + Device<f32>, T: Tape<E, D>>(
        self,
        x: &FeatureMap<E, D, T>,
    ) -> Result<BatchStats, D::Err> {
        let x: FeatureMap<f32, D> = x.retaped::<NoneTape>().try_to_dtype()?;
        let (_, mean, var) = self.moments(x)?;
        Ok(BatchStats { mean: mean.as_vec(), var: var.as_vec() })
    }

    fn with<E: Dtype, D: Device<E> + Device<f32>, T: Tape<E, D>>(
        self,
        x: FeatureMap<E, D, T>,
        statistics: &BatchStatistics<D>,
        operands: Operands<'_, E, D, T>,
    ) -> Result<FeatureMap<E, D, T>, D::Err> {
        let mean: Vector<E, D> = statistics.mean.clone().try_to_dtype()?;
        let var: Vector<E, D> = statistics.var.clone().try_to_dtype()?;
        let centred = flatten(x)?.try_sub(self.over_rows(mean.retaped::<T>())?)?;
        let centred = centred.try_reshape_like(&self.parts())?;
        let var = var.retaped::<T>().try_reshape_like(&(1, self.shape.3))?;
        self.finish(centred, var, operands)
    }

    /// `centred / sqrt(var + eps) * scale + shift`, part by part, then the residual and the
    /// activation.
    fn finish<E: Dtype, D: Device<E>, T: Tape<E, D>>(
        self,
        centred: Parts<E, D, T>,
        var: Matrix<E, D, T>,
        Operands { scale, shift, residual }: Operands<'_, E, D, T>,
    ) -> Result<FeatureMap<E, D, T>, D::Err> {
        let (parts, channels) = (self.parts(), *var.shape());
        let deviation = var.try_add(E::from_f32(self.eps).unwrap_or_default())?.try_sqrt()?;
        let scale = scale.retaped::<T>().try_broadcast_like::<_, Axis<0>>(&channels)?;
        let factor = scale.try_div(deviation)?.try_broadcast_like::<_, Axis<1>>(&parts)?;
        let rows = centred.try_mul(factor)?.try_reshape_like(&(parts.0 * parts.1, parts.2))?;
        let y = rows.try_add(self.over_rows(shift.retaped::<T>())?)?;
        let mut y = y.try_reshape_like(&self.shape)?;
        if let Some(residual) = residual {
            y = y.try_add(residual)?;
        }
        match self.activation {
            Activation::Identity => Ok(y),
            Activation::Relu => y.try_relu(),
        }
    }

    fn parts(self) -> (usize, usize, usize) {
        let (batch, height, width, channels) = self.shape;
        (self.ghosts, batch / self.ghosts * height * width, channels)
    }

    fn over_rows<E: Dtype, D: Device<E>, T: Tape<E, D>>(
        self,
        vector: Vector<E, D, T>,
    ) -> Result<Matrix<E, D, T>, D::Err> {
        let (batch, height, width, channels) = self.shape;
        vector.try_broadcast_like::<_, Axis<0>>(&(batch * height * width, channels))
    }
}
