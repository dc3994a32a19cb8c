//! Operators that keep their inputs only: what lies in between is freed, and computed again on the
//! way back.
//!
//! Composed forms put a dozen tensors and their gradients on the tape, where one would do: without
//! this, a convolution holds each pixel once for each tap. Numbers of 16 bits are widened on the way
//! in, because sums and functions of them need more digits and a wider range.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;

use super::Dims;
use crate::{Error, FeatureMap, Vector, Widen};

/// A tensor on a tape of its own.
pub(super) type Traced<S, E, D> = Tensor<S, E, D, OwnedTape<E, D>>;
/// An output, and what comes with it and has no gradient.
pub(super) type Computed<S, R, E, D, T> = Result<(Tensor<S, E, D, T>, R), <D as HasErr>::Err>;
/// The same on a tape of its own.
pub(super) type Again<S, R, E, D> = Computed<S, R, E, D, OwnedTape<E, D>>;

/// The numbers of a tensor in a row, and its tape.
pub(super) fn flat<S: Shape, E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: Tensor<S, E, D, T>,
) -> Result<(Vector<E, D>, T), D::Err> {
    let len = x.shape().num_elements();
    Ok(x.try_reshape_like(&(len,))?.split_tape())
}

/// [`computed`], of a feature map alone.
pub(super) fn of_map<S: Shape, E: Dtype, D: Widen<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    f: impl Fn(Traced<Dims, E, D>) -> Result<Traced<S, E, D>, D::Err> + 'static,
    wide: impl Fn(Traced<Dims, f32, D>) -> Result<Traced<S, f32, D>, D::Err> + 'static,
) -> Result<Tensor<S, E, D, T>, Error> {
    let shape = *x.shape();
    let f = move |inputs: &[Vector<E, D>]| {
        Ok((f(inputs[0].clone().leaky_traced().try_reshape_like(&shape)?)?, ()))
    };
    let wide = move |inputs: &[Vector<f32, D>]| {
        Ok((wide(inputs[0].clone().leaky_traced().try_reshape_like(&shape)?)?, ()))
    };
    let computed = flat(x).and_then(|(x, tape)| computed(vec![x], tape, f, wide));
    computed.map(|(y, ())| y).map_err(Error::device)
}

/// `f` of the inputs; `wide` is the same for `f32`, and is what a 16-bit format computes.
pub(super) fn computed<S: Shape, R, E: Dtype, D: Widen<E>, T: Tape<E, D>>(
    inputs: Vec<Vector<E, D>>,
    tape: T,
    f: impl Fn(&[Vector<E, D>]) -> Again<S, R, E, D> + 'static,
    wide: impl Fn(&[Vector<f32, D>]) -> Again<S, R, f32, D> + 'static,
) -> Computed<S, R, E, D, T> {
    match size_of::<E>() < size_of::<f32>() {
        true => widened(inputs, tape, wide),
        false => recomputed(inputs, tape, f),
    }
}

/// `f` of the inputs, in their own format.
pub(super) fn recomputed<S: Shape, R, E: Dtype, D: Device<E> + Device<f32>, T: Tape<E, D>>(
    inputs: Vec<Vector<E, D>>,
    mut tape: T,
    f: impl Fn(&[Vector<E, D>]) -> Again<S, R, E, D> + 'static,
) -> Computed<S, R, E, D, T> {
    let (y, beside) = f(&inputs)?;
    let (y, _) = y.split_tape();
    let ghost = y.ghost();
    tape.add_backward_op(move |outer| {
        let (y, _) = f(&inputs)?;
        let mut inner = Gradients::leaky();
        *inner.get_or_alloc_mut(&y)? = take::<E, D>(outer.get_or_alloc_mut(&ghost)?, y.device())?;
        for input in &inputs {
            hand_over(outer, &mut inner, input)?;
        }
        let mut inner = backward(y, inner)?;
        inputs.iter().try_for_each(|input| hand_over(&mut inner, outer, input))
    });
    Ok((y.put_tape(tape), beside))
}

