//! The widened form of each operator: [`Bf16`] on the CPU, computed by the `f32` form.
//!
//! Operands are widened, which is exact, and results are rounded once, so sums and statistics are
//! `f32`. The backward pass does the same with the gradients.

use dfdx::prelude::*;

use crate::tensors::check_gradient;
use crate::{
    Affine, Backend, BatchStatistics, Bf16, Divisor, Error, FeatureMap, Matrix, Rounding, Tensors,
    Vector, Window,
};

impl Tensors<Bf16> for Cpu {
    fn reshape<From: Shape, To: Shape, T: Tape<Bf16, Self>>(
        x: Tensor<From, Bf16, Self, T>,
        shape: &To,
    ) -> Result<Tensor<To, Bf16, Self, T>, Error> {
        x.try_reshape_like(shape).map_err(Error::device)
    }

    fn scalar<S: Shape, T: Tape<Bf16, Self>>(
        x: Tensor<S, Bf16, Self, T>,
        value: f32,
        gradient: Tensor<S, f32, Self>,
    ) -> Result<Tensor<(), Bf16, Self, T>, Error> {
        check_gradient(gradient.shape(), x.shape())?;
        let (x, mut tape) = x.try_contiguous().map_err(Error::device)?.split_tape();
        let y = x.device().try_tensor_from_vec(vec![Bf16::from_f32(value)], ());
        let y = y.map_err(Error::device)?;
        let (x_ghost, y_ghost) = (x.ghost(), y.ghost());
        tape.add_backward_op(move |grads| {
            let dy = grads.get_or_alloc_mut(&y_ghost)?[0].to_f32();
            let dx = gradient.as_vec().into_iter().map(|g| g * dy);
            accumulate(grads.get_or_alloc_mut(&x_ghost)?, dx);
            Ok(())
        });
        Ok(y.put_tape(tape))
    }

    fn backward(
        loss: Tensor<(), Bf16, Self, OwnedTape<Bf16, Self>>,
    ) -> Result<Gradients<Bf16, Self>, Error> {
        loss.try_backward().map_err(Error::device)
    }
}

impl Backend<Bf16> for Cpu {
    fn conv2d<T: Tape<Bf16, Self>>(
        x: FeatureMap<Bf16, Self, T>,
        filter: &FeatureMap<Bf16, Self>,
        window: &Window,
        groups: usize,
    ) -> Result<FeatureMap<Bf16, Self, T>, Error> {
        let (x, x_back, tape) = widen(x)?;
        let (filter, filter_back) = widen_parameter(filter)?;
        narrow(Backend::conv2d(x, &filter, window, groups)?, tape, vec![x_back, filter_back])
    }

    fn batch_norm<T: Tape<Bf16, Self>>(
        x: FeatureMap<Bf16, Self, T>,
        affine: &Affine<'_, Bf16, Self>,
        residual: Option<FeatureMap<Bf16, Self, T>>,
    ) -> Result<(FeatureMap<Bf16, Self, T>, BatchStatistics<Self>), Error> {
        normalise(x, affine, residual, <Self as Backend<f32>>::batch_norm)
    }

    fn batch_norm_fixed<T: Tape<Bf16, Self>>(
        x: FeatureMap<Bf16, Self, T>,
        statistics: &BatchStatistics<Self>,
        affine: &Affine<'_, Bf16, Self>,
        residual: Option<FeatureMap<Bf16, Self, T>>,
    ) -> Result<FeatureMap<Bf16, Self, T>, Error> {
        let fixed = |x, affine: &Affine<'_, f32, Self>, residual| {
            let y = <Self as Backend<f32>>::batch_norm_fixed(x, statistics, affine, residual)?;
            Ok((y, ()))
        };
        normalise(x, affine, residual, fixed).map(|(y, ())| y)
    }

    fn max_pool<T: Tape<Bf16, Self>>(
        x: FeatureMap<Bf16, Self, T>,
        window: &Window,
    ) -> Result<FeatureMap<Bf16, Self, T>, Error> {
        let (x, way_back, tape) = widen(x)?;
        narrow(Backend::max_pool(x, window)?, tape, vec![way_back])
    }

    fn avg_pool<T: Tape<Bf16, Self>>(
        x: FeatureMap<Bf16, Self, T>,
        window: &Window,
        rounding: Rounding,
        divisor: Divisor,
    ) -> Result<FeatureMap<Bf16, Self, T>, Error> {
        let (x, way_back, tape) = widen(x)?;
        narrow(Backend::avg_pool(x, window, rounding, divisor)?, tape, vec![way_back])
    }

    fn global_avg_pool<T: Tape<Bf16, Self>>(
        x: FeatureMap<Bf16, Self, T>,
    ) -> Result<Matrix<Bf16, Self, T>, Error> {
        let (x, way_back, tape) = widen(x)?;
        narrow(Backend::global_avg_pool(x)?, tape, vec![way_back])
    }

    fn linear<T: Tape<Bf16, Self>>(
        x: Matrix<Bf16, Self, T>,
        weight: &Matrix<Bf16, Self>,
        bias: &Vector<Bf16, Self>,
    ) -> Result<Matrix<Bf16, Self, T>, Error> {
        let (x, x_back, tape) = widen(x)?;
        let (weight, weight_back) = widen_parameter(weight)?;
        let (bias, bias_back) = widen_parameter(bias)?;
        narrow(Backend::linear(x, &weight, &bias)?, tape, vec![x_back, weight_back, bias_back])
    }

    fn from_f32<S: Shape>(x: Tensor<S, f32, Self>) -> Result<Tensor<S, Bf16, Self>, Error> {
        x.try_to_dtype().map_err(Error::device)
    }

    fn to_f32<S: Shape>(x: Tensor<S, Bf16, Self>) -> Result<Tensor<S, f32, Self>, Error> {
        x.try_to_dtype().map_err(Error::device)
    }

    fn take_gradient<S: Shape>(
        gradients: &mut Gradients<Bf16, Self>,
        of: &Tensor<S, Bf16, Self>,
    ) -> Result<Tensor<S, f32, Self>, Error> {
        gradients.try_alloc_for(of).map_err(Error::device)?;
        Self::to_f32(gradients.get(of))
    }
}

