//! The inner loops of batch normalisation over a chunk of pixels.

use crate::column_sums::{Terms, column_sums};
use crate::element::Stored;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::{Activation, Write};

/// The normalisation of a chunk.
pub(crate) struct Normalise<'a, E> {
    pub(crate) x: &'a [E],
    pub(crate) mean: &'a [f32],
    pub(crate) slope: &'a [f32],
    pub(crate) shift: &'a [f32],
    pub(crate) residual: Option<&'a [E]>,
    pub(crate) activation: Activation,
    pub(crate) y: &'a mut [E],
}

impl<E: Stored> Kernel for Normalise<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let channels = self.mean.len();
        for (row, y) in self.y.chunks_exact_mut(channels).enumerate() {
            for (block, y) in y.chunks_mut(LANES).enumerate() {
                let channel = block * LANES;
                let at = row * channels + channel;
                let x = L::load_padded(&self.x[at..]).sub(L::load_padded(&self.mean[channel..]));
                let slope = L::load_padded(&self.slope[channel..]);
                let mut z = x.mul_add(slope, L::load_padded(&self.shift[channel..]));
                if let Some(residual) = self.residual {
                    z = z.add(L::load_padded(&residual[at..]));
                }
                activate(z, z, self.activation).store_part(y);
            }
        }
    }
}

/// For each sixteen channels of a chunk, the sums of the gradient of the normalised output, and of
/// its product with the centred input.
pub(crate) struct GradientSums<'a, E> {
    pub(crate) x: &'a [E],
    pub(crate) y: &'a [E],
    pub(crate) dy: &'a [E],
    pub(crate) mean: &'a [f32],
    pub(crate) activation: Activation,
}

impl<E: Stored> Kernel for GradientSums<'_, E> {
    type Output = Vec<[[f32; LANES]; 2]>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<[[f32; LANES]; 2]> {
        let channels = self.mean.len();
        column_sums::<L, 2>(self.x.len() / channels, channels.div_ceil(LANES), &self)
    }
}

impl<E: Stored> Terms<2> for GradientSums<'_, E> {
    #[inline(always)]
    fn term<L: Lanes>(&self, row: usize, block: usize) -> [L; 2] {
        let channel = block * LANES;
        let at = row * self.mean.len() + channel;
        let y = L::load_padded(&self.y[at..]);
        let dz = activate(L::load_padded(&self.dy[at..]), y, self.activation);
        let x = L::load_padded(&self.x[at..]).sub(L::load_padded(&self.mean[channel..]));
        [dz, dz.mul_add(x, L::splat(0.0))]
    }
}

/// What flows back to each input through mean and variance: for each channel a constant, and a
/// multiple of the centred input.
pub(crate) struct Feedback {
    pub(crate) constant: Vec<f32>,
    pub(crate) multiple: Vec<f32>,
}

/// Writes the gradients of a chunk's input and residual.
pub(crate) struct Differentiate<'a, E> {
    pub(crate) x: &'a [E],
    pub(crate) y: &'a [E],
    /// The gradient of the output; `None` if it is what `dx` holds.
    pub(crate) dy: Option<&'a [E]>,
    pub(crate) mean: &'a [f32],
    pub(crate) slope: &'a [f32],
    pub(crate) feedback: Option<&'a Feedback>,
    pub(crate) activation: Activation,
    pub(crate) write: Write,
    pub(crate) dx: &'a mut [E],
    pub(crate) dresidual: Option<(Write, &'a mut [E])>,
}

impl<E: Stored> Kernel for Differentiate<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let channels = self.mean.len();
        for (row, dx) in self.dx.chunks_exact_mut(channels).enumerate() {
            for (block, dx) in dx.chunks_mut(LANES).enumerate() {
                let channel = block * LANES;
                let at = row * channels + channel;
                let y = L::load_padded(&self.y[at..]);
                let old = L::load_padded(dx);
                let dy = self.dy.map_or(old, |dy| L::load_padded(&dy[at..]));
                let dz = activate(dy, y, self.activation);
                let slope = L::load_padded(&self.slope[channel..]);
                let mut sum = dz.mul_add(slope, kept(old, self.write));
                if let Some(Feedback { constant, multiple }) = self.feedback {
                    let mean = L::load_padded(&self.mean[channel..]);
                    let x = L::load_padded(&self.x[at..]).sub(mean);
                    sum = x.mul_add(L::load_padded(&multiple[channel..]), sum);
                    sum = sum.add(L::load_padded(&constant[channel..]));
                }
                sum.store_part(dx);
                if let Some((write, dresidual)) = &mut self.dresidual {
                    let dresidual = &mut dresidual[at..at + dx.len()];
                    dz.add(kept(L::load_padded(dresidual), *write)).store_part(dresidual);
                }
            }
        }
    }
}

/// What remains of a gradient's old content.
#[inline(always)]
fn kept<L: Lanes>(old: L, write: Write) -> L {
    match write {
        Write::Add => old,
        Write::Overwrite => L::splat(0.0),
    }
}

/// `value` where the activation of an output `y` lets it pass, else 0.
#[inline(always)]
fn activate<L: Lanes>(value: L, y: L, activation: Activation) -> L {
    match activation {
        Activation::Identity => value,
        Activation::Relu => L::select(y.passes_relu(), value, L::splat(0.0)),
    }
}
