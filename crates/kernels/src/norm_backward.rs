//! The gradients of batch normalisation.

use crate::error::check_lengths;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::norm::{check_rows, chunk_len, inverse_deviation, slope};
use crate::norm_rows::{Differentiate, Feedback, Gate, GradientSums};
use crate::vectors::{Block, repeated};
use crate::{Activation, BatchStats, Element, Error, Isa, Write, tasks};

/// Whether the statistics were functions of `x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistics {
    /// Mean and variance came from `x` itself, as in training.
    Batch,
    /// Mean and variance were constants, as in evaluation.
    Fixed,
}

/// The gradient of [`batch_norm`](crate::batch_norm)'s output (pixels x channels), and where that of its input goes.
#[derive(Debug)]
pub enum NormFlow<'a, E> {
    /// From one buffer to another.
    Across {
        /// Gradient of the output.
        dy: &'a [E],
        /// What happens to what `dx` holds.
        write: Write,
        /// Gradient of the input.
        dx: &'a mut [E],
    },
    /// The gradient of the input takes the place of the output's.
    InPlace(&'a mut [E]),
}

/// What says where the ReLU passed; no matter without one.
#[derive(Debug, Clone, Copy)]
pub enum Passed<'a> {
    /// The bits of [`batch_norm_with_bits`](crate::batch_norm_with_bits).
    Bits(&'a [u16]),
    /// The shift that the forward pass was given, if it had no residual: then the sign of the output
    /// is found again from `x`, which is read anyway.
    Shift(&'a [f32]),
}

/// Where [`batch_norm_backward`] puts its results.
#[derive(Debug)]
pub struct NormGradients<'a, E> {
    /// Gradients of the output and the input.
    pub flow: NormFlow<'a, E>,
    /// Gradient of the scale, one per channel, which is added.
    pub scale: &'a mut [f32],
    /// Gradient of the shift, one per channel, which is added.
    pub shift: &'a mut [f32],
    /// Gradient of the residual, pixels x channels, if it is wanted.
    pub residual: Option<(Write, &'a mut [E])>,
}

/// Writes the gradients of [`batch_norm`](crate::batch_norm)'s operands, given its input `x`, what says where the
/// ReLU passed and, in `gradients`, the gradient of the output.
///
/// # Errors
///
/// [`Error::Length`] or [`Error::Rows`] if a slice does not fit the others.
#[expect(clippy::too_many_arguments, reason = "the operands of one fused operator")]
pub fn batch_norm_backward<E: Element>(
    x: &[E],
    passed: Passed<'_>,
    stats: &BatchStats,
    scale: &[f32],
    eps: f32,
    activation: Activation,
    statistics: Statistics,
    gradients: NormGradients<'_, E>,
) -> Result<(), Error> {
    let operator = "batch_norm_backward";
    let channels = stats.mean.len();
    let NormGradients { flow, scale: dscale, shift: dshift, residual: dresidual } = gradients;
    check_rows(operator, x, channels)?;
    check_lengths(
        operator,
        &[
            passed.length(x.len(), channels),
            ("stats.var", stats.var.len(), channels),
            ("scale", scale.len(), channels),
            ("dy", flow.output().len(), x.len()),
            ("dx", flow.input_len(), x.len()),
            ("gradients.scale", dscale.len(), channels),
            ("gradients.shift", dshift.len(), channels),
            ("gradients.residual", dresidual.as_ref().map_or(x.len(), |(_, r)| r.len()), x.len()),
        ],
    )?;
    let slope = slope(stats, scale, eps);
    let repeated_slope = repeated(&slope);
    let repeated_shift;
    let gate = match (activation, passed) {
        (Activation::Identity, _) => Gate::Open,
        (Activation::Relu, Passed::Bits(bits)) => Gate::Bits(bits),
        (Activation::Relu, Passed::Shift(shift)) => {
            repeated_shift = repeated(shift);
            Gate::Again { slope: &repeated_slope, shift: &repeated_shift }
        }
    };
    let mean = &repeated(&stats.mean);
    let pass = Pass { isa: Isa::current(), x, channels, mean, gate };
    let sums = pass.sums(flow.output());
    for (c, (&sum, &product)) in sums[0].iter().zip(&sums[1]).enumerate() {
        dshift[c] += sum as f32;
        dscale[c] += product as f32 * inverse_deviation(stats.var[c], eps);
    }
    let feedback = match statistics {
        Statistics::Batch => {
            let count = (x.len() / channels) as f32;
            Some(Feedback::new(&sums, count, &stats.var, eps, &slope))
        }
        Statistics::Fixed => None,
    };
    pass.differentiate(&repeated_slope, feedback.as_ref(), flow, dresidual);
    Ok(())
}

/// What both passes over the pixels read.
struct Pass<'a, E> {
    isa: Isa,
    x: &'a [E],
    channels: usize,
    mean: &'a [Block],
    gate: Gate<'a>,
}

