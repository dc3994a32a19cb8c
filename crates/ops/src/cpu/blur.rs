//! The fast form of the blur before a subsampling.

use dfdx::prelude::*;
use rayon::prelude::*;
use trickbag_kernels::{Element, ImageShape};

use super::{Number, contiguous, elements, operator};
use crate::blur::{BLUR, blurred, reflected};
use crate::composed::{dims, image_shape};
use crate::profile::spend;
use crate::{Error, FeatureMap, buffers};

/// See [`crate::Backend::blur_pool`].
pub(super) fn blur_pool<E: Number, T: Tape<E, Cpu>>(
    x: FeatureMap<E, Cpu, T>,
) -> Result<FeatureMap<E, Cpu, T>, Error> {
    let input = image_shape(x.shape());
    let output = blurred(input)?;
    let (x, tape) = contiguous(x)?.split_tape();
    let mut y = buffers::take::<E>(output.len());
    spend(
        || "blur forward".into(),
        0,
        || forward(elements(&x), input, output, E::elements_mut(&mut y)),
    );
    operator("blur", &x, y, dims(output), tape, move |dy, dx| {
        backward(dy, input, output, dx);
        Ok(())
    })
}

/// Each row of the output by itself.
fn forward<E: Element>(x: &[E], input: ImageShape, output: ImageShape, y: &mut [E]) {
    let row = (output.width * output.channels).max(1);
    y.par_chunks_mut(row).enumerate().for_each(|(index, y)| {
        let (image, oh) = (index / output.height, index % output.height);
        let mut sums = vec![0.0; output.channels];
        for (ow, y) in y.chunks_mut(output.channels).enumerate() {
            sums.fill(0.0);
            for (start, weight) in taps(input, oh, ow) {
                let x = &x[image * input.height * input.width * input.channels + start..];
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum += weight * x.to_f32();
                }
            }
            for (y, sum) in y.iter_mut().zip(&sums) {
                *y = E::from_f32(*sum);
            }
        }
    });
}

/// Each image by itself, in `f32`, so that every gradient is rounded once.
fn backward<E: Element>(dy: &[E], input: ImageShape, output: ImageShape, dx: &mut [E]) {
    let [from, to] =
        [output, input].map(|image| (image.height * image.width * image.channels).max(1));
    dx.par_chunks_mut(to).zip(dy.par_chunks(from)).for_each(|(dx, dy)| {
        let mut sums: Vec<f32> = dx.iter().map(|dx| dx.to_f32()).collect();
        for (pixel, dy) in dy.chunks(output.channels.max(1)).enumerate() {
            for (start, weight) in taps(input, pixel / output.width, pixel % output.width) {
                for (sum, dy) in sums[start..].iter_mut().zip(dy) {
                    *sum += weight * dy.to_f32();
                }
            }
        }
        for (dx, sum) in dx.iter_mut().zip(sums) {
            *dx = E::from_f32(sum);
        }
    });
}

/// Where the pixels that an output pixel sees start in their image, and their weights.
fn taps(input: ImageShape, oh: usize, ow: usize) -> impl Iterator<Item = (usize, f32)> {
    (0..BLUR.len()).flat_map(move |i| {
        let ih = reflected(oh, i, input.height);
        (0..BLUR.len()).map(move |j| {
            let iw = reflected(ow, j, input.width);
            ((ih * input.width + iw) * input.channels, BLUR[i] * BLUR[j])
        })
    })
}
