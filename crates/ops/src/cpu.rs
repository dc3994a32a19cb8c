//! The fast form of each operator: `f32`, [`Bf16`] and [`f16`] on the CPU, computed by
//! [`trickbag_kernels`].

use std::ops::Range;
use std::sync::Arc;

use bytemuck::TransparentWrapper;
use bytemuck::allocation::TransparentWrapperAlloc;
use dfdx::dtypes::{Dtype, f16};
use dfdx::prelude::*;
use rayon::prelude::*;
use trickbag_collective::Collective;
use trickbag_kernels as kernels;
use trickbag_kernels::{
    Activation, AvgPool, BatchStats, Conv, FixedNorm, Linear, MaxPool, NormFlow, NormGradients,
    Passed, Statistics, Write,
};

use crate::buffers::{self, Pooled};
use crate::composed::{
    check_channels, check_ghosts, check_residual, conv_geometry, dims, image_shape, linear_shape,
};
use crate::joint::Joint;
use crate::profile::spend;
use crate::{
    Affine, Backend, BatchStatistics, Bf16, Divisor, Error, FeatureMap, Filter, Flow, Matrix,
    Normalised, Pointwise, Rounding, Synchronised, Vector, Window,
};

mod blur;
mod channels;
mod pointwise;

use blur::blur_pool;
use channels::{concat_channels, scale_channels};
use pointwise::{CHUNK, pointwise};

/// A number format that the kernels compute in.
pub(crate) trait Number: Dtype + Pooled {
    /// The kernels' name for it.
    type Element: kernels::Element;

    const NAME: &'static str;

    fn elements(numbers: &[Self]) -> &[Self::Element];
    fn elements_mut(numbers: &mut [Self]) -> &mut [Self::Element];
    fn numbers(elements: Vec<Self::Element>) -> Vec<Self>;
}

impl Number for f32 {
    type Element = f32;

    const NAME: &'static str = "f32";

    fn elements(numbers: &[f32]) -> &[f32] {
        numbers
    }

    fn elements_mut(numbers: &mut [f32]) -> &mut [f32] {
        numbers
    }

    fn numbers(elements: Vec<f32>) -> Vec<f32> {
        elements
    }
}

impl Number for Bf16 {
    type Element = kernels::bf16;

    const NAME: &'static str = "bf16";

    fn elements(numbers: &[Bf16]) -> &[kernels::bf16] {
        Bf16::peel_slice(numbers)
    }

    fn elements_mut(numbers: &mut [Bf16]) -> &mut [kernels::bf16] {
        Bf16::peel_slice_mut(numbers)
    }

    fn numbers(elements: Vec<kernels::bf16>) -> Vec<Bf16> {
        Bf16::wrap_vec(elements)
    }
}

impl Number for f16 {
    type Element = f16;

    const NAME: &'static str = "f16";

    fn elements(numbers: &[f16]) -> &[f16] {
        numbers
    }

    fn elements_mut(numbers: &mut [f16]) -> &mut [f16] {
        numbers
    }

    fn numbers(elements: Vec<f16>) -> Vec<f16> {
        elements
    }
}

