//! Global average pooling over NHWC images, forward and backward.

use crate::column_sums::{Terms, column_sums};
use crate::error::check_lengths;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::vectors::Vectors;
use crate::{Element, Error, ImageShape, Isa, tasks};

/// Overwrites `y` (batch x channels) with the average of each image's pixels.
///
/// # Errors
///
/// [`Error::Zero`] for an empty dimension, [`Error::Length`] if a slice does not fit its shape.
pub fn global_avg_pool<E: Element>(input: ImageShape, x: &[E], y: &mut [E]) -> Result<(), Error> {
    input.check()?;
    let (len, output) = (input.len(), input.batch * input.channels);
    check_lengths("global_avg_pool", &[("x", x.len(), len), ("y", y.len(), output)])?;
    let isa = Isa::current();
    let images = x.chunks_exact(len / input.batch).zip(y.chunks_exact_mut(input.channels));
    tasks::for_each(images, |_, (image, average)| isa.run(Average { image, average }));
    Ok(())
}

/// Adds the gradient of [`global_avg_pool`]'s input to `dx`.
///
/// # Errors
///
/// [`Error::Zero`] for an empty dimension, [`Error::Length`] if a slice does not fit its shape.
pub fn global_avg_pool_backward<E: Element>(
    input: ImageShape,
    dy: &[E],
    dx: &mut [E],
) -> Result<(), Error> {
    input.check()?;
    let (len, output) = (input.len(), input.batch * input.channels);
    check_lengths("global_avg_pool_backward", &[("dy", dy.len(), output), ("dx", dx.len(), len)])?;
    let isa = Isa::current();
    let images = dx.chunks_exact_mut(len / input.batch).zip(dy.chunks_exact(input.channels));
    tasks::for_each(images, |_, (image, gradient)| isa.run(Spread { image, gradient }));
    Ok(())
}

struct Average<'a, E> {
    image: &'a [E],
    average: &'a mut [E],
}

impl<E: Element> Kernel for Average<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let channels = self.average.len();
        let pixels = self.image.len() / channels;
        let [sums] = column_sums::<L, 1>(self.image.len(), channels, &self);
        let averages = self.average.iter_mut().zip(sums);
        averages.for_each(|(average, sum)| *average = E::from_f32(sum / pixels as f32));
    }
}

impl<E: Element> Terms<1> for Average<'_, E> {
    type Shared<L: Lanes> = ();

    #[inline(always)]
    fn shared<L: Lanes>(&self, _: usize) {}

    #[inline(always)]
    fn term<L: Lanes, const WHOLE: bool>(&self, (): (), vector: usize) -> [L; 1] {
        [Vectors::new(self.image).load_if::<L, WHOLE>(vector)]
    }
}

struct Spread<'a, E> {
    image: &'a mut [E],
    gradient: &'a [E],
}

impl<E: Element> Kernel for Spread<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let channels = self.gradient.len();
        let share = L::splat(channels as f32 / self.image.len() as f32);
        for pixel in self.image.chunks_exact_mut(channels) {
            for (block, to) in pixel.chunks_mut(LANES).enumerate() {
                let gradient = L::load_padded(&self.gradient[block * LANES..]);
                gradient.mul_add(share, L::load_padded(to)).store_part(to);
            }
        }
    }
}
