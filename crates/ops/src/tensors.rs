//! The trait for what layers and losses do with tensors beside the image operators.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;

use crate::cpu::add_narrowed;
use crate::{Bf16, Descent, Error};

/// A device that has tensors of the number format `E`, and `f32` beside.
///
/// Every dfdx device is one for dfdx's own formats. dfdx keeps the traits below its `Device`
/// private, so that no other format can ever be `Device<E>`; this is what is asked instead, and
/// [`Bf16`](crate::Bf16) has it on the CPU.
pub trait Tensors<E: Dtype>: Storage<E> + Descent {
    /// The same values in another shape of equally many elements.
    fn reshape<From: Shape, To: Shape, T: Tape<E, Self>>(
        x: Tensor<From, E, Self, T>,
        shape: &To,
    ) -> Result<Tensor<To, E, Self, T>, Error>;

    /// A scalar on the tape of `x` that has this value, and this gradient with respect to `x`.
    ///
    /// The value is rounded to `E`, and is not finite where the composed form leaves the range of
    /// `E`; the gradient is right even then. This is how a loss that was computed in `f32` continues a tape in another format.
    fn scalar<S: Shape, T: Tape<E, Self>>(
        x: Tensor<S, E, Self, T>,
        value: f32,
        gradient: Tensor<S, f32, Self>,
    ) -> Result<Tensor<(), E, Self, T>, Error>;

    /// Runs the backward pass: dfdx's `try_backward`.
    fn backward(loss: Tensor<(), E, Self, OwnedTape<E, Self>>)
    -> Result<Gradients<E, Self>, Error>;
}

impl<E: Dtype, D: Device<E> + Descent> Tensors<E> for D {
    fn reshape<From: Shape, To: Shape, T: Tape<E, Self>>(
        x: Tensor<From, E, Self, T>,
        shape: &To,
    ) -> Result<Tensor<To, E, Self, T>, Error> {
        x.try_reshape_like(shape).map_err(Error::device)
    }

    fn scalar<S: Shape, T: Tape<E, Self>>(
        x: Tensor<S, E, Self, T>,
        value: f32,
        gradient: Tensor<S, f32, Self>,
    ) -> Result<Tensor<(), E, Self, T>, Error> {
        check_gradient(gradient.shape(), x.shape())?;
        let value = E::from_f32(value).unwrap_or_default();
        let run = || {
            // A product with the gradient as a constant has that gradient; the offset mends its
            // value.
            let product = x.try_mul(gradient.try_to_dtype::<E>()?)?.try_sum::<(), S::AllAxes>()?;
            let value: Tensor<(), E, Self> =
                product.device().try_tensor_from_vec(vec![value], ())?;
            let offset = value.try_sub(product.retaped::<NoneTape>())?;
            product.try_add(offset.retaped::<T>())
        };
        run().map_err(Error::device)
    }

    fn backward(
        loss: Tensor<(), E, Self, OwnedTape<E, Self>>,
    ) -> Result<Gradients<E, Self>, Error> {
        loss.try_backward().map_err(Error::device)
    }
}

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
            add_narrowed(grads.get_or_alloc_mut(&x_ghost)?, dx);
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

pub(crate) fn check_gradient<S: Shape>(found: &S, expected: &S) -> Result<(), Error> {
    match found == expected {
        true => Ok(()),
        false => {
            Err(Error::operand("gradient", found.concrete().as_ref(), expected.concrete().as_ref()))
        }
    }
}
