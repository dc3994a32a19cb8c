//! The fast forms of operators on whole channels: scaling and concatenation.

use dfdx::prelude::*;
use rayon::prelude::*;
use trickbag_kernels::Element;

use super::{Number, add_narrowed, contiguous, elements, slice, take, tensor};
use crate::composed::{check_factors, concatenated};
use crate::profile::spend;
use crate::{Error, FeatureMap, Matrix, buffers};

/// See [`crate::Backend::scale_channels`].
pub(super) fn scale_channels<E: Number, T: Tape<E, Cpu>>(
    x: FeatureMap<E, Cpu, T>,
    factors: Matrix<E, Cpu, T>,
) -> Result<FeatureMap<E, Cpu, T>, Error> {
    check_factors(x.shape(), factors.shape())?;
    let (x, tape) = contiguous(x)?.split_tape();
    let (factors, more) = contiguous(factors)?.split_tape();
    let mut tape = tape.merge(more);
    let mut y = buffers::take::<E>(x.shape().num_elements());
    spend(
        || "scale channels forward".into(),
        0,
        || multiply(elements(&x), elements(&factors), x.shape(), E::elements_mut(&mut y)),
    );
    let y = tensor(x.device(), y, *x.shape())?;
    let y_ghost = y.ghost();
    tape.add_backward_op(move |grads| {
        let taken = take(grads.get_or_alloc_mut(&y_ghost)?);
        let dy = E::elements(&taken);
        let sums = spend(
            || "scale channels backward factors".into(),
            0,
            || products(elements(&x), dy, x.shape()),
        );
        add_narrowed(grads.get_or_alloc_mut(&factors)?, sums);
        let dx = E::elements_mut(grads.get_or_alloc_mut(&x)?);
        spend(
            || "scale channels backward input".into(),
            0,
            || add_multiplied(dy, elements(&factors), x.shape(), dx),
        );
        buffers::give(taken);
        Ok(())
    });
    Ok(y.put_tape(tape))
}

type Dims = (usize, usize, usize, usize);

/// Numbers of an image, at least one, since slices cannot be cut into pieces of none.
fn image_len(shape: &Dims) -> usize {
    (shape.1 * shape.2 * shape.3).max(1)
}

fn multiply<E: Element>(x: &[E], factors: &[E], shape: &Dims, y: &mut [E]) {
    let (image, channels) = (image_len(shape), shape.3.max(1));
    let images = y.par_chunks_mut(image).zip(x.par_chunks(image));
    images.zip(factors.par_chunks(channels)).for_each(|((y, x), factors)| {
        for (y, x) in y.chunks_mut(channels).zip(x.chunks(channels)) {
            for ((y, x), factor) in y.iter_mut().zip(x).zip(factors) {
                *y = E::from_f32(x.to_f32() * factor.to_f32());
            }
        }
    });
}

fn add_multiplied<E: Element>(dy: &[E], factors: &[E], shape: &Dims, dx: &mut [E]) {
    let (image, channels) = (image_len(shape), shape.3.max(1));
    let images = dx.par_chunks_mut(image).zip(dy.par_chunks(image));
    images.zip(factors.par_chunks(channels)).for_each(|((dx, dy), factors)| {
        for (dx, dy) in dx.chunks_mut(channels).zip(dy.chunks(channels)) {
            for ((dx, dy), factor) in dx.iter_mut().zip(dy).zip(factors) {
                *dx = E::from_f32(dx.to_f32() + dy.to_f32() * factor.to_f32());
            }
        }
    });
}

/// Per image and channel, the sum of `x · dy` over the pixels.
fn products<E: Element>(x: &[E], dy: &[E], shape: &Dims) -> Vec<f32> {
    let (image, channels) = (image_len(shape), shape.3.max(1));
    let images = x.par_chunks(image).zip(dy.par_chunks(image));
    let sums = images.flat_map_iter(|(x, dy)| {
        let mut sums = vec![0.0; channels];
        for (x, dy) in x.chunks(channels).zip(dy.chunks(channels)) {
            for ((sum, x), dy) in sums.iter_mut().zip(x).zip(dy) {
                *sum += x.to_f32() * dy.to_f32();
            }
        }
        sums
    });
    sums.collect()
}

/// See [`crate::Backend::concat_channels`].
pub(super) fn concat_channels<E: Number, T: Tape<E, Cpu>>(
    parts: Vec<FeatureMap<E, Cpu, T>>,
) -> Result<FeatureMap<E, Cpu, T>, Error> {
    let shapes: Vec<_> = parts.iter().map(|part| *part.shape()).collect();
    let shape = concatenated(&shapes)?; // refuses an empty list
    let mut tape = T::default();
    let mut values = Vec::with_capacity(parts.len());
    for part in parts {
        let (part, more) = contiguous(part)?.split_tape();
        tape = tape.merge(more);
        values.push(part);
    }
    let mut y = buffers::take::<E>(shape.num_elements());
    let slices: Vec<_> = values.iter().map(slice).collect();
    spend(|| "concatenation forward".into(), 0, || join(&slices, shape.3, &mut y));
    let y = tensor(values[0].device(), y, shape)?;
    let ghosts: Vec<_> = values.iter().map(|part| part.ghost()).collect();
    let y_ghost = y.ghost();
    tape.add_backward_op(move |grads| {
        let dy = take(grads.get_or_alloc_mut(&y_ghost)?);
        let mut start = 0;
        for (ghost, part) in ghosts.iter().zip(&shapes) {
            let dx = grads.get_or_alloc_mut(ghost)?;
            spend(
                || "concatenation backward".into(),
                0,
                || add_columns(&dy, shape.3, start, part.3, dx),
            );
            start += part.3;
        }
        buffers::give(dy);
        Ok(())
    });
    Ok(y.put_tape(tape))
}

fn join<E: Number>(parts: &[&[E]], channels: usize, y: &mut [E]) {
    let rows = y.len() / channels.max(1);
    y.par_chunks_mut(channels.max(1)).enumerate().for_each(|(row, mut y)| {
        for part in parts {
            let width = part.len() / rows;
            let (to, rest) = y.split_at_mut(width);
            to.copy_from_slice(&part[row * width..][..width]);
            y = rest;
        }
    });
}

/// Adds `width` columns of `dy`, from `start` on.
fn add_columns<E: Number>(dy: &[E], channels: usize, start: usize, width: usize, dx: &mut [E]) {
    let rows = dx.par_chunks_mut(width.max(1)).zip(dy.par_chunks(channels.max(1)));
    rows.for_each(|(dx, dy)| {
        for (dx, dy) in dx.iter_mut().zip(&dy[start..]) {
            *dx += *dy;
        }
    });
}