// All formats have the same methods. A blanket implementation for all `Number`s would overlap with
// that of the composed forms in the eyes of the compiler.
macro_rules! fast_form {
    ($E:ty) => {
        fn conv2d<T: Tape<$E, Self>>(
            x: FeatureMap<$E, Self, T>,
            filter: &FeatureMap<$E, Self>,
            window: &Window,
            groups: usize,
        ) -> Result<FeatureMap<$E, Self, T>, Error> {
            conv2d(x, filter, window, groups)
        }

        fn ghost_batch_norm<T: Tape<$E, Self>>(
            x: FeatureMap<$E, Self, T>,
            ghosts: usize,
            affine: &Affine<'_, $E, Self>,
            residual: Option<FeatureMap<$E, Self, T>>,
        ) -> Result<Normalised<$E, Self, T>, Error> {
            ghost_batch_norm(x, ghosts, affine, residual)
        }

        fn sync_batch_norm<T: Tape<$E, Self>>(
            x: FeatureMap<$E, Self, T>,
            affine: &Affine<'_, $E, Self>,
            residual: Option<FeatureMap<$E, Self, T>>,
            ranks: &Arc<dyn Collective>,
        ) -> Result<Synchronised<$E, Self, T>, Error> {
            sync_batch_norm(x, affine, residual, ranks)
        }

        fn batch_norm_fixed<T: Tape<$E, Self>>(
            x: FeatureMap<$E, Self, T>,
            statistics: &BatchStatistics<Self>,
            affine: &Affine<'_, $E, Self>,
            residual: Option<FeatureMap<$E, Self, T>>,
        ) -> Result<FeatureMap<$E, Self, T>, Error> {
            batch_norm_fixed(x, statistics, affine, residual)
        }

        fn conv2d_batch_norm<T: Tape<$E, Self>>(
            x: FeatureMap<$E, Self, T>,
            filter: &FeatureMap<$E, Self>,
            window: &Window,
            groups: usize,
            flow: Flow,
            affine: &Affine<'_, $E, Self>,
            residual: Option<FeatureMap<$E, Self, T>>,
        ) -> Result<Normalised<$E, Self, T>, Error> {
            conv2d_batch_norm(x, filter, window, groups, flow, affine, residual)
        }

        fn conv2d_batch_norm_fixed<T: Tape<$E, Self>>(
            x: FeatureMap<$E, Self, T>,
            filter: Filter<'_, $E, Self>,
            window: &Window,
            groups: usize,
            statistics: &BatchStatistics<Self>,
            affine: &Affine<'_, $E, Self>,
            residual: Option<FeatureMap<$E, Self, T>>,
        ) -> Result<FeatureMap<$E, Self, T>, Error> {
            conv2d_batch_norm_fixed(x, filter, window, groups, statistics, affine, residual)
        }

        fn max_pool<T: Tape<$E, Self>>(
            x: FeatureMap<$E, Self, T>,
            window: &Window,
        ) -> Result<FeatureMap<$E, Self, T>, Error> {
            max_pool(x, window)
        }

        fn avg_pool<T: Tape<$E, Self>>(
            x: FeatureMap<$E, Self, T>,
            window: &Window,
            rounding: Rounding,
            divisor: Divisor,
        ) -> Result<FeatureMap<$E, Self, T>, Error> {
            avg_pool(x, window, rounding, divisor)
        }

        fn global_avg_pool<T: Tape<$E, Self>>(
            x: FeatureMap<$E, Self, T>,
        ) -> Result<Matrix<$E, Self, T>, Error> {
            global_avg_pool(x)
        }

        fn linear<T: Tape<$E, Self>>(
            x: Matrix<$E, Self, T>,
            weight: &Matrix<$E, Self>,
            bias: &Vector<$E, Self>,
        ) -> Result<Matrix<$E, Self, T>, Error> {
            linear(x, weight, bias)
        }

        fn blur_pool<T: Tape<$E, Self>>(
            x: FeatureMap<$E, Self, T>,
        ) -> Result<FeatureMap<$E, Self, T>, Error> {
            blur_pool(x)
        }

        fn pointwise<S: Shape, T: Tape<$E, Self>>(
            x: Tensor<S, $E, Self, T>,
            function: Pointwise,
        ) -> Result<Tensor<S, $E, Self, T>, Error> {
            pointwise(x, function)
        }

        fn scale_channels<T: Tape<$E, Self>>(
            x: FeatureMap<$E, Self, T>,
            factors: Matrix<$E, Self, T>,
        ) -> Result<FeatureMap<$E, Self, T>, Error> {
            scale_channels(x, factors)
        }

        fn concat_channels<T: Tape<$E, Self>>(
            parts: Vec<FeatureMap<$E, Self, T>>,
        ) -> Result<FeatureMap<$E, Self, T>, Error> {
            concat_channels(parts)
        }
    };
}

impl Backend<f32> for Cpu {
    fast_form!(f32);

    fn from_f32<S: Shape>(x: Tensor<S, f32, Self>) -> Result<Tensor<S, f32, Self>, Error> {
        Ok(x)
    }

    fn to_f32<S: Shape>(x: Tensor<S, f32, Self>) -> Result<Tensor<S, f32, Self>, Error> {
        Ok(x)
    }

    fn take_gradient<S: Shape>(
        gradients: &mut Gradients<f32, Self>,
        of: &Tensor<S, f32, Self>,
    ) -> Result<Tensor<S, f32, Self>, Error> {
        let gradient = take(gradients.get_or_alloc_mut(of).map_err(Error::device)?);
        tensor(of.device(), gradient, *of.shape())
    }
}

/// Casts to and from a 16-bit format.
macro_rules! casts {
    ($E:ty) => {
        fn from_f32<S: Shape>(x: Tensor<S, f32, Self>) -> Result<Tensor<S, $E, Self>, Error> {
            converted(&contiguous(x)?)
        }

        fn to_f32<S: Shape>(x: Tensor<S, $E, Self>) -> Result<Tensor<S, f32, Self>, Error> {
            converted(&contiguous(x)?)
        }

        fn take_gradient<S: Shape>(
            gradients: &mut Gradients<$E, Self>,
            of: &Tensor<S, $E, Self>,
        ) -> Result<Tensor<S, f32, Self>, Error> {
            let gradient = take(gradients.get_or_alloc_mut(of).map_err(Error::device)?);
            tensor(of.device(), cast(&gradient), *of.shape())
        }
    };
}

impl Backend<Bf16> for Cpu {
    fast_form!(Bf16);
    casts!(Bf16);
}

impl Backend<f16> for Cpu {
    fast_form!(f16);
    casts!(f16);
}

