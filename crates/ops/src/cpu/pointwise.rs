//! The fast form of functions of one number.

use dfdx::prelude::*;
use rayon::prelude::*;
use trickbag_kernels::Element;

use super::{Number, contiguous, elements, operator};
use crate::buffers;
use crate::pointwise::{
    gelu, gelu_slope, relu, relu_slope, sigmoid, sigmoid_slope, silu, silu_slope,
};
use crate::profile::spend;
use crate::{Error, Pointwise};

/// Numbers that one thread takes at a time.
pub(super) const CHUNK: usize = 16 * 1024;

/// See [`crate::Backend::pointwise`].
pub(super) fn pointwise<S: Shape, E: Number, T: Tape<E, Cpu>>(
    x: Tensor<S, E, Cpu, T>,
    function: Pointwise,
) -> Result<Tensor<S, E, Cpu, T>, Error> {
    let (x, tape) = contiguous(x)?.split_tape();
    let mut y = buffers::take::<E>(x.shape().num_elements());
    let (from, to) = (elements(&x), E::elements_mut(&mut y));
    spend(
        || format!("{} forward", function.name()),
        0,
        || match function {
            Pointwise::Relu => map(from, to, relu),
            Pointwise::Gelu => map(from, to, gelu),
            Pointwise::Silu => map(from, to, silu),
            Pointwise::Sigmoid => map(from, to, sigmoid),
        },
    );
    let saved = x.clone();
    operator(function.name(), &x, y, *x.shape(), tape, move |dy, dx| {
        let from = elements(&saved);
        match function {
            Pointwise::Relu => add_slopes(from, dy, dx, relu_slope),
            Pointwise::Gelu => add_slopes(from, dy, dx, gelu_slope),
            Pointwise::Silu => add_slopes(from, dy, dx, silu_slope),
            Pointwise::Sigmoid => add_slopes(from, dy, dx, sigmoid_slope),
        }
        Ok(())
    })
}

fn map<E: Element>(from: &[E], to: &mut [E], f: impl Fn(f32) -> f32 + Sync) {
    to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK)).for_each(|(to, from)| {
        for (to, from) in to.iter_mut().zip(from) {
            *to = E::from_f32(f(from.to_f32()));
        }
    });
}

fn add_slopes<E: Element>(x: &[E], dy: &[E], dx: &mut [E], slope: impl Fn(f32) -> f32 + Sync) {
    let chunks = dx.par_chunks_mut(CHUNK).zip(dy.par_chunks(CHUNK)).zip(x.par_chunks(CHUNK));
    chunks.for_each(|((dx, dy), x)| {
        for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
            *dx = E::from_f32(dx.to_f32() + dy.to_f32() * slope(x.to_f32()));
        }
    });
}