/// `f` of the inputs in `f32`.
fn widened<S: Shape, R, E: Dtype, D: Widen<E>, T: Tape<E, D>>(
    inputs: Vec<Vector<E, D>>,
    mut tape: T,
    f: impl Fn(&[Vector<f32, D>]) -> Again<S, R, f32, D> + 'static,
) -> Computed<S, R, E, D, T> {
    let widen = |inputs: &[Vector<E, D>]| -> Result<Vec<Vector<f32, D>>, D::Err> {
        inputs.iter().map(|input| input.clone().try_to_dtype()).collect()
    };
    let (y, beside) = f(&widen(&inputs)?)?;
    let y: Tensor<S, E, D> = y.split_tape().0.try_to_dtype()?;
    let ghost = y.ghost();
    tape.add_backward_op(move |outer| {
        let wide = widen(&inputs)?;
        let (y, _) = f(&wide)?;
        let mut inner = Gradients::leaky();
        let dy = take::<E, D>(outer.get_or_alloc_mut(&ghost)?, y.device())?;
        D::widen(&dy, inner.get_or_alloc_mut(&y)?)?;
        let mut inner = backward(y, inner)?;
        for (input, wide) in inputs.iter().zip(&wide) {
            D::add_narrowed(inner.get_or_alloc_mut(wide)?, outer.get_or_alloc_mut(input)?)?;
        }
        Ok(())
    });
    Ok((y.put_tape(tape), beside))
}

/// Adds a term to a gradient: as the derivative of a product, because dfdx adds to gradients on its
/// way back only.
pub(super) fn add_to_gradient<E: Dtype, D: Device<E>>(
    gradients: &mut Gradients<E, D>,
    of: &Vector<E, D>,
    term: Vector<E, D>,
) -> Result<(), D::Err> {
    let mut inner = Gradients::leaky();
    hand_over(gradients, &mut inner, of)?;
    let product = of.leaky_trace().try_mul(term)?.try_sum::<(), Axis<0>>()?;
    let (product, tape) = product.split_tape();
    let (product, start) = Trace::<E, D>::traced(product, inner).split_tape();
    let mut inner = product.put_tape(tape.merge(start)).try_backward()?;
    hand_over(&mut inner, gradients, of)
}

/// Runs the tape of `y` backward from the gradient of `y`, which is among `gradients`.
fn backward<S: Shape, E: Dtype, D: Device<E>>(
    y: Traced<S, E, D>,
    gradients: Gradients<E, D>,
) -> Result<Gradients<E, D>, D::Err> {
    let (y, tape) = y.split_tape();
    let end: Tensor<(), E, D> = y.device().try_zeros_like(&())?;
    let (end, start) = Trace::<E, D>::traced(end, gradients).split_tape();
    end.put_tape(tape.merge(start)).try_backward()
}

/// Moves the gradient of a tensor, unless it has been moved: the same tensor may be an input twice.
fn hand_over<E: Dtype, D: Device<E>>(
    from: &mut Gradients<E, D>,
    to: &mut Gradients<E, D>,
    of: &Vector<E, D>,
) -> Result<(), D::Err> {
    let gradient = from.get_or_alloc_mut(of)?;
    if <D as Storage<E>>::len(of.device(), gradient) > 0 {
        *to.get_or_alloc_mut(of)? = take::<E, D>(gradient, of.device())?;
    }
    Ok(())
}

/// Leaves an empty buffer, which frees the gradient as soon as its taker is done.
fn take<E: Dtype, D: Device<E>>(
    gradient: &mut <D as Storage<E>>::Vec,
    dev: &D,
) -> Result<<D as Storage<E>>::Vec, D::Err> {
    Ok(std::mem::replace(gradient, <D as Storage<E>>::try_alloc_len(dev, 0)?))
}