fn conv2d<E: Number, T: Tape<E, Cpu>>(
    x: FeatureMap<E, Cpu, T>,
    filter: &FeatureMap<E, Cpu>,
    window: &Window,
    groups: usize,
) -> Result<FeatureMap<E, Cpu, T>, Error> {
    let conv = conv_geometry(x.shape(), filter.shape(), window, groups)?;
    let (x, tape) = contiguous(x)?.split_tape();
    let (filter, mut tape) = parameter(filter, tape)?;
    let mut y = buffers::take::<E>(conv.output().len());
    spend(
        || conv_label(&conv, "forward"),
        conv.macs(),
        || conv.forward(elements(&x), elements(&filter), E::elements_mut(&mut y)),
    )?;
    let y = tensor(x.device(), y, dims(conv.output()))?;
    let y_ghost = y.ghost();
    tape.add_backward_op(move |grads| {
        let dy = take(grads.get_or_alloc_mut(&y_ghost)?);
        conv_backward(&conv, &x, &filter, Flow::Through, &dy, grads)?;
        buffers::give(dy);
        Ok(())
    });
    Ok(y.put_tape(tape))
}

/// Adds the gradients of a convolution's operands.
fn conv_backward<E: Number>(
    conv: &Conv,
    x: &FeatureMap<E, Cpu>,
    filter: &FeatureMap<E, Cpu>,
    flow: Flow,
    dy: &[E],
    grads: &mut Gradients<E, Cpu>,
) -> Result<(), CpuError> {
    let dy = E::elements(dy);
    if flow == Flow::Through {
        let dx = E::elements_mut(grads.get_or_alloc_mut(x)?);
        spend(
            || conv_label(conv, "backward input"),
            conv.macs(),
            || conv.backward_input(dy, elements(filter), Write::Add, dx).map_err(checked),
        )?;
    }
    let dfilter = E::elements_mut(grads.get_or_alloc_mut(filter)?);
    spend(
        || conv_label(conv, "backward weight"),
        conv.macs(),
        || conv.backward_weight(elements(x), dy, dfilter).map_err(checked),
    )
}

fn conv_label(conv: &Conv, pass: &str) -> String {
    let (from, to) = (conv.input(), conv.output());
    let [height, width] = conv.window().kernel;
    let groups = match conv.groups() {
        1 => String::new(),
        groups => format!(" in {groups} groups"),
    };
    format!(
        "conv {height}x{width} {}x{}x{} to {}x{}x{}{groups} {pass}",
        from.height, from.width, from.channels, to.height, to.width, to.channels
    )
}

fn norm_label(shape: &(usize, usize, usize, usize), pass: &str) -> String {
    format!("batch norm {}x{}x{} {pass}", shape.1, shape.2, shape.3)
}

fn ghost_batch_norm<E: Number, T: Tape<E, Cpu>>(
    x: FeatureMap<E, Cpu, T>,
    ghosts: usize,
    affine: &Affine<'_, E, Cpu>,
    residual: Option<FeatureMap<E, Cpu, T>>,
) -> Result<Normalised<E, Cpu, T>, Error> {
    check_ghosts(x.shape().0, ghosts)?;
    let (x, tape) = contiguous(x)?.split_tape();
    let stats: Vec<BatchStats> = spend(
        || norm_label(x.shape(), "statistics"),
        0,
        || {
            let parts = elements(&x).chunks((x.shape().num_elements() / ghosts).max(1));
            parts.map(|part| kernels::batch_norm_stats(part, x.shape().3)).collect::<Result<_, _>>()
        },
    )?;
    let statistics = BatchStatistics::on(x.device(), &mean(&stats))?;
    let y = normalise(x.put_tape(tape), stats, Source::Batch, affine, residual)?;
    Ok((y, statistics))
}

fn sync_batch_norm<E: Number, T: Tape<E, Cpu>>(
    x: FeatureMap<E, Cpu, T>,
    affine: &Affine<'_, E, Cpu>,
    residual: Option<FeatureMap<E, Cpu, T>>,
    ranks: &Arc<dyn Collective>,
) -> Result<Synchronised<E, Cpu, T>, Error> {
    let (x, tape) = contiguous(x)?.split_tape();
    let (values, channels) = (elements(&x), x.shape().3);
    let own = spend(
        || norm_label(x.shape(), "statistics"),
        0,
        || kernels::batch_norm_stats(values, channels),
    )?;
    let joint = Joint::new(&own, values.len() / channels, ranks)?;
    let (statistics, pixels) = (BatchStatistics::on(x.device(), &joint.stats)?, joint.pixels);
    let stats = vec![joint.stats.clone()];
    let y = normalise(x.put_tape(tape), stats, Source::Ranks(joint), affine, residual)?;
    Ok((y, statistics, pixels))
}

/// The mean of the statistics of equal parts.
fn mean(parts: &[BatchStats]) -> BatchStats {
    let mean = |of: fn(&BatchStats) -> &Vec<f32>| {
        let channels = parts.first().map_or(0, |part| of(part).len());
        let sum = |channel| parts.iter().map(|part| of(part)[channel]).sum::<f32>();
        (0..channels).map(|channel| sum(channel) / parts.len() as f32).collect()
    };
    BatchStats { mean: mean(|part| &part.mean), var: mean(|part| &part.var) }
}

