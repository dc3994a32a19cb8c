//! The fast form of each operator: `f32` on the CPU, computed by [`trickbag_kernels`].

use dfdx::prelude::*;
use trickbag_kernels as kernels;
use trickbag_kernels::{AvgPool, BatchStats, Linear, MaxPool, NormGradients, Statistics};

use crate::composed::{
    check_channels, check_residual, conv_geometry, dims, image_shape, linear_shape,
};
use crate::{
    Affine, Backend, BatchStatistics, Divisor, Error, FeatureMap, Matrix, Rounding, Vector, Window,
};

impl Backend<f32> for Cpu {
    fn conv2d<T: Tape<f32, Self>>(
        x: FeatureMap<f32, Self, T>,
        filter: &FeatureMap<f32, Self>,
        window: &Window,
        groups: usize,
    ) -> Result<FeatureMap<f32, Self, T>, Error> {
        let conv = conv_geometry(x.shape(), filter.shape(), window, groups)?;
        let (x, tape) = contiguous(x)?.split_tape();
        let (filter, mut tape) = parameter(filter, tape)?;
        let dev = x.device().clone();
        let mut y = vec![0.0; conv.output().len()];
        conv.forward(slice(&x), slice(&filter), &mut y)?;
        let y = tensor(&dev, y, dims(conv.output()))?;
        let y_ghost = y.ghost();
        tape.add_backward_op(move |grads| {
            let dy = take(grads.get_or_alloc_mut(&y_ghost)?);
            let dx = grads.get_or_alloc_mut(&x)?;
            conv.backward_input(&dy, slice(&filter), dx).map_err(checked)?;
            let dfilter = grads.get_or_alloc_mut(&filter)?;
            conv.backward_weight(slice(&x), &dy, dfilter).map_err(checked)
        });
        Ok(y.put_tape(tape))
    }

    fn batch_norm<T: Tape<f32, Self>>(
        x: FeatureMap<f32, Self, T>,
        affine: &Affine<'_, f32, Self>,
        residual: Option<FeatureMap<f32, Self, T>>,
    ) -> Result<(FeatureMap<f32, Self, T>, BatchStatistics<Self>), Error> {
        let (x, tape) = contiguous(x)?.split_tape();
        let channels = x.shape().3;
        let stats = kernels::batch_norm_stats(slice(&x), channels)?;
        let statistics = BatchStatistics {
            mean: tensor(x.device(), stats.mean.clone(), (channels,))?,
            var: tensor(x.device(), stats.var.clone(), (channels,))?,
        };
        let y = normalise(x.put_tape(tape), stats, Statistics::Batch, affine, residual)?;
        Ok((y, statistics))
    }

    fn batch_norm_fixed<T: Tape<f32, Self>>(
        x: FeatureMap<f32, Self, T>,
        statistics: &BatchStatistics<Self>,
        affine: &Affine<'_, f32, Self>,
        residual: Option<FeatureMap<f32, Self, T>>,
    ) -> Result<FeatureMap<f32, Self, T>, Error> {
        check_channels("running mean", &statistics.mean, x.shape().3)?;
        check_channels("running variance", &statistics.var, x.shape().3)?;
        let stats = BatchStats { mean: statistics.mean.as_vec(), var: statistics.var.as_vec() };
        normalise(contiguous(x)?, stats, Statistics::Fixed, affine, residual)
    }

    fn max_pool<T: Tape<f32, Self>>(
        x: FeatureMap<f32, Self, T>,
        window: &Window,
    ) -> Result<FeatureMap<f32, Self, T>, Error> {
        let pool = MaxPool::new(image_shape(x.shape()), *window)?;
        let (x, mut tape) = contiguous(x)?.split_tape();
        let mut y = vec![0.0; pool.output().len()];
        let mut argmax = vec![0; y.len()];
        pool.forward(slice(&x), &mut y, &mut argmax)?;
        let y = tensor(x.device(), y, dims(pool.output()))?;
        let (x_ghost, y_ghost) = (x.ghost(), y.ghost());
        tape.add_backward_op(move |grads| {
            let dy = take(grads.get_or_alloc_mut(&y_ghost)?);
            let dx = grads.get_or_alloc_mut(&x_ghost)?;
            pool.backward(&argmax, &dy, dx).map_err(checked)
        });
        Ok(y.put_tape(tape))
    }

