//! The inner loops of batch normalisation over a chunk of pixels. What belongs to channels comes
//! [`repeated`](crate::vectors::repeated).

use crate::column_sums::{PAIRED, Terms, column_sums};
use crate::element::Stored;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::vectors::{Block, Vectors};
use crate::{Activation, Write};

/// How many vectors ahead memory is asked for: some pages have to be found meanwhile.
const AHEAD: usize = 64;

/// What belongs to channels, for each block of a row.
type OfChannels = [Block];

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
        let blocks = mean.len();
        let norm = Channels { slope: &slope[..blocks], shift: &shift[..blocks], mean, activation };
        let (x, residual) = (x.map(Vectors::new), residual.map(Vectors::new));
        let whole = y.len() / LANES / blocks * blocks;
        let (y, rest) = y.split_at_mut(whole * LANES);
        for (row, y) in y.as_chunks_mut().0.chunks_exact_mut(blocks).enumerate() {
            let first = row * blocks;
            let x_row = x.map(|x| x.row(first, blocks));
            let residual_row = residual.map(|residual| residual.row(first, blocks));
            let bits = if BITS { &mut bits[first..][..blocks] } else { &mut [] };
            for block in 0..blocks {
                let ahead = first + block + AHEAD;
                if let Some(x) = x {
                    x.expect::<L>(ahead);
                }
                let number = E::load::<L>(match x_row {
                    Some(x) => &x[block],
                    None => &y[block],
                });
                let mut z = norm.normalise(block, number);
                if let (Some(residual), Some(row)) = (residual, residual_row) {
                    residual.expect::<L>(ahead);
                    z = z.add(E::load(&row[block]));
                }
                let passes = z.passes_relu();
                if BITS {
                    bits[block] = L::bits(passes);
                }
                E::store_normal(norm.activate(z, passes), &mut y[block]);
            }
        }
        for (block, y) in rest.chunks_mut(LANES).enumerate() {
            let number = match x {
                Some(x) => x.load(whole + block),
                None => L::load_padded(y),
            };
            let mut z = norm.normalise(block, number);
            if let Some(residual) = residual {
                z = z.add(residual.load(whole + block));
            }
            let passes = z.passes_relu();
            if BITS {
                // Of the numbers that there are.
                bits[whole + block] = L::bits(passes) & (!0 >> (LANES - y.len()));
            }
            norm.activate(z, passes).store_part(y);
        }
    }
}

/// What a norm does to the blocks of a row.
#[derive(Clone, Copy)]
struct Channels<'a> {
    mean: &'a OfChannels,
    slope: &'a OfChannels,
    shift: &'a OfChannels,
    activation: Activation,
}

impl Channels<'_> {
    #[inline(always)]
    fn normalise<L: Lanes>(self, block: usize, x: L) -> L {
        let centred = x.sub(self.mean[block].load());
        centred.mul_add(self.slope[block].load(), self.shift[block].load())
    }

    #[inline(always)]
    fn activate<L: Lanes>(self, z: L, passes: L::Mask) -> L {
        match self.activation {
            Activation::Identity => z,
            Activation::Relu => passing(z, passes),
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
            Self::Again { slope, shift } => [slope[block].load(), shift[block].load()],
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
        let Self { x, dy, channels, mean, gate } = self;
        let terms = GradientTerms { x: Vectors::new(x), dy: Vectors::new(dy), mean, gate };
        column_sums::<L, 2>(x.len(), channels, &terms)
    }
}

struct GradientTerms<'a, E> {
    x: Vectors<'a, E>,
    dy: Vectors<'a, E>,
    mean: &'a OfChannels,
    gate: Gate<'a>,
}

impl<E: Stored> Terms<2> for GradientTerms<'_, E> {
    /// The mean, and what the gate needs.
    type Shared<L: Lanes> = (L, [L; 2]);

    #[inline(always)]
    fn shared<L: Lanes>(&self, block: usize) -> (L, [L; 2]) {
        (self.mean[block].load(), self.gate.shared(block))
    }

    #[inline(always)]
    fn term<L: Lanes, const WHOLE: bool>(
        &self,
        (mean, shared): (L, [L; 2]),
        vector: usize,
    ) -> [L; 2] {
        let ahead = vector + PAIRED * self.mean.len();
        self.x.expect::<L>(ahead);
        self.dy.expect::<L>(ahead);
        let x = self.x.load_if::<L, WHOLE>(vector).sub(mean);
        let dz = self.gate.pass(shared, self.dy.load_if::<L, WHOLE>(vector), x, vector);
        [dz, dz.mul_add(x, L::splat(0.0))]
    }
}