fn batch_norm_fixed<E: Number, T: Tape<E, Cpu>>(
    x: FeatureMap<E, Cpu, T>,
    statistics: &BatchStatistics<Cpu>,
    affine: &Affine<'_, E, Cpu>,
    residual: Option<FeatureMap<E, Cpu, T>>,
) -> Result<FeatureMap<E, Cpu, T>, Error> {
    let stats = fixed_stats(statistics, x.shape().3)?;
    normalise(contiguous(x)?, vec![stats], Source::Fixed, affine, residual)
}

/// Running statistics of so many channels.
fn fixed_stats(statistics: &BatchStatistics<Cpu>, channels: usize) -> Result<BatchStats, Error> {
    check_channels("running mean", &statistics.mean, channels)?;
    check_channels("running variance", &statistics.var, channels)?;
    Ok(BatchStats { mean: statistics.mean.as_vec(), var: statistics.var.as_vec() })
}

/// Without a tape, a band of the convolution's output is normalised while it is in the cache.
fn conv2d_batch_norm_fixed<E: Number, T: Tape<E, Cpu>>(
    x: FeatureMap<E, Cpu, T>,
    filter: Filter<'_, E, Cpu>,
    window: &Window,
    groups: usize,
    statistics: &BatchStatistics<Cpu>,
    affine: &Affine<'_, E, Cpu>,
    residual: Option<FeatureMap<E, Cpu, T>>,
) -> Result<FeatureMap<E, Cpu, T>, Error> {
    if T::OWNS_TAPE {
        let x = conv2d(x, filter.values, window, groups)?;
        return batch_norm_fixed(x, statistics, affine, residual);
    }
    let Filter { values: filter, packed } = filter;
    let conv = conv_geometry(x.shape(), filter.shape(), window, groups)?;
    let shape = dims(conv.output());
    let stats = fixed_stats(statistics, shape.3)?;
    check_channels("norm scale", affine.scale, shape.3)?;
    check_channels("norm shift", affine.shift, shape.3)?;
    check_residual(residual.as_ref().map(|residual| residual.shape()), &shape)?;
    let (x, tape) = contiguous(x)?.split_tape();
    let (filter, tape) = parameter(filter, tape)?;
    let (scale, tape) = parameter(affine.scale, tape)?;
    let (shift, tape) = parameter(affine.shift, tape)?;
    let (residual, tape) = split(residual, tape)?;
    let norm = FixedNorm {
        stats: &stats,
        scale: &wide(&scale),
        shift: &wide(&shift),
        eps: affine.eps,
        residual: residual.as_ref().map(elements),
        activation: affine.activation,
    };
    let y = spend(
        || conv_label(&conv, "and norm"),
        conv.macs(),
        || match packed {
            Some(packed) => conv.forward_packed(elements(&x), elements(&filter), packed, norm),
            None => conv.forward_normalised(elements(&x), elements(&filter), norm),
        },
    )?;
    Ok(tensor(x.device(), E::numbers(y), shape)?.put_tape(tape))
}

fn normalise<E: Number, T: Tape<E, Cpu>>(
    x: FeatureMap<E, Cpu, T>,
    stats: Vec<BatchStats>,
    source: Source,
    affine: &Affine<'_, E, Cpu>,
    residual: Option<FeatureMap<E, Cpu, T>>,
) -> Result<FeatureMap<E, Cpu, T>, Error> {
    let shape = *x.shape();
    let (x, tape) = x.split_tape();
    let (residual, tape) = split(residual, tape)?;
    let (mut norm, mut tape) = Norm::new(affine, stats, source, &shape, residual.as_ref(), tape)?;
    let y = tensor(x.device(), norm.forward(elements(&x), residual)?, shape)?;
    let y_ghost = y.ghost();
    tape.add_backward_op(move |grads| {
        let mut dx = take(grads.get_or_alloc_mut(&y_ghost)?);
        norm.backward(elements(&x), &mut dx, grads)?;
        let sums = grads.get_or_alloc_mut(&x)?.par_chunks_mut(CHUNK);
        sums.zip(dx.par_chunks(CHUNK)).for_each(|(sums, dx)| {
            sums.iter_mut().zip(dx).for_each(|(sum, &dx)| *sum += dx);
        });
        Ok(())
    });
    Ok(y.put_tape(tape))
}