    fn avg_pool<T: Tape<f32, Self>>(
        x: FeatureMap<f32, Self, T>,
        window: &Window,
        rounding: Rounding,
        divisor: Divisor,
    ) -> Result<FeatureMap<f32, Self, T>, Error> {
        let pool = AvgPool::new(image_shape(x.shape()), *window, rounding, divisor)?;
        let (x, mut tape) = contiguous(x)?.split_tape();
        let mut y = vec![0.0; pool.output().len()];
        pool.forward(slice(&x), &mut y)?;
        let y = tensor(x.device(), y, dims(pool.output()))?;
        let (x_ghost, y_ghost) = (x.ghost(), y.ghost());
        tape.add_backward_op(move |grads| {
            let dy = take(grads.get_or_alloc_mut(&y_ghost)?);
            let dx = grads.get_or_alloc_mut(&x_ghost)?;
            pool.backward(&dy, dx).map_err(checked)
        });
        Ok(y.put_tape(tape))
    }

    fn global_avg_pool<T: Tape<f32, Self>>(
        x: FeatureMap<f32, Self, T>,
    ) -> Result<Matrix<f32, Self, T>, Error> {
        let shape = image_shape(x.shape());
        let (x, mut tape) = contiguous(x)?.split_tape();
        let mut y = vec![0.0; shape.batch * shape.channels];
        kernels::global_avg_pool(shape, slice(&x), &mut y)?;
        let y = tensor(x.device(), y, (shape.batch, shape.channels))?;
        let (x_ghost, y_ghost) = (x.ghost(), y.ghost());
        tape.add_backward_op(move |grads| {
            let dy = take(grads.get_or_alloc_mut(&y_ghost)?);
            let dx = grads.get_or_alloc_mut(&x_ghost)?;
            kernels::global_avg_pool_backward(shape, &dy, dx).map_err(checked)
        });
        Ok(y.put_tape(tape))
    }

    fn linear<T: Tape<f32, Self>>(
        x: Matrix<f32, Self, T>,
        weight: &Matrix<f32, Self>,
        bias: &Vector<f32, Self>,
    ) -> Result<Matrix<f32, Self, T>, Error> {
        let shape = linear_shape(x.shape(), weight.shape(), bias.shape())?;
        let linear = Linear::new(shape.0, x.shape().1, shape.1)?;
        let (x, tape) = contiguous(x)?.split_tape();
        let (weight, tape) = parameter(weight, tape)?;
        let (bias, mut tape) = parameter(bias, tape)?;
        let mut y = vec![0.0; shape.0 * shape.1];
        linear.forward(slice(&x), slice(&weight), slice(&bias), &mut y)?;
        let y = tensor(x.device(), y, shape)?;
        let (bias, y_ghost) = (bias.ghost(), y.ghost());
        tape.add_backward_op(move |grads| {
            let dy = take(grads.get_or_alloc_mut(&y_ghost)?);
            let dx = grads.get_or_alloc_mut(&x)?;
            linear.backward_input(&dy, slice(&weight), dx).map_err(checked)?;
            let mut dbias = take(grads.get_or_alloc_mut(&bias)?);
            let dweight = grads.get_or_alloc_mut(&weight)?;
            linear.backward_weight(slice(&x), &dy, dweight, &mut dbias).map_err(checked)?;
            **grads.get_or_alloc_mut(&bias)? = dbias;
            Ok(())
        });
        Ok(y.put_tape(tape))
    }

    fn from_f32<S: Shape>(x: Tensor<S, f32, Self>) -> Result<Tensor<S, f32, Self>, Error> {
        Ok(x)
    }

    fn to_f32<S: Shape>(x: Tensor<S, f32, Self>) -> Result<Tensor<S, f32, Self>, Error> {
        Ok(x)
    }

