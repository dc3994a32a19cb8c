//! The inner loops of batch normalisation over a chunk of pixels.

use crate::column_sums::column_sums;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::norm::Activation;

/// The moments of each channel of a chunk.
pub(crate) struct Moments<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) channels: usize,
}

pub(crate) struct ChunkMoments {
    /// Pixels in the chunk.
    pub(crate) count: f64,
    pub(crate) channels: Vec<Moment>,
}

#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) mean: f64,
    /// The sum of the squared distances to the mean.
    pub(crate) squares: f64,
}

impl Kernel for Moments<'_> {
    type Output = ChunkMoments;

    #[inline(always)]
    fn run<L: Lanes>(self) -> ChunkMoments {
        let Self { x, channels } = self;
        let rows = x.len() / channels;
        let count = rows as f64;
        let mut moments = Vec::with_capacity(channels);
        for first in (0..channels).step_by(LANES) {
            let row = |row: usize| L::load_padded(&x[row * channels + first..]);
            let origin = row(0);
            let [sums] = column_sums(rows, |i| [row(i).sub(origin)]);
            let mut centre = [0.0; LANES];
            origin.store(&mut centre);
            let means = centre.iter_mut().zip(sums);
            means.for_each(|(centre, sum)| *centre += sum / rows as f32);
            // The mean in f32 is only near the middle. The rest is corrected for in f64.
            let middle = L::load(&centre);
            let [sums, squares] = column_sums(rows, |i| {
                let distance = row(i).sub(middle);
                [distance, distance.mul_add(distance, L::splat(0.0))]
            });
            for lane in 0..LANES.min(channels - first) {
                let offset = f64::from(sums[lane]) / count;
                let mean = f64::from(centre[lane]) + offset;
                let squares = f64::from(squares[lane]) - offset * offset * count;
                moments.push(Moment { mean, squares: squares.max(0.0) });
            }
        }
        ChunkMoments { count, channels: moments }
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

/// For each channel of a chunk, the sums of the gradient of the normalised output, and of its
/// product with the centred input.
pub(crate) struct GradientSums<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) y: &'a [f32],
    pub(crate) dy: &'a [f32],
    pub(crate) mean: &'a [f32],
    pub(crate) activation: Activation,
}

impl Kernel for GradientSums<'_> {
    type Output = Vec<[f32; 2]>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<[f32; 2]> {
        let channels = self.mean.len();
        let mut all = Vec::with_capacity(channels);
        for first in (0..channels).step_by(LANES) {
            let mean = L::load_padded(&self.mean[first..]);
            let [sums, products] = column_sums(self.x.len() / channels, |row| {
                let at = row * channels + first;
                let y = L::load_padded(&self.y[at..]);
                let dz = activate(L::load_padded(&self.dy[at..]), y, self.activation);
                let x = L::load_padded(&self.x[at..]).sub(mean);
                [dz, dz.mul_add(x, L::splat(0.0))]
            });
            let pairs = sums.into_iter().zip(products).take(channels - first);
            all.extend(pairs.map(|(sum, product)| [sum, product]));
        }
        all
    }
}

/// Adds the gradients of a chunk's input and residual.
pub(crate) struct Differentiate<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) y: &'a [f32],
    pub(crate) dy: &'a [f32],
    pub(crate) mean: &'a [f32],
    pub(crate) slope: &'a [f32],
    /// What flows back through the statistics: a constant, and a multiple of the centred input.
    pub(crate) feedback: Option<(&'a [f32], &'a [f32])>,
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
                if let Some((centre, tilt)) = self.feedback {
                    let mean = L::load_padded(&self.mean[channel..]);
                    let x = L::load_padded(&self.x[at..]).sub(mean);
                    sum = x.mul_add(L::load_padded(&tilt[channel..]), sum);
                    sum = sum.add(L::load_padded(&centre[channel..]));
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
        Activation::Relu => value.gate(y),
    }
}