/// A convolution and its norm know each other: the statistics are gathered while the convolution's
/// output is in the cache, and its gradient takes the place of that of the norm's output.
fn conv2d_batch_norm<E: Number, T: Tape<E, Cpu>>(
    x: FeatureMap<E, Cpu, T>,
    filter: &FeatureMap<E, Cpu>,
    window: &Window,
    groups: usize,
    flow: Flow,
    affine: &Affine<'_, E, Cpu>,
    residual: Option<FeatureMap<E, Cpu, T>>,
) -> Result<Normalised<E, Cpu, T>, Error> {
    let conv = conv_geometry(x.shape(), filter.shape(), window, groups)?;
    let (x, tape) = contiguous(x)?.split_tape();
    let (filter, tape) = parameter(filter, tape)?;
    let (dev, shape) = (x.device().clone(), dims(conv.output()));
    let mut z = buffers::take::<E>(conv.output().len());
    let stats = spend(
        || conv_label(&conv, "forward"),
        conv.macs(),
        || conv.forward_with_stats(elements(&x), elements(&filter), E::elements_mut(&mut z)),
    )?;
    let running = BatchStatistics::on(&dev, &stats)?;
    let (residual, tape) = split(residual, tape)?;
    let (mut norm, mut tape) =
        Norm::new(affine, vec![stats], Source::Batch, &shape, residual.as_ref(), tape)?;
    let y = tensor(&dev, norm.forward(E::elements(&z), residual)?, shape)?;
    if !T::OWNS_TAPE {
        buffers::give(z);
        return Ok((y.put_tape(tape), running));
    }
    let y_ghost = y.ghost();
    tape.add_backward_op(move |grads| {
        let mut dz = take(grads.get_or_alloc_mut(&y_ghost)?);
        norm.backward(E::elements(&z), &mut dz, grads)?;
        buffers::give(z);
        conv_backward(&conv, &x, &filter, flow, &dz, grads)
    });
    Ok((y.put_tape(tape), running))
}

/// Where the statistics of a norm come from.
enum Source {
    /// What is normalised.
    Batch,
    /// Elsewhere: they are constants.
    Fixed,
    /// What all ranks normalise.
    Ranks(Joint),
}

/// A batch norm with its statistics at hand, for both passes.
struct Norm<E: Number> {
    scale: Vector<E, Cpu>,
    shift: Vector<E, Cpu>,
    /// Of each of so many equal parts of the batch.
    stats: Vec<BatchStats>,
    source: Source,
    eps: f32,
    activation: Activation,
    residual: Option<Slot<E>>,
    shape: (usize, usize, usize, usize),
    /// Of each part, where the ReLU passed, if the backward pass cannot tell from what is normalised.
    bits: Option<Vec<Vec<u16>>>,
}

impl<E: Number> Norm<E> {
    fn new<T: Tape<E, Cpu>>(
        affine: &Affine<'_, E, Cpu>,
        stats: Vec<BatchStats>,
        source: Source,
        shape: &(usize, usize, usize, usize),
        residual: Option<&FeatureMap<E, Cpu>>,
        tape: T,
    ) -> Result<(Self, T), Error> {
        check_channels("norm scale", affine.scale, shape.3)?;
        check_channels("norm shift", affine.shift, shape.3)?;
        check_residual(residual.map(|r| r.shape()), shape)?;
        let residual = residual.map(slot);
        let (scale, tape) = parameter(affine.scale, tape)?;
        let (shift, tape) = parameter(affine.shift, tape)?;
        let Affine { eps, activation, .. } = *affine;
        let keeps = T::OWNS_TAPE && activation == Activation::Relu && residual.is_some();
        let (bits, shape) = (keeps.then(Vec::new), *shape);
        Ok((Self { scale, shift, stats, source, eps, activation, residual, shape, bits }, tape))
    }

    /// The residual is not kept.
    fn forward(
        &mut self,
        x: &[E::Element],
        residual: Option<FeatureMap<E, Cpu>>,
    ) -> Result<Vec<E>, Error> {
        let Self { scale, shift, stats, eps, activation, shape, bits, .. } = self;
        let (scale, shift) = (wide(scale), wide(shift));
        let residual = residual.as_ref().map(elements);
        let len = x.len() / stats.len();
        let normalised = |(part, stats)| {
            let part = len * part..len * (part + 1);
            let norm = FixedNorm {
                stats,
                scale: &scale,
                shift: &shift,
                eps: *eps,
                residual: residual.map(|residual| &residual[part.clone()]),
                activation: *activation,
            };
            let Some(bits) = bits else { return kernels::batch_norm(&x[part], norm) };
            let (y, passed) = kernels::batch_norm_with_bits(&x[part], norm)?;
            bits.push(passed);
            Ok(y)
        };
        let mut parts: Vec<_> = spend(
            || norm_label(shape, "forward"),
            0,
            || stats.iter().enumerate().map(normalised).collect::<Result<_, _>>(),
        )?;
        let y = if parts.len() == 1 { parts.remove(0) } else { parts.concat() };
        Ok(E::numbers(y))
    }

    /// Turns the gradient of the output into that of `x`, and adds those of the other operands.
    fn backward(
        self,
        x: &[E::Element],
        gradient: &mut [E],
        grads: &mut Gradients<E, Cpu>,
    ) -> Result<(), CpuError> {
        let len = x.len() / self.stats.len();
        for (nth, stats) in self.stats.iter().enumerate() {
            let part = len * nth..len * (nth + 1);
            let bits = self.bits.as_ref().map(|bits| &bits[nth][..]);
            self.part_backward(&x[part.clone()], stats, bits, gradient, part, grads)?;
        }
        Ok(())
    }