type Narrow = Gradients<Bf16, Cpu>;
type Wide = Gradients<f32, Cpu>;
type Traced<S> = Tensor<S, f32, Cpu, OwnedTape<f32, Cpu>>;
type TracedMap = FeatureMap<f32, Cpu, OwnedTape<f32, Cpu>>;
/// Adds an operand's gradient to the narrow ones.
type WayBack = Box<dyn FnOnce(&mut Wide, &mut Narrow) -> Result<(), CpuError>>;

/// The operand in `f32`, at the start of a tape of its own.
fn widen<S: Shape, T: Tape<Bf16, Cpu>>(
    x: Tensor<S, Bf16, Cpu, T>,
) -> Result<(Traced<S>, WayBack, T), Error> {
    let (x, tape) = x.split_tape();
    let (wide, way_back) = widen_parameter(&x)?;
    Ok((wide.leaky_traced(), way_back, tape))
}

fn widen_parameter<S: Shape>(
    x: &Tensor<S, Bf16, Cpu>,
) -> Result<(Tensor<S, f32, Cpu>, WayBack), Error> {
    let x_ghost = x.ghost();
    let wide = x.clone().try_to_dtype::<f32>().map_err(Error::device)?;
    let wide_ghost = wide.ghost();
    let way_back = move |from: &mut Wide, into: &mut Narrow| {
        let gradient = from.get_or_alloc_mut(&wide_ghost)?.iter().copied();
        accumulate(into.get_or_alloc_mut(&x_ghost)?, gradient);
        Ok(())
    };
    Ok((wide, Box::new(way_back)))
}

/// The result, rounded, on the narrow `tape`; the wide tape becomes one step of it.
fn narrow<S: Shape, T: Tape<Bf16, Cpu>>(
    y: Traced<S>,
    mut tape: T,
    ways_back: Vec<WayBack>,
) -> Result<Tensor<S, Bf16, Cpu, T>, Error> {
    let (wide, mut wide_tape) = y.split_tape();
    let wide_ghost = wide.ghost();
    let y = wide.try_to_dtype::<Bf16>().map_err(Error::device)?;
    let y_ghost = y.ghost();
    tape.add_backward_op(move |grads| {
        let dy = std::mem::take(&mut **grads.get_or_alloc_mut(&y_ghost)?);
        wide_tape.add_backward_op(move |wide| {
            **wide.get_or_alloc_mut(&wide_ghost)? = dy.into_iter().map(Bf16::to_f32).collect();
            Ok(())
        });
        // dfdx runs a tape from a scalar only, and this one has its gradient set already.
        let root: Tensor<(), f32, Cpu> = Cpu::default().try_zeros()?;
        let mut wide = root.put_tape(wide_tape).try_backward()?;
        ways_back.into_iter().try_for_each(|way_back| way_back(&mut wide, grads))
    });
    Ok(y.put_tape(tape))
}

/// Widens the operands of a batch norm, which returns something beside.
fn normalise<T: Tape<Bf16, Cpu>, R>(
    x: FeatureMap<Bf16, Cpu, T>,
    affine: &Affine<'_, Bf16, Cpu>,
    residual: Option<FeatureMap<Bf16, Cpu, T>>,
    norm: impl FnOnce(
        TracedMap,
        &Affine<'_, f32, Cpu>,
        Option<TracedMap>,
    ) -> Result<(TracedMap, R), Error>,
) -> Result<(FeatureMap<Bf16, Cpu, T>, R), Error> {
    let (x, x_back, mut tape) = widen(x)?;
    let (scale, scale_back) = widen_parameter(affine.scale)?;
    let (shift, shift_back) = widen_parameter(affine.shift)?;
    let mut ways_back = vec![x_back, scale_back, shift_back];
    let residual = match residual {
        Some(residual) => {
            let (residual, residual_back, residual_tape) = widen(residual)?;
            tape = tape.merge(residual_tape);
            ways_back.push(residual_back);
            Some(residual)
        }
        None => None,
    };
    let Affine { eps, activation, .. } = *affine;
    let affine = Affine { scale: &scale, shift: &shift, eps, activation };
    let (y, beside) = norm(x, &affine, residual)?;
    Ok((narrow(y, tape, ways_back)?, beside))
}

/// Adds to a gradient, rounding each sum once.
fn accumulate(gradient: &mut [Bf16], terms: impl Iterator<Item = f32>) {
    for (sum, term) in gradient.iter_mut().zip(terms) {
        *sum = Bf16::from_f32(sum.to_f32() + term);
    }
}
