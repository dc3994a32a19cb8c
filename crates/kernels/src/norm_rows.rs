//! The inner loops of batch normalisation over a chunk of pixels.

use crate::column_sums::{Terms, column_sums};
use crate::lanes::{Kernel, LANES, Lanes};
use crate::norm::Activation;

/// The first and second moments of each channel of a chunk.
pub(crate) struct Moments<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) channels: usize,
}

/// Sixteen channels' moments about a point that is near the mean.
pub(crate) struct BlockMoments {
    pub(crate) middle: [f32; LANES],
    /// The sum of the distances to the middle.
    pub(crate) sum: [f32; LANES],
    /// The sum of their squares.
    pub(crate) squares: [f32; LANES],
}

impl Kernel for Moments<'_> {
    type Output = Vec<BlockMoments>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<BlockMoments> {
        let Self { x, channels } = self;
        let (rows, blocks) = (x.len() / channels, channels.div_ceil(LANES));
        let mut middles = vec![[0.0; LANES]; blocks];
        for (block, middle) in middles.iter_mut().enumerate() {
            L::load_padded(&x[block * LANES..]).store(middle);
        }
        let sums = column_sums::<L, 2>(rows, blocks, &Distances { x, channels, middles: &middles });
        for (middle, [sum, _]) in middles.iter_mut().zip(sums) {
            middle.iter_mut().zip(sum).for_each(|(middle, sum)| *middle += sum / rows as f32);
        }
        let sums = column_sums::<L, 2>(rows, blocks, &Distances { x, channels, middles: &middles });
        let moments = middles.into_iter().zip(sums);
        moments.map(|(middle, [sum, squares])| BlockMoments { middle, sum, squares }).collect()
    }
}

/// The distances to the middles, and their squares.
struct Distances<'a> {
    x: &'a [f32],
    channels: usize,
    middles: &'a [[f32; LANES]],
}

impl Terms<2> for Distances<'_> {
    #[inline(always)]
    fn term<L: Lanes>(&self, row: usize, block: usize) -> [L; 2] {
        let x = L::load_padded(&self.x[row * self.channels + block * LANES..]);
        let distance = x.sub(L::load(&self.middles[block]));
        [distance, distance.mul_add(distance, L::splat(0.0))]
    }
}

/// The normalisation of a chunk.
pub(crate) struct Normalise<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) mean: &'a [f32],
    pub(crate) slope: &'a [f32],
    pub(crate) shift: &'a [f32],
    pub(crate) residual: Option<&'a [f32]>,
    pub(crate) activation: Activation,
    pub(crate) y: &'a mut [f32],
}

impl Kernel for Normalise<'_> {
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
pub(crate) struct GradientSums<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) y: &'a [f32],
    pub(crate) dy: &'a [f32],
    pub(crate) mean: &'a [f32],
    pub(crate) activation: Activation,
}

impl Kernel for GradientSums<'_> {
    type Output = Vec<[[f32; LANES]; 2]>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<[[f32; LANES]; 2]> {
        let channels = self.mean.len();
        column_sums::<L, 2>(self.x.len() / channels, channels.div_ceil(LANES), &self)
    }
}

impl Terms<2> for GradientSums<'_> {
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

/// Adds the gradients of a chunk's input and residual.
pub(crate) struct Differentiate<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) y: &'a [f32],
    pub(crate) dy: &'a [f32],
    pub(crate) mean: &'a [f32],
    pub(crate) slope: &'a [f32],
    pub(crate) feedback: Option<&'a Feedback>,
    pub(crate) activation: Activation,
    pub(crate) dx: &'a mut [f32],
    pub(crate) dresidual: Option<&'a mut [f32]>,
}

impl Kernel for Differentiate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let channels = self.mean.len();
        for (row, dx) in self.dx.chunks_exact_mut(channels).enumerate() {
            for (block, dx) in dx.chunks_mut(LANES).enumerate() {
                let channel = block * LANES;
                let at = row * channels + channel;
                let y = L::load_padded(&self.y[at..]);
                let dz = activate(L::load_padded(&self.dy[at..]), y, self.activation);
                let slope = L::load_padded(&self.slope[channel..]);
                let mut sum = dz.mul_add(slope, L::load_padded(dx));
                if let Some(Feedback { constant, multiple }) = self.feedback {
                    let mean = L::load_padded(&self.mean[channel..]);
                    let x = L::load_padded(&self.x[at..]).sub(mean);
                    sum = x.mul_add(L::load_padded(&multiple[channel..]), sum);
                    sum = sum.add(L::load_padded(&constant[channel..]));
                }
                sum.store_part(dx);
                if let Some(dresidual) = &mut self.dresidual {
                    let dresidual = &mut dresidual[at..at + dx.len()];
                    dz.add(L::load_padded(dresidual)).store_part(dresidual);
                }
            }
        }
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