    /// The same for a part of the batch, the elements `part` of the whole.
    fn part_backward(
        &self,
        x: &[E::Element],
        stats: &BatchStats,
        bits: Option<&[u16]>,
        gradient: &mut [E],
        part: Range<usize>,
        grads: &mut Gradients<E, Cpu>,
    ) -> Result<(), CpuError> {
        let Self { scale, shift, source, eps, activation, residual, .. } = self;
        let zeros = || vec![0.0; scale.shape().0];
        let (mut dscale, mut dshift) = (zeros(), zeros());
        let dresidual = match residual {
            Some(gradient) => Some(E::elements_mut(&mut gradient(grads)?[part.clone()])),
            None => None,
        };
        let gradients = NormGradients {
            flow: NormFlow::InPlace(E::elements_mut(&mut gradient[part.clone()])),
            scale: &mut dscale,
            shift: &mut dshift,
            residual: dresidual.map(|dresidual| (Write::Add, dresidual)),
        };
        let [wide_scale, wide_shift] = [scale, shift].map(wide);
        let passed = match bits {
            Some(bits) => Passed::Bits(bits),
            None => Passed::Shift(&wide_shift),
        };
        let statistics = match source {
            Source::Batch => Statistics::Batch,
            // What flows through the statistics of all ranks comes when theirs is known.
            Source::Fixed | Source::Ranks(_) => Statistics::Fixed,
        };
        spend(
            || norm_label(&self.shape, "backward"),
            0,
            || {
                kernels::batch_norm_backward(
                    x,
                    passed,
                    stats,
                    &wide_scale,
                    *eps,
                    *activation,
                    statistics,
                    gradients,
                )
            },
        )
        .map_err(checked)?;
        if let Source::Ranks(joint) = source {
            let [factor, offset] = joint.feedback(&wide_scale, *eps, &dscale, &dshift);
            let gradient = &mut gradient[part];
            let norm = FixedNorm {
                stats,
                scale: &factor,
                shift: &offset,
                eps: *eps,
                residual: Some(E::elements(gradient)),
                activation: Activation::Identity,
            };
            let dx = kernels::batch_norm(x, norm).map_err(checked)?;
            E::elements_mut(gradient).copy_from_slice(&dx);
        }
        add_narrowed(grads.get_or_alloc_mut(scale)?, dscale);
        add_narrowed(grads.get_or_alloc_mut(shift)?, dshift);
        Ok(())
    }
}

/// Finds a tensor's gradient, and does not keep its values. dfdx's own type for this has no public name.
type Slot<E> = Box<dyn Fn(&mut Gradients<E, Cpu>) -> Result<&mut [E], CpuError>>;

fn slot<E: Number>(x: &FeatureMap<E, Cpu>) -> Slot<E> {
    let ghost = x.ghost();
    Box::new(move |grads| Ok(grads.get_or_alloc_mut(&ghost)?))
}

/// A contiguous operand without its tape, which joins the other.
fn split<E: Number, T: Tape<E, Cpu>>(
    operand: Option<FeatureMap<E, Cpu, T>>,
    tape: T,
) -> Result<(Option<FeatureMap<E, Cpu>>, T), Error> {
    let Some(operand) = operand else { return Ok((None, tape)) };
    let (operand, joining) = contiguous(operand)?.split_tape();
    Ok((Some(operand), tape.merge(joining)))
}

fn max_pool<E: Number, T: Tape<E, Cpu>>(
    x: FeatureMap<E, Cpu, T>,
    window: &Window,
) -> Result<FeatureMap<E, Cpu, T>, Error> {
    let pool = MaxPool::new(image_shape(x.shape()), *window)?;
    let (x, tape) = contiguous(x)?.split_tape();
    let mut y = buffers::take::<E>(pool.output().len());
    let mut argmax = vec![0; y.len()];
    spend(
        || "max pool forward".into(),
        0,
        || pool.forward(elements(&x), E::elements_mut(&mut y), &mut argmax),
    )?;
    operator("max pool", &x, y, dims(pool.output()), tape, move |dy, dx| {
        pool.backward(&argmax, dy, dx)
    })
}

fn avg_pool<E: Number, T: Tape<E, Cpu>>(
    x: FeatureMap<E, Cpu, T>,
    window: &Window,
    rounding: Rounding,
    divisor: Divisor,
) -> Result<FeatureMap<E, Cpu, T>, Error> {
    let pool = AvgPool::new(image_shape(x.shape()), *window, rounding, divisor)?;
    let (x, tape) = contiguous(x)?.split_tape();
    let mut y = buffers::take::<E>(pool.output().len());
    spend(
        || "average pool forward".into(),
        0,
        || pool.forward(elements(&x), E::elements_mut(&mut y)),
    )?;
    operator("average pool", &x, y, dims(pool.output()), tape, move |dy, dx| pool.backward(dy, dx))
}

fn global_avg_pool<E: Number, T: Tape<E, Cpu>>(
    x: FeatureMap<E, Cpu, T>,
) -> Result<Matrix<E, Cpu, T>, Error> {
    let shape = image_shape(x.shape());
    let (x, tape) = contiguous(x)?.split_tape();
    let mut y = buffers::take::<E>(shape.batch * shape.channels);
    spend(
        || "global average pool forward".into(),
        0,
        || kernels::global_avg_pool(shape, elements(&x), E::elements_mut(&mut y)),
    )?;
    operator("global average pool", &x, y, (shape.batch, shape.channels), tape, move |dy, dx| {
        kernels::global_avg_pool_backward(shape, dy, dx)
    })
}