    fn take_gradient<S: Shape>(
        gradients: &mut Gradients<f32, Self>,
        of: &Tensor<S, f32, Self>,
    ) -> Result<Tensor<S, f32, Self>, Error> {
        let gradient = take(gradients.get_or_alloc_mut(of).map_err(Error::device)?);
        tensor(of.device(), gradient, *of.shape())
    }
}

fn normalise<T: Tape<f32, Cpu>>(
    x: FeatureMap<f32, Cpu, T>,
    stats: BatchStats,
    statistics: Statistics,
    affine: &Affine<'_, f32, Cpu>,
    residual: Option<FeatureMap<f32, Cpu, T>>,
) -> Result<FeatureMap<f32, Cpu, T>, Error> {
    let shape = *x.shape();
    check_channels("norm scale", affine.scale, shape.3)?;
    check_channels("norm shift", affine.shift, shape.3)?;
    check_residual(residual.as_ref().map(|r| r.shape()), &shape)?;
    let (x, mut tape) = x.split_tape();
    let residual = match residual {
        Some(residual) => {
            let (residual, residual_tape) = apart(contiguous(residual)?, &x)?.split_tape();
            tape = tape.merge(residual_tape);
            Some(residual)
        }
        None => None,
    };
    let (scale, tape) = parameter(affine.scale, tape)?;
    let (shift, mut tape) = parameter(affine.shift, tape)?;
    let (eps, activation) = (affine.eps, affine.activation);
    let mut y = vec![0.0; shape.num_elements()];
    let addend = residual.as_ref().map(slice);
    kernels::batch_norm(
        slice(&x),
        &stats,
        slice(&scale),
        slice(&shift),
        eps,
        addend,
        activation,
        &mut y,
    )?;
    let y = tensor(x.device(), y, shape)?;
    let (residual, shift) = (residual.map(|r| r.ghost()), shift.ghost());
    let (saved, y_ghost) = (y.clone(), y.ghost());
    tape.add_backward_op(move |grads| {
        let dy = take(grads.get_or_alloc_mut(&y_ghost)?);
        let mut dx = take(grads.get_or_alloc_mut(&x)?);
        let mut dscale = take(grads.get_or_alloc_mut(&scale)?);
        let mut dshift = take(grads.get_or_alloc_mut(&shift)?);
        let mut dresidual = match &residual {
            Some(residual) => Some(take(grads.get_or_alloc_mut(residual)?)),
            None => None,
        };
        let into = NormGradients {
            x: &mut dx,
            scale: &mut dscale,
            shift: &mut dshift,
            residual: dresidual.as_deref_mut(),
        };
        let (x_values, y_values, scale_values) = (slice(&x), slice(&saved), slice(&scale));
        kernels::batch_norm_backward(
            x_values,
            y_values,
            &stats,
            scale_values,
            eps,
            activation,
            statistics,
            &dy,
            into,
        )
        .map_err(checked)?;
        **grads.get_or_alloc_mut(&x)? = dx;
        **grads.get_or_alloc_mut(&scale)? = dscale;
        **grads.get_or_alloc_mut(&shift)? = dshift;
        if let Some((residual, dresidual)) = residual.as_ref().zip(dresidual) {
            **grads.get_or_alloc_mut(residual)? = dresidual;
        }
        Ok(())
    });
    Ok(y.put_tape(tape))
}

fn contiguous<S: Shape, T: Tape<f32, Cpu>>(
    x: Tensor<S, f32, Cpu, T>,
) -> Result<Tensor<S, f32, Cpu, T>, Error> {
    x.try_contiguous().map_err(Error::device)
}

/// A contiguous parameter; where that is a copy, the tape leads its gradient back.
fn parameter<S: Shape, T: Tape<f32, Cpu>>(
    parameter: &Tensor<S, f32, Cpu>,
    tape: T,
) -> Result<(Tensor<S, f32, Cpu>, T), Error> {
    let (parameter, copied) = contiguous(parameter.retaped::<T>())?.split_tape();
    Ok((parameter, tape.merge(copied)))
}

