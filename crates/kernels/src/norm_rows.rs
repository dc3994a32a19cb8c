//! The inner loops of batch normalisation over a chunk of pixels.

use std::ops::Range;

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
        let Self { x, residual, activation, .. } = self;
        let channels = self.mean.len();
        for tile in tiles(self.y.len(), channels) {
            for columns in blocks(channels) {
                let mean = L::load_padded(&self.mean[columns.start..]);
                let slope = L::load_padded(&self.slope[columns.start..]);
                let shift = L::load_padded(&self.shift[columns.start..]);
                // No `step_by`, whose length would take a division for each tile.
                let mut at = tile.start + columns.start;
                while at < tile.end {
                    let centred = L::load_padded(&x[at..]).sub(mean);
                    let mut z = centred.mul_add(slope, shift);
                    if let Some(residual) = residual {
                        z = z.add(L::load_padded(&residual[at..]));
                    }
                    let z = match activation {
                        Activation::Identity => z,
                        Activation::Relu => passing(z, z),
                    };
                    z.store_part(&mut self.y[at..at + columns.len()]);
                    at += channels;
                }
            }
        }
    }
}

/// Numbers in a tile: enough that what belongs to sixteen channels is seldom loaded, few enough that
/// memory is read almost in order.
const TILE_LEN: usize = 256;

/// Tiles of whole rows, which `len` numbers make.
#[inline(always)]
fn tiles(len: usize, channels: usize) -> impl Iterator<Item = Range<usize>> {
    let tile = (TILE_LEN / channels).max(1) * channels;
    (0..len).step_by(tile).map(move |first| first..len.min(first + tile))
}

/// The channels, sixteen at a time.
#[inline(always)]
fn blocks(channels: usize) -> impl Iterator<Item = Range<usize>> {
    (0..channels).step_by(LANES).map(move |first| first..channels.min(first + LANES))
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

    /// What it needs to know of the channels from this one on.
    #[inline(always)]
    fn shared<L: Lanes>(self, channel: usize) -> [L; 2] {
        match self {
            Self::Again { slope, shift } => {
                [L::load_padded(&slope[channel..]), L::load_padded(&shift[channel..])]
            }
            _ => [L::splat(0.0); 2],
        }
    }

    /// The gradients that pass, of the numbers from `at` on, whose input, centred, is this.
    #[inline(always)]
    fn pass<L: Lanes>(self, [slope, shift]: [L; 2], dy: L, centred: L, at: usize) -> L {
        match self {
            Self::Open => dy,
            Self::Output(y) => passing(dy, L::load_padded(&y[at..])),
            Self::Again { .. } => passing(dy, centred.mul_add(slope, shift)),
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
        column_sums::<L, 2>(self.x.len() / channels, channels, &self)
    }
}

impl<E: Stored> Terms<2> for GradientSums<'_, E> {
    /// The mean, and what the gate needs.
    type Shared<L: Lanes> = (L, [L; 2]);

    #[inline(always)]
    fn shared<L: Lanes>(&self, channel: usize) -> (L, [L; 2]) {
        (L::load_padded(&self.mean[channel..]), self.gate.shared(channel))
    }

    #[inline(always)]
    fn term<L: Lanes>(&self, (mean, gate): (L, [L; 2]), at: usize) -> [L; 2] {
        let x = L::load_padded(&self.x[at..]).sub(mean);
        let dz = self.gate.pass(gate, L::load_padded(&self.dy[at..]), x, at);
        [dz, dz.mul_add(x, L::splat(0.0))]
    }
}

/// What flows back to each input through mean and variance: for each channel a constant, and a
/// multiple of the centred input.
pub(crate) struct Feedback {
    pub(crate) constant: Vec<f32>,
    pub(crate) multiple: Vec<f32>,
}

impl Feedback {
    /// Multiples and constants of the channels from this one on.
    #[inline(always)]
    fn shared<L: Lanes>(&self, channel: usize) -> [L; 2] {
        [L::load_padded(&self.multiple[channel..]), L::load_padded(&self.constant[channel..])]
    }
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
    fn run<L: Lanes>(self) {
        let Self { x, dy, gate, write, dx, mut dresidual, .. } = self;
        let channels = self.mean.len();
        for tile in tiles(dx.len(), channels) {
            for columns in blocks(channels) {
                let mean = L::load_padded(&self.mean[columns.start..]);
                let slope = L::load_padded(&self.slope[columns.start..]);
                let shared = gate.shared(columns.start);
                let feedback = self.feedback.map(|feedback| feedback.shared::<L>(columns.start));
                let mut at = tile.start + columns.start;
                while at < tile.end {
                    let x = L::load_padded(&x[at..]).sub(mean);
                    let dx = &mut dx[at..at + columns.len()];
                    let old = L::load_padded(dx);
                    let dy = dy.map_or(old, |dy| L::load_padded(&dy[at..]));
                    let dz = gate.pass(shared, dy, x, at);
                    let mut sum = dz.mul_add(slope, kept(old, write));
                    if let Some([multiple, constant]) = feedback {
                        sum = x.mul_add(multiple, sum).add(constant);
                    }
                    sum.store_part(dx);
                    if let Some((write, dresidual)) = &mut dresidual {
                        let dresidual = &mut dresidual[at..at + columns.len()];
                        dz.add(kept(L::load_padded(dresidual), *write)).store_part(dresidual);
                    }
                    at += channels;
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