/// The output `y` of an operator on `x` alone, whose backward pass adds to the gradient of `x`.
fn operator<From: Shape, E: Number, S: Shape, T: Tape<E, Cpu>>(
    name: &'static str,
    x: &Tensor<From, E, Cpu>,
    y: Vec<E>,
    shape: S,
    mut tape: T,
    backward: impl FnOnce(&[E::Element], &mut [E::Element]) -> Result<(), kernels::Error> + 'static,
) -> Result<Tensor<S, E, Cpu, T>, Error> {
    let y = tensor(x.device(), y, shape)?;
    let (x_ghost, y_ghost) = (x.ghost(), y.ghost());
    tape.add_backward_op(move |grads| {
        let dy = take(grads.get_or_alloc_mut(&y_ghost)?);
        let dx = E::elements_mut(grads.get_or_alloc_mut(&x_ghost)?);
        spend(|| format!("{name} backward"), 0, || backward(E::elements(&dy), dx))
            .map_err(checked)?;
        buffers::give(dy);
        Ok(())
    });
    Ok(y.put_tape(tape))
}

fn linear<E: Number, T: Tape<E, Cpu>>(
    x: Matrix<E, Cpu, T>,
    weight: &Matrix<E, Cpu>,
    bias: &Vector<E, Cpu>,
) -> Result<Matrix<E, Cpu, T>, Error> {
    let shape = linear_shape(x.shape(), weight.shape(), bias.shape())?;
    let linear = Linear::new(shape.0, x.shape().1, shape.1)?;
    let (x, tape) = contiguous(x)?.split_tape();
    let (weight, tape) = parameter(weight, tape)?;
    let (bias, mut tape) = parameter(bias, tape)?;
    let mut y = buffers::take::<E>(shape.0 * shape.1);
    let to = E::elements_mut(&mut y);
    let macs = (x.shape().0 * x.shape().1 * shape.1) as u64;
    spend(
        || "linear forward".into(),
        macs,
        || linear.forward(elements(&x), elements(&weight), elements(&bias), to),
    )?;
    let y = tensor(x.device(), y, shape)?;
    let (bias, y_ghost) = (bias.ghost(), y.ghost());
    tape.add_backward_op(move |grads| {
        let taken = take(grads.get_or_alloc_mut(&y_ghost)?);
        let dy = E::elements(&taken);
        let dx = E::elements_mut(grads.get_or_alloc_mut(&x)?);
        spend(
            || "linear backward input".into(),
            macs,
            || linear.backward_input(dy, elements(&weight), Write::Add, dx),
        )
        .map_err(checked)?;
        let mut dbias = take(grads.get_or_alloc_mut(&bias)?);
        let dweight = E::elements_mut(grads.get_or_alloc_mut(&weight)?);
        let into = E::elements_mut(&mut dbias);
        spend(
            || "linear backward weight".into(),
            macs,
            || linear.backward_weight(elements(&x), dy, dweight, into),
        )
        .map_err(checked)?;
        **grads.get_or_alloc_mut(&bias)? = dbias;
        buffers::give(taken);
        Ok(())
    });
    Ok(y.put_tape(tape))
}

fn wide<E: Number>(vector: &Vector<E, Cpu>) -> Vec<f32> {
    elements(vector).iter().map(|&x| kernels::Element::to_f32(x)).collect()
}

/// Adds to a gradient, rounding each sum once.
pub(crate) fn add_narrowed<E: Number>(gradient: &mut [E], terms: impl IntoIterator<Item = f32>) {
    for (sum, term) in E::elements_mut(gradient).iter_mut().zip(terms) {
        *sum = kernels::Element::from_f32(kernels::Element::to_f32(*sum) + term);
    }
}

fn contiguous<S: Shape, E: Number, T: Tape<E, Cpu>>(
    x: Tensor<S, E, Cpu, T>,
) -> Result<Tensor<S, E, Cpu, T>, Error> {
    x.try_contiguous().map_err(Error::device)
}

/// A contiguous parameter; where that is a copy, the tape leads its gradient back.
fn parameter<S: Shape, E: Number, T: Tape<E, Cpu>>(
    parameter: &Tensor<S, E, Cpu>,
    tape: T,
) -> Result<(Tensor<S, E, Cpu>, T), Error> {
    let (parameter, copied) = contiguous(parameter.retaped::<T>())?.split_tape();
    Ok((parameter, tape.merge(copied)))
}

/// A contiguous tensor in another format.
fn converted<S: Shape, A: Number, B: Number>(
    x: &Tensor<S, A, Cpu>,
) -> Result<Tensor<S, B, Cpu>, Error> {
    tensor(x.device(), cast(slice(x)), *x.shape())
}

fn cast<A: Number, B: Number>(numbers: &[A]) -> Vec<B> {
    let label = || format!("cast {} to {}", A::NAME, B::NAME);
    B::numbers(spend(label, 0, || kernels::convert(A::elements(numbers))))
}