/// What flows back to each input through mean and variance: for each channel a constant, and a
/// multiple of the centred input.
pub(crate) struct Feedback {
    pub(crate) constant: Vec<Block>,
    pub(crate) multiple: Vec<Block>,
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
        let Self { x, dy, mean, gate, slope, feedback, write, dx, dresidual } = self;
        let blocks = mean.len();
        let (x, dy) = (Vectors::new(x), dy.map(Vectors::new));
        let feedback = feedback.map(|Feedback { constant, multiple }| {
            [constant, multiple].map(|of_channels| &of_channels[..blocks])
        });
        let channels = GradientChannels { mean, slope: &slope[..blocks], feedback };
        let whole = dx.len() / LANES / blocks * blocks;
        let (dx, dx_rest) = dx.split_at_mut(whole * LANES);
        let mut residual = dresidual.map(|(write, numbers)| {
            let (rows, rest) = numbers.split_at_mut(whole * LANES);
            (write, rows.as_chunks_mut().0, rest.chunks_mut(LANES))
        });
        for (row, dx) in dx.as_chunks_mut().0.chunks_exact_mut(blocks).enumerate() {
            let first = row * blocks;
            let (x_row, gate) = (x.row(first, blocks), gate.from(first * LANES));
            let dy_row = dy.map(|dy| dy.row(first, blocks));
            for block in 0..blocks {
                let ahead = first + block + AHEAD;
                x.expect::<L>(ahead);
                L::expect(&*dx, block + AHEAD);
                let x = channels.centred(block, E::load::<L>(&x_row[block]));
                let old = E::load(&dx[block]);
                let dy = match dy_row {
                    Some(dy) => E::load(&dy[block]),
                    None => old,
                };
                let dz = gate.pass(gate.shared(block), dy, x, block);
                let sum = channels.differentiate(block, x, dz, kept(old, write));
                E::store_normal(sum, &mut dx[block]);
                if let Some((write, rows, _)) = &mut residual {
                    L::expect(rows, ahead);
                    let dresidual = &mut rows[first + block];
                    E::store_normal(dz.add(kept(E::load(dresidual), *write)), dresidual);
                }
            }
        }
        for (block, dx) in dx_rest.chunks_mut(LANES).enumerate() {
            let vector = whole + block;
            let x = channels.centred(block, x.load::<L>(vector));
            let old = L::load_padded(dx);
            let dy = match dy {
                Some(dy) => dy.load(vector),
                None => old,
            };
            let dz = gate.pass(gate.shared(block), dy, x, vector);
            channels.differentiate(block, x, dz, kept(old, write)).store_part(dx);
            if let Some((write, _, rest)) = &mut residual
                && let Some(dresidual) = rest.next()
            {
                dz.add(kept(L::load_padded(dresidual), *write)).store_part(dresidual);
            }
        }
    }
}

/// What a norm's gradient needs of the blocks of a row.
#[derive(Clone, Copy)]
struct GradientChannels<'a> {
    mean: &'a OfChannels,
    slope: &'a OfChannels,
    /// Constant and multiple of the [`Feedback`].
    feedback: Option<[&'a OfChannels; 2]>,
}

impl GradientChannels<'_> {
    #[inline(always)]
    fn centred<L: Lanes>(self, block: usize, x: L) -> L {
        x.sub(self.mean[block].load())
    }

    /// The gradient of an input, given the gradient behind the activation and what is kept of the old content.
    #[inline(always)]
    fn differentiate<L: Lanes>(self, block: usize, centred: L, dz: L, kept: L) -> L {
        let sum = dz.mul_add(self.slope[block].load(), kept);
        match self.feedback {
            Some([constant, multiple]) => {
                let constant = constant[block].load();
                centred.mul_add(multiple[block].load(), sum).add(constant)
            }
            None => sum,
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