impl<E: Element> Pass<'_, E> {
    /// For each channel, the sums of [`GradientSums`].
    fn sums(&self, dy: &[E]) -> [Vec<f64>; 2] {
        let &Self { isa, x, channels, mean, gate } = self;
        let chunk = chunk_len(channels);
        let chunks = tasks::map(x.chunks(chunk).zip(dy.chunks(chunk)), |i, (x, dy)| {
            isa.run(GradientSums { x, dy, channels, mean, gate: gate.from(i * chunk) })
        });
        isa.run(Total { chunks: &chunks, channels })
    }

    /// Writes the gradients of the input and the residual.
    fn differentiate(
        &self,
        slope: &[Block],
        feedback: Option<&Feedback>,
        flow: NormFlow<'_, E>,
        residual: Option<(Write, &mut [E])>,
    ) {
        let &Self { isa, x, channels, mean, gate } = self;
        let (dy, write, dx) = match flow {
            NormFlow::Across { dy, write, dx } => (Some(dy), write, dx),
            NormFlow::InPlace(dy) => (None, Write::Overwrite, dy),
        };
        let chunk = chunk_len(channels);
        let residuals: Vec<_> = match residual {
            Some((write, part)) => part.chunks_mut(chunk).map(|part| Some((write, part))).collect(),
            None => (0..dx.len().div_ceil(chunk)).map(|_| None).collect(),
        };
        tasks::for_each(dx.chunks_mut(chunk).zip(residuals), |i, (dx, dresidual)| {
            let here = i * chunk..i * chunk + dx.len();
            let (x, gate) = (&x[here.clone()], gate.from(here.start));
            let dy = dy.map(|dy| &dy[here]);
            isa.run(Differentiate { x, dy, mean, gate, slope, feedback, write, dx, dresidual });
        });
    }
}

impl Passed<'_> {
    /// What it is called, how long it is, and how long it must be.
    fn length(&self, len: usize, channels: usize) -> (&'static str, usize, usize) {
        match self {
            Self::Bits(bits) => ("bits", bits.len(), len.div_ceil(LANES)),
            Self::Shift(shift) => ("shift", shift.len(), channels),
        }
    }
}

impl<E> NormFlow<'_, E> {
    fn output(&self) -> &[E] {
        match self {
            Self::Across { dy, .. } => dy,
            Self::InPlace(dy) => dy,
        }
    }

    fn input_len(&self) -> usize {
        match self {
            Self::Across { dx, .. } => dx.len(),
            Self::InPlace(dx) => dx.len(),
        }
    }
}

impl Feedback {
    /// What flows back into each of `count` pixels, given the sums of [`GradientSums`].
    fn new(sums: &[Vec<f64>; 2], count: f32, var: &[f32], eps: f32, slope: &[f32]) -> Self {
        let share = |sum: f64, slope: f32| -slope * sum as f32 / count;
        let [sums, products] = sums;
        let constant = sums.iter().zip(slope).map(|(&sum, &slope)| share(sum, slope));
        let multiple = products.iter().zip(slope).zip(var).map(|((&product, &slope), &var)| {
            share(product, slope) * inverse_deviation(var, eps).powi(2)
        });
        Self {
            constant: repeated(&constant.collect::<Vec<_>>()),
            multiple: repeated(&multiple.collect::<Vec<_>>()),
        }
    }
}

/// Sums the chunks' sums and products for each channel, in the chunks' order. A kernel for the sake of the instructions
/// with which its loops are compiled.
struct Total<'a> {
    chunks: &'a [[Vec<f32>; 2]],
    channels: usize,
}

impl Kernel for Total<'_> {
    type Output = [Vec<f64>; 2];

    #[inline(always)]
    fn run<L: Lanes>(self) -> [Vec<f64>; 2] {
        let mut totals = [vec![0.0; self.channels], vec![0.0; self.channels]];
        for chunk in self.chunks {
            for (totals, sums) in totals.iter_mut().zip(chunk) {
                for (total, &sum) in totals.iter_mut().zip(sums) {
                    *total += f64::from(sum);
                }
            }
        }
        totals
    }
}
