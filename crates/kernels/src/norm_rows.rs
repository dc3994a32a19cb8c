//! The inner loops of batch normalisation over a chunk of pixels. What belongs to channels comes
//! [`repeated`](crate::vectors::repeated).

use crate::column_sums::{PAIRED, Terms, column_sums};
use crate::element::Stored;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::vectors::Vectors;
use crate::{Activation, Write};

/// How many vectors ahead memory is asked for: some pages have to be found meanwhile.
const AHEAD: usize = 64;

/// What belongs to channels, for each block of a row.
type OfChannels = [[f32; LANES]];

/// The normalisation of a chunk.
pub(crate) struct Normalise<'a, E> {
    /// The input; `None` if it is what `y` holds.
    pub(crate) x: Option<&'a [E]>,
    pub(crate) mean: &'a OfChannels,
    pub(crate) slope: &'a OfChannels,
    pub(crate) shift: &'a OfChannels,
    pub(crate) residual: Option<&'a [E]>,
    pub(crate) activation: Activation,
    pub(crate) y: &'a mut [E],
    /// For each vector: which numbers pass the ReLU; empty if nobody asks.
    pub(crate) bits: &'a mut [u16],
}

impl<E: Stored> Kernel for Normalise<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        match self.bits {
            [] => self.rows::<L, false>(),
            _ => self.rows::<L, true>(),
        }
    }
}

impl<E: Stored> Normalise<'_, E> {
    /// With or without bits: to ask in the loop would cost a fifth of the time.
    #[inline(always)]
    fn rows<L: Lanes, const BITS: bool>(self) {
        let Self { x, mean, slope, shift, residual, activation, y, bits } = self;
        let mut all_bits = bits.iter_mut();
        let x = x.map(Vectors::new);
        let residual = residual.map(Vectors::new);
        let mut vector = 0;
        for y in y.chunks_mut(mean.len() * LANES) {
            let channels = mean.iter().zip(slope).zip(shift);
            for (y, ((mean, slope), shift)) in y.chunks_mut(LANES).zip(channels) {
                let x = match x {
                    Some(x) => {
                        x.expect::<L>(vector + AHEAD);
                        x.load::<L>(vector)
                    }
                    None => L::load_padded(y),
                };
                let centred = x.sub(L::load(mean));
                let mut z = centred.mul_add(L::load(slope), L::load(shift));
                if let Some(residual) = residual {
                    residual.expect::<L>(vector + AHEAD);
                    z = z.add(residual.load(vector));
                }
                let passes = z.passes_relu();
                if BITS && let Some(bits) = all_bits.next() {
                    *bits = L::bits(passes);
                    if y.len() < LANES {
                        *bits &= (1 << y.len()) - 1;
                    }
                }
                let z = match activation {
                    Activation::Identity => z,
                    Activation::Relu => passing(z, passes),
                };
                z.store_part(y);
                vector += 1;
            }
        }
    }
}

/// Which numbers' gradients pass the activation.
#[derive(Clone, Copy)]
pub(crate) enum Gate<'a> {
    /// All.
    Open,
    /// Those whose bit is set.
    Bits(&'a [u16]),
    /// Those whose output was positive: the input, times the slope, plus the shift.
    Again { slope: &'a OfChannels, shift: &'a OfChannels },
}

impl Gate<'_> {
    /// The gate of the numbers from this one on, which begins a pixel and a vector.
    pub(crate) fn from(self, first: usize) -> Self {
        match self {
            Self::Bits(bits) => Self::Bits(&bits[first / LANES..]),
            _ => self,
        }
    }

    /// What it needs to know of a block of channels.
    #[inline(always)]
    fn shared<L: Lanes>(self, block: usize) -> [L; 2] {
        match self {
            Self::Again { slope, shift } => [L::load(&slope[block]), L::load(&shift[block])],
            _ => [L::splat(0.0); 2],
        }
    }

    /// The gradients of a vector that pass, if this is its input, centred.
    #[inline(always)]
    fn pass<L: Lanes>(self, [slope, shift]: [L; 2], dy: L, centred: L, vector: usize) -> L {
        match self {
            Self::Open => dy,
            Self::Bits(bits) => passing(dy, L::mask(bits[vector])),
            Self::Again { .. } => passing(dy, centred.mul_add(slope, shift).passes_relu()),
        }
    }
}

