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
                let z = match self.activation {
                    Activation::Identity => z,
                    Activation::Relu => passing(z, z),
                };
                z.store_part(y);
            }
        }
    }
}

/// Which numbers' gradients pass the activation.
#[derive(Clone, Copy)]
pub(crate) enum Gate<'a, E> {
    /// All.
    Open,
    /// Those with a positive output.
    Output(&'a [E]),
    /// Those whose output was positive: the input, times the slope, plus the shift.
    Again { slope: &'a [f32], shift: &'a [f32] },
}

impl<'a, E: Stored> Gate<'a, E> {
    /// The gate of the numbers from this one on, which begins a pixel.
    pub(crate) fn from(self, first: usize) -> Self {
        match self {
            Self::Output(y) => Self::Output(&y[first..]),
            _ => self,
        }
    }

    /// The gradients that pass, of the numbers from `at` on, which are channels from `channel` on with
    /// this centred input.
    #[inline(always)]
    fn pass<L: Lanes>(self, dy: L, centred: L, at: usize, channel: usize) -> L {
        match self {
            Self::Open => dy,
            Self::Output(y) => passing(dy, L::load_padded(&y[at..])),
            Self::Again { slope, shift } => {
                let slope = L::load_padded(&slope[channel..]);
                passing(dy, centred.mul_add(slope, L::load_padded(&shift[channel..])))
            }
        }
    }
}

/// For each sixteen channels of a chunk, the sums of the gradient of the normalised output, and of
/// its product with the centred input.
pub(crate) struct GradientSums<'a, E> {
    pub(crate) x: &'a [E],
    pub(crate) dy: &'a [E],
    pub(crate) mean: &'a [f32],
    pub(crate) gate: Gate<'a, E>,
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
        let x = L::load_padded(&self.x[at..]).sub(L::load_padded(&self.mean[channel..]));
        let dz = self.gate.pass(L::load_padded(&self.dy[at..]), x, at, channel);
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
    /// The gradient of the output; `None` if it is what `dx` holds.
    pub(crate) dy: Option<&'a [E]>,
    pub(crate) mean: &'a [f32],
    pub(crate) gate: Gate<'a, E>,
    pub(crate) slope: &'a [f32],
    pub(crate) feedback: Option<&'a Feedback>,
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
                let mean = L::load_padded(&self.mean[channel..]);
                let x = L::load_padded(&self.x[at..]).sub(mean);
                let old = L::load_padded(dx);
                let dy = self.dy.map_or(old, |dy| L::load_padded(&dy[at..]));
                let dz = self.gate.pass(dy, x, at, channel);
                let slope = L::load_padded(&self.slope[channel..]);
                let mut sum = dz.mul_add(slope, kept(old, self.write));
                if let Some(Feedback { constant, multiple }) = self.feedback {
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

/// `value` where the ReLU lets `output` pass, else 0.
#[inline(always)]
fn passing<L: Lanes>(value: L, output: L) -> L {
    L::select(output.passes_relu(), value, L::splat(0.0))
}