/// The residual; a copy where it is `x` itself, because the backward pass of batch norm takes the
/// gradients of both out at once.
fn apart<S: Shape, T: Tape<f32, Cpu>>(
    residual: Tensor<S, f32, Cpu, T>,
    x: &Tensor<S, f32, Cpu>,
) -> Result<Tensor<S, f32, Cpu, T>, Error> {
    let same = std::ptr::eq(slice(&residual.retaped::<NoneTape>()), slice(x));
    if same { residual.try_mul(1.0).map_err(Error::device) } else { Ok(residual) }
}

fn tensor<S: Shape>(dev: &Cpu, values: Vec<f32>, shape: S) -> Result<Tensor<S, f32, Cpu>, Error> {
    dev.try_tensor_from_vec(values, shape).map_err(Error::device)
}

/// The values of a contiguous tensor, without a copy.
fn slice<S: Shape>(x: &Tensor<S, f32, Cpu>) -> &[f32] {
    let len = x.shape().num_elements();
    if len == 0 {
        return &[];
    }
    let first: &f32 = &x[S::Concrete::default()];
    let (sizes, strides) = (x.shape().concrete(), x.shape().strides());
    for axis in (0..S::NUM_DIMS).filter(|&axis| sizes[axis] > 1) {
        let mut index = S::Concrete::default();
        index[axis] = 1;
        let offset = (&raw const x[index] as usize).wrapping_sub(&raw const *first as usize);
        assert_eq!(offset, strides[axis] * size_of::<f32>(), "callers make tensors contiguous");
    }
    // SAFETY: indexing a `Cpu` tensor at the origin borrows element 0 of the `Vec<f32>` that the
    // tensor owns through an `Arc`. The loop above checked that the tensor's strides are those of
    // its shape in row-major order (axes of size 1 have no second element to be strided to), so
    // the last index, which is in bounds by dfdx's own invariant, is element `len - 1` of that
    // vector: `len` initialised values follow `first` in one allocation. The result borrows `x`,
    // which keeps the vector alive and, being shared, unmodified.
    unsafe { std::slice::from_raw_parts(first, len) }
}

/// Takes a gradient's buffer out, which frees it early or lets a kernel borrow several at once.
fn take(buffer: &mut <Cpu as Storage<f32>>::Vec) -> Vec<f32> {
    std::mem::take(&mut **buffer)
}

/// Shapes were checked by the forward pass, so a kernel that refuses them found a bug; dfdx's tape
/// has one error type, into which it must fit.
fn checked(_: kernels::Error) -> CpuError {
    CpuError::WrongNumElements
}

#[cfg(test)]
mod tests {
    //! Nothing here calls a kernel, so that Miri can run it:
    //! `MIRIFLAGS=-Zmiri-tree-borrows cargo +nightly miri test -p trickbag-ops --lib`.
    use super::*;

    type Dims = (usize, usize, usize, usize);

    fn counted(shape: Dims) -> FeatureMap<f32, Cpu> {
        Cpu::default().tensor_from_vec(count(shape), shape)
    }

    fn count(shape: Dims) -> Vec<f32> {
        (0..shape.num_elements()).map(|i| i as f32).collect()
    }

    #[test]
    fn a_slice_has_all_values_of_a_contiguous_tensor() {
        for shape in [(2, 3, 4, 5), (1, 3, 1, 2), (4, 1, 1, 1), (1, 1, 1, 1), (2, 0, 3, 1)] {
            let x = counted(shape);
            let shared = x.clone().reshape_like(&(shape.num_elements(),));
            assert_eq!(slice(&x), count(shape), "{shape:?}");
            assert_eq!(slice(&shared), slice(&x), "{shape:?}");
        }
    }

    #[test]
    #[should_panic(expected = "callers make tensors contiguous")]
    fn a_permuted_tensor_has_no_slice() {
        slice(&counted((2, 3, 4, 5)).permute::<Dims, Axes4<0, 2, 1, 3>>());
    }

    #[test]
    #[should_panic(expected = "callers make tensors contiguous")]
    fn a_broadcast_tensor_has_no_slice() {
        let row: Vector<f32, Cpu> = Cpu::default().ones_like(&(5,));
        slice(&row.broadcast_like::<Dims, Axes3<0, 1, 2>>(&(2, 3, 4, 5)));
    }
}