/// For each channel of a chunk, the sums of the gradient of the normalised output, and of its product
/// with the centred input.
pub(crate) struct GradientSums<'a, E> {
    pub(crate) x: &'a [E],
    pub(crate) dy: &'a [E],
    pub(crate) channels: usize,
    pub(crate) mean: &'a OfChannels,
    pub(crate) gate: Gate<'a>,
}

impl<E: Stored> Kernel for GradientSums<'_, E> {
    type Output = [Vec<f32>; 2];

    #[inline(always)]
    fn run<L: Lanes>(self) -> [Vec<f32>; 2] {
        column_sums::<L, 2>(self.x.len(), self.channels, &self)
    }
}

impl<E: Stored> Terms<2> for GradientSums<'_, E> {
    /// The mean, and what the gate needs.
    type Shared<L: Lanes> = (L, [L; 2]);

    #[inline(always)]
    fn shared<L: Lanes>(&self, block: usize) -> (L, [L; 2]) {
        (L::load(&self.mean[block]), self.gate.shared(block))
    }

    #[inline(always)]
    fn term<L: Lanes>(&self, (mean, shared): (L, [L; 2]), vector: usize) -> [L; 2] {
        let (x, dy) = (Vectors::new(self.x), Vectors::new(self.dy));
        let ahead = vector + PAIRED * self.mean.len();
        x.expect::<L>(ahead);
        dy.expect::<L>(ahead);
        let x = x.load::<L>(vector).sub(mean);
        let dz = self.gate.pass(shared, dy.load(vector), x, vector);
        [dz, dz.mul_add(x, L::splat(0.0))]
    }
}

/// What flows back to each input through mean and variance: for each channel a constant, and a
/// multiple of the centred input.
pub(crate) struct Feedback {
    pub(crate) constant: Vec<[f32; LANES]>,
    pub(crate) multiple: Vec<[f32; LANES]>,
}

/// Writes the gradients of a chunk's input and residual.
pub(crate) struct Differentiate<'a, E> {
    pub(crate) x: &'a [E],
    /// The gradient of the output; `None` if it is what `dx` holds.
    pub(crate) dy: Option<&'a [E]>,
    pub(crate) mean: &'a OfChannels,
    pub(crate) gate: Gate<'a>,
    pub(crate) slope: &'a OfChannels,
    pub(crate) feedback: Option<&'a Feedback>,
    pub(crate) write: Write,
    pub(crate) dx: &'a mut [E],
    pub(crate) dresidual: Option<(Write, &'a mut [E])>,
}

impl<E: Stored> Kernel for Differentiate<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { x, dy, mean, gate, slope, feedback, write, dx, mut dresidual } = self;
        let x = Vectors::new(x);
        let dy = dy.map(Vectors::new);
        let mut vector = 0;
        for dx in dx.chunks_mut(mean.len() * LANES) {
            for (block, dx) in dx.chunks_mut(LANES).enumerate() {
                x.expect::<L>(vector + AHEAD);
                L::expect(dx, AHEAD * LANES);
                let x = x.load::<L>(vector).sub(L::load(&mean[block]));
                let old = L::load_padded(dx);
                let dy = match dy {
                    Some(dy) => dy.load(vector),
                    None => old,
                };
                let dz = gate.pass(gate.shared(block), dy, x, vector);
                let mut sum = dz.mul_add(L::load(&slope[block]), kept(old, write));
                if let Some(Feedback { constant, multiple }) = feedback {
                    let constant = L::load(&constant[block]);
                    sum = x.mul_add(L::load(&multiple[block]), sum).add(constant);
                }
                sum.store_part(dx);
                if let Some((write, dresidual)) = &mut dresidual {
                    let first = vector * LANES;
                    let dresidual = &mut dresidual[first..first + dx.len()];
                    L::expect(dresidual, AHEAD * LANES);
                    dz.add(kept(L::load_padded(dresidual), *write)).store_part(dresidual);
                }
                vector += 1;
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

/// `value` where it passes, else 0.
#[inline(always)]
fn passing<L: Lanes>(value: L, mask: L::Mask) -> L {
    L::select(mask, value, L::splat(0.0))
}