fn tensor<S: Shape, E: Unit>(
    dev: &Cpu,
    values: Vec<E>,
    shape: S,
) -> Result<Tensor<S, E, Cpu>, Error> {
    dev.try_tensor_from_vec(values, shape).map_err(Error::device)
}

fn elements<S: Shape, E: Number>(x: &Tensor<S, E, Cpu>) -> &[E::Element] {
    E::elements(slice(x))
}

/// The values of a contiguous tensor, without a copy.
pub(crate) fn slice<S: Shape, E: Unit>(x: &Tensor<S, E, Cpu>) -> &[E] {
    let len = x.shape().num_elements();
    if len == 0 {
        return &[];
    }
    let first: &E = &x[S::Concrete::default()];
    let (sizes, strides) = (x.shape().concrete(), x.shape().strides());
    for axis in (0..S::NUM_DIMS).filter(|&axis| sizes[axis] > 1) {
        let mut index = S::Concrete::default();
        index[axis] = 1;
        let offset = (&raw const x[index] as usize).wrapping_sub(&raw const *first as usize);
        assert_eq!(offset, strides[axis] * size_of::<E>(), "callers make tensors contiguous");
    }
    // SAFETY: indexing a `Cpu` tensor at the origin borrows element 0 of the `Vec<E>` that the
    // tensor owns through an `Arc`. The loop above checked that the tensor's strides are those of
    // its shape in row-major order (axes of size 1 have no second element to be strided to), so
    // the last index, which is in bounds by dfdx's own invariant, is element `len - 1` of that
    // vector: `len` initialised values follow `first` in one allocation. The result borrows `x`,
    // which keeps the vector alive and, being shared, unmodified.
    unsafe { std::slice::from_raw_parts(first, len) }
}

/// The values of a vector, without a copy if nobody shares them.
pub(crate) fn slice_mut(x: &mut Vector<f32, Cpu>) -> &mut [f32] {
    let len = slice(x).len();
    if len == 0 {
        return &mut [];
    }
    let first: &mut f32 = &mut x[[0]];
    // SAFETY: `slice` has just found the vector contiguous, so the argument there holds for `len`
    // numbers from `first`. dfdx copies a shared buffer before it hands out `&mut`, so this one is
    // the tensor's alone, and the result borrows the tensor mutably.
    unsafe { std::slice::from_raw_parts_mut(first, len) }
}

/// Takes a gradient's buffer out, which frees it early or lets a kernel work in it.
fn take<E: Unit>(buffer: &mut <Cpu as Storage<E>>::Vec) -> Vec<E> {
    std::mem::take(&mut **buffer)
}

/// Shapes were checked by the forward pass, so a kernel that refuses them found a bug; dfdx's tape
/// has one error type, into which it must fit.
fn checked(_: kernels::Error) -> CpuError {
    CpuError::WrongNumElements
}

#[cfg(test)]
mod tests {
    //! Nothing here calls a kernel, so that Miri can run it, with Tree Borrows. On a nightly compiler
    //! dfdx's build script turns on what no longer compiles, so it has to be kept from that.
    use super::*;

    type Dims = (usize, usize, usize, usize);

    fn counted(shape: Dims) -> FeatureMap<f32, Cpu> {
        Cpu::default().tensor_from_vec(count(shape), shape)
    }

    fn count(shape: Dims) -> Vec<f32> {
        (0..shape.num_elements()).map(|i| i as f32).collect()
    }

    #[test]
    fn a_slice_has_all_values_of_a_contiguous_tensor() {
        for shape in [(2, 3, 4, 5), (1, 3, 1, 2), (4, 1, 1, 1), (1, 1, 1, 1), (2, 0, 3, 1)] {
            let x = counted(shape);
            let shared = x.clone().reshape_like(&(shape.num_elements(),));
            assert_eq!(slice(&x), count(shape), "{shape:?}");
            assert_eq!(slice(&shared), slice(&x), "{shape:?}");
        }
    }

    #[test]
    fn a_vector_is_written_in_place_and_a_shared_one_is_copied() {
        let mut x: Vector<f32, Cpu> = Cpu::default().tensor_from_vec(vec![1.0, 2.0, 3.0], (3,));
        let shared = x.clone();
        slice_mut(&mut x)[2] = 5.0;
        slice_mut(&mut x)[0] = 4.0;
        assert_eq!(slice(&x), [4.0, 2.0, 5.0]);
        assert_eq!(slice(&shared), [1.0, 2.0, 3.0]);
    }

    #[test]
    #[should_panic(expected = "callers make tensors contiguous")]
    fn a_permuted_tensor_has_no_slice() {
        slice(&counted((2, 3, 4, 5)).permute::<Dims, Axes4<0, 2, 1, 3>>());
    }

    #[test]
    #[should_panic(expected = "callers make tensors contiguous")]
    fn a_broadcast_tensor_has_no_slice() {
        let row: Vector<f32, Cpu> = Cpu::default().ones_like(&(5,));
        slice(&row.broadcast_like::<Dims, Axes3<0, 1, 2>>(&(2, 3, 4, 5)));
    }
}
