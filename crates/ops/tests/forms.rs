//! The fast form of every operator against the composed one, and that against what other devices
//! make of it, forward and backward, on random shapes and windows.
#![allow(clippy::unwrap_used)]

mod device;
mod form;
mod golden;
mod way;

use dfdx::prelude::*;
use form::{Dims, Form, Traced, formula, pull};
use proptest::array::uniform2;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use trickbag_ops::{
    Activation, Affine, Backend, BatchStatistics, Divisor, Error, FeatureMap, Filter, Flow, Matrix,
    Packed, Pointwise, Rounding, Vector, Window, composed,
};
use way::{Way, ways};

const TOLERANCE: f64 = 1e-4;
const EPS: f32 = 1e-5;

/// An operator's output and gradients, by name.
type Values = Vec<(&'static str, Vec<f32>)>;

/// All ways give the same values, or refuse with the same error.
fn check(run: impl Fn(Way) -> Result<Values, Error>) {
    let expected = run(Way::Form(Form::Composed));
    // Few numbers at random are often so near each other that 11 bits say nothing of them.
    for way in ways().into_iter().filter(|way| !way.is_half()) {
        let found = run(way);
        assert_eq!(found.as_ref().err(), expected.as_ref().err(), "{way:?}");
        for ((name, found), (_, expected)) in found.iter().flatten().zip(expected.iter().flatten())
        {
            let expected: Vec<_> = expected.iter().copied().map(f64::from).collect();
            way.check(name, found, &expected, TOLERANCE);
        }
    }
}

/// The output, and the gradients of the feature map `x` and the other operands.
fn values<S>(
    y: Traced<S>,
    x: &FeatureMap<f32, Cpu>,
    others: &[(&'static str, Vector<f32, Cpu>)],
) -> Values
where
    S: Shape + ReduceShapeTo<(), S::AllAxes>,
{
    let output = y.as_vec();
    let dy = formula("dy", *y.shape(), 0.0, 1.0);
    let gradients = pull(y, dy);
    let mut values = vec![("y", output), ("dx", gradients.get(x).as_vec())];
    values.extend(others.iter().map(|(name, operand)| (*name, gradients.get(operand).as_vec())));
    values
}

/// Reshaped, a contiguous tensor keeps its identity on the tape.
fn flat<S: Shape>(x: &Tensor<S, f32, Cpu>) -> Vector<f32, Cpu> {
    x.clone().reshape_like(&(x.shape().num_elements(),))
}

fn images(sizes: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = (usize, [usize; 2])> {
    (1..=3_usize, uniform2(sizes))
}

fn windows() -> impl Strategy<Value = Window> {
    (uniform2(1..=4_usize), uniform2(1..=3_usize), uniform2(0..=2_usize), uniform2(1..=2_usize))
        .prop_map(|(kernel, stride, padding, dilation)| Window {
            kernel,
            stride,
            padding,
            dilation,
        })
}

/// Without gaps, and padded by at most half of the kernel.
fn pool_windows() -> impl Strategy<Value = Window> {
    windows().prop_map(|window| Window {
        padding: [0, 1].map(|axis| window.padding[axis].min(window.kernel[axis] / 2)),
        dilation: [1, 1],
        ..window
    })
}

/// Input and output channels: few per group, or any number in one group.
fn groups() -> impl Strategy<Value = (usize, usize, usize)> {
    prop_oneof![
        (1..=4_usize, 1..=5_usize, 1..=5_usize).prop_map(|(g, i, o)| (g, g * i, g * o)),
        (1..=20_usize).prop_map(|channels| (channels, channels, channels)),
        (1..=40_usize, 1..=40_usize).prop_map(|(i, o)| (1, i, o)),
    ]
}

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![Just(Activation::Identity), Just(Activation::Relu)]
}

/// Whether a batch norm adds a residual.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Beside {
    Nothing,
    Residual,
}

fn besides() -> impl Strategy<Value = Beside> {
    prop_oneof![Just(Beside::Nothing), Just(Beside::Residual)]
}

/// Operands of a batch norm.
struct Norm {
    x: FeatureMap<f32, Cpu>,
    scale: Vector<f32, Cpu>,
    shift: Vector<f32, Cpu>,
    residual: Option<FeatureMap<f32, Cpu>>,
    activation: Activation,
}

impl Norm {
    fn new(shape: Dims, activation: Activation, beside: Beside) -> Self {
        let residual = beside == Beside::Residual;
        Self {
            x: formula("x", shape, 0.3, 1.0),
            scale: formula("scale", (shape.3,), 1.0, 0.5),
            shift: formula("shift", (shape.3,), 0.0, 0.5),
            residual: residual.then(|| formula("residual", shape, 0.0, 1.0)),
            activation,
        }
    }

    fn affine(&self) -> Affine<'_, f32, Cpu> {
        let Self { scale, shift, activation, .. } = self;
        Affine { scale, shift, eps: EPS, activation: *activation }
    }

    fn values(&self, y: Traced<Dims>) -> Values {
        let mut others = vec![("dscale", flat(&self.scale)), ("dshift", flat(&self.shift))];
        others.extend(self.residual.as_ref().map(|residual| ("dresidual", flat(residual))));
        values(y, &self.x, &others)
    }
}

#[test]
fn a_stopped_flow_leaves_the_other_gradients_as_they_are() {
    let x: FeatureMap<f32, Cpu> = formula("x", (2, 6, 6, 3), 0.0, 1.0);
    let filter: FeatureMap<f32, Cpu> = formula("filter", (3, 3, 3, 16), 0.0, 1.0);
    let norm = Norm::new((2, 6, 6, 16), Activation::Relu, Beside::Nothing);
    let gradients = [Flow::Through, Flow::Stop].map(|flow| {
        let window = Window::square(3).padding(1);
        let y = Backend::conv2d_batch_norm(
            x.leaky_trace(),
            &filter,
            &window,
            1,
            flow,
            &norm.affine(),
            None,
        );
        let (y, _) = y.unwrap();
        let dy = formula("dy", *y.shape(), 0.0, 1.0);
        pull(y, dy)
    });
    let [through, stopped] = gradients.map(|mut gradients| {
        let mut of = |x| Backend::take_gradient(&mut gradients, x).unwrap().as_vec();
        [of(&filter), of(&x)]
    });
    assert_eq!(through[0], stopped[0]);
    assert!(through[1].iter().any(|dx| *dx != 0.0));
    assert!(stopped[1].iter().all(|dx| *dx == 0.0));
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Built for CUDA, the device is most likely an emulated one, which is slow.
        cases: if cfg!(feature = "cuda") { 6 } else { 48 },
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn convolution(
        (batch, [h, w]) in images(1..=9),
        window in windows(),
        (groups, inputs, outputs) in groups(),
    ) {
        let x = formula("x", (batch, h, w, inputs), 0.0, 1.0);
        let [kh, kw] = window.kernel;
        let filter = formula("filter", (kh, kw, inputs / groups, outputs), 0.0, 1.0);
        check(|way| {
            let y = way.conv2d(x.leaky_trace(), &filter, &window, groups)?;
            Ok(values(y, &x, &[("dfilter", flat(&filter))]))
        });
    }

    #[test]
    fn batch_norm(
        (batch, [h, w]) in (2..=3_usize, uniform2(2..=6_usize)),
        channels in 1..=35_usize,
        activation in activations(),
        beside in besides(),
    ) {
        let norm = Norm::new((batch, h, w, channels), activation, beside);
        check(|way| {
            let (x, affine) = (norm.x.leaky_trace(), norm.affine());
            let residual = norm.residual.as_ref().map(|r| r.leaky_trace());
            let (y, statistics) = way.batch_norm(x, &affine, residual)?;
            let mut values = norm.values(y);
            values.push(("mean", statistics.mean.as_vec()));
            values.push(("variance", statistics.var.as_vec()));
            Ok(values)
        });
    }

    #[test]
    fn ghost_batch_norm(
        (size, ghosts) in (1..=2_usize, 1..=4_usize),
        [h, w] in uniform2(2..=5_usize),
        channels in 1..=35_usize,
        activation in activations(),
        beside in besides(),
    ) {
        let norm = Norm::new((size * ghosts, h, w, channels), activation, beside);
        check(|way| {
            let (x, affine) = (norm.x.leaky_trace(), norm.affine());
            let residual = norm.residual.as_ref().map(|r| r.leaky_trace());
            let (y, statistics) = way.ghost_batch_norm(x, ghosts, &affine, residual)?;
            let mut values = norm.values(y);
            values.push(("mean", statistics.mean.as_vec()));
            values.push(("variance", statistics.var.as_vec()));
            Ok(values)
        });
    }

    /// Joined, convolution and batch norm are what they are one after the other.
    #[test]
    fn convolution_and_batch_norm(
        (batch, [h, w]) in (2..=3_usize, uniform2(4..=9_usize)),
        window in pool_windows(),
        (groups, inputs, outputs) in groups(),
        activation in activations(),
        beside in besides(),
    ) {
        let x: FeatureMap<f32, Cpu> = formula("x", (batch, h, w, inputs), 0.0, 1.0);
        let [kh, kw] = window.kernel;
        let filter = formula("filter", (kh, kw, inputs / groups, outputs), 0.0, 1.0);
        let Ok(z) = composed::conv2d(x.clone(), &filter, &window, groups) else { return Ok(()) };
        let norm = Norm::new(*z.shape(), activation, beside);
        check(|way| {
            let (traced, affine) = (x.leaky_trace(), norm.affine());
            let residual = norm.residual.as_ref().map(|r| r.leaky_trace());
            let (y, statistics) = match way {
                Way::Form(Form::Fast) => {
                    let flow = Flow::Through;
                    Backend::conv2d_batch_norm(
                        traced, &filter, &window, groups, flow, &affine, residual,
                    )?
                }
                _ => way.batch_norm(way.conv2d(traced, &filter, &window, groups)?, &affine, residual)?,
            };
            let mut others = vec![("dscale", flat(&norm.scale)), ("dshift", flat(&norm.shift))];
            others.extend(norm.residual.as_ref().map(|residual| ("dresidual", flat(residual))));
            others.push(("dfilter", flat(&filter)));
            let mut values = values(y, &x, &others);
            values.push(("mean", statistics.mean.as_vec()));
            values.push(("variance", statistics.var.as_vec()));
            Ok(values)
        });
    }

    /// With a tape, and without one, where the two are one operator.
    #[test]
    fn convolution_and_fixed_batch_norm(
        (batch, [h, w]) in (1..=3_usize, uniform2(4..=9_usize)),
        window in pool_windows(),
        (groups, inputs, outputs) in groups(),
        activation in activations(),
        beside in besides(),
    ) {
        let x: FeatureMap<f32, Cpu> = formula("x", (batch, h, w, inputs), 0.0, 1.0);
        let [kh, kw] = window.kernel;
        let filter = formula("filter", (kh, kw, inputs / groups, outputs), 0.0, 1.0);
        let Ok(z) = composed::conv2d(x.clone(), &filter, &window, groups) else { return Ok(()) };
        let norm = Norm::new(*z.shape(), activation, beside);
        let statistics = BatchStatistics {
            mean: formula("mean", (outputs,), 0.0, 0.5),
            var: formula("variance", (outputs,), 1.0, 0.5),
        };
        let packed = Packed::default();
        let fused = |x, packed, residual| {
            let (filter, affine) = (Filter { values: &filter, packed }, norm.affine());
            Backend::conv2d_batch_norm_fixed(
                x, filter, &window, groups, &statistics, &affine, residual,
            )
        };
        check(|way| {
            let residual = norm.residual.clone();
            let y = match way {
                Way::Form(Form::Fast) => fused(x.clone(), Some(&packed), residual)?,
                // Elsewhere the two are what `conv2d` and `batch_norm_fixed` are.
                _ => composed::batch_norm_fixed(z.clone(), &statistics, &norm.affine(), residual)?,
            };
            Ok(vec![("y", y.as_vec())])
        });
        let traced = Backend::conv2d_batch_norm_fixed(
            x.leaky_trace(),
            (&filter).into(),
            &window,
            groups,
            &statistics,
            &norm.affine(),
            norm.residual.as_ref().map(|residual| residual.leaky_trace()),
        );
        let plain = fused(x.clone(), None, norm.residual.clone()).unwrap();
        assert_eq!(traced.unwrap().as_vec(), plain.as_vec());
    }

    #[test]
    fn batch_norm_fixed(
        (batch, [h, w]) in images(1..=6),
        channels in 1..=35_usize,
        activation in activations(),
        beside in besides(),
    ) {
        let norm = Norm::new((batch, h, w, channels), activation, beside);
        let statistics = BatchStatistics {
            mean: formula("mean", (channels,), 0.0, 0.5),
            var: formula("variance", (channels,), 1.0, 0.5),
        };
        check(|way| {
            let (x, affine) = (norm.x.leaky_trace(), norm.affine());
            let residual = norm.residual.as_ref().map(|r| r.leaky_trace());
            let y = way.batch_norm_fixed(x, &statistics, &affine, residual)?;
            Ok(norm.values(y))
        });
    }

    /// Small whole numbers, so that many values of a window are equal.
    #[test]
    fn max_pool(
        (batch, [h, w]) in images(1..=9),
        channels in 1..=35_usize,
        window in pool_windows(),
    ) {
        let shape = (batch, h, w, channels);
        let whole = formula("x", shape, 0.0, 3.0).as_vec().iter().map(|x| x.round()).collect();
        let x = Cpu::default().tensor_from_vec::<Dims>(whole, shape);
        check(|way| {
            let y = way.max_pool(x.leaky_trace(), &window)?;
            Ok(values(y, &x, &[]))
        });
    }

    #[test]
    fn avg_pool(
        (batch, [h, w]) in images(1..=9),
        channels in 1..=35_usize,
        window in pool_windows(),
        rounding in prop_oneof![Just(Rounding::Floor), Just(Rounding::Ceil)],
        divisor in prop_oneof![Just(Divisor::Window), Just(Divisor::Valid)],
    ) {
        let x = formula("x", (batch, h, w, channels), 0.0, 1.0);
        check(|way| {
            let traced = x.leaky_trace();
            let y = way.avg_pool(traced, &window, rounding, divisor)?;
            Ok(values(y, &x, &[]))
        });
    }

    #[test]
    fn global_avg_pool((batch, [h, w]) in images(1..=9), channels in 1..=70_usize) {
        let x = formula("x", (batch, h, w, channels), 0.0, 1.0);
        check(|way| {
            let y = way.global_avg_pool(x.leaky_trace())?;
            Ok(values(y, &x, &[]))
        });
    }

    #[test]
    fn pointwise(
        (batch, [h, w]) in images(1..=9),
        channels in 1..=35_usize,
        function in prop_oneof![
            Just(Pointwise::Relu),
            Just(Pointwise::Gelu),
            Just(Pointwise::Silu),
            Just(Pointwise::Sigmoid),
        ],
    ) {
        let x = formula("x", (batch, h, w, channels), 0.0, 6.0);
        check(|way| {
            let y = way.pointwise(x.leaky_trace(), function)?;
            Ok(values(y, &x, &[]))
        });
    }

    #[test]
    fn blur_pool((batch, [h, w]) in images(1..=9), channels in 1..=35_usize) {
        let x = formula("x", (batch, h, w, channels), 0.0, 1.0);
        check(|way| {
            let y = way.blur_pool(x.leaky_trace())?;
            Ok(values(y, &x, &[]))
        });
    }

    #[test]
    fn scale_channels((batch, [h, w]) in images(1..=9), channels in 1..=35_usize) {
        let x = formula("x", (batch, h, w, channels), 0.0, 1.0);
        let factors: Matrix<f32, Cpu> = formula("factors", (batch, channels), 0.0, 1.0);
        check(|way| {
            let (traced, gates) = (x.leaky_trace(), factors.leaky_trace());
            let y = way.scale_channels(traced, gates)?;
            Ok(values(y, &x, &[("dfactors", flat(&factors))]))
        });
    }

    /// One of the parts is there twice.
    #[test]
    fn concat_channels(
        (batch, [h, w]) in images(1..=6),
        first in 1..=20_usize,
        second in 1..=20_usize,
    ) {
        let x = formula("x", (batch, h, w, first), 0.0, 1.0);
        let more: FeatureMap<f32, Cpu> = formula("more", (batch, h, w, second), 0.0, 1.0);
        check(|way| {
            let parts = vec![x.leaky_trace(), more.leaky_trace(), x.leaky_trace()];
            let y = way.concat_channels(parts)?;
            Ok(values(y, &x, &[("dmore", flat(&more))]))
        });
    }

    #[test]
    fn linear(batch in 1..=9_usize, inputs in 1..=70_usize, outputs in 1..=40_usize) {
        let x: Matrix<f32, Cpu> = formula("x", (batch, inputs), 0.0, 1.0);
        let weight = formula("weight", (inputs, outputs), 0.0, 1.0);
        let bias = formula("bias", (outputs,), 0.0, 1.0);
        let image = x.clone().reshape_like(&(batch, 1, 1, inputs));
        check(|way| {
            let y = way.linear(x.leaky_trace(), &weight, &bias)?;
            Ok(values(y, &image, &[("dweight", flat(&weight)), ("dbias", flat(&bias))]))
        });
    }
}
