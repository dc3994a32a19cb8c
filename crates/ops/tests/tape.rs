//! Operators take part in dfdx's tape: between plain dfdx operators, with operands used more than
//! once, and on tensors that are only views.
#![allow(clippy::unwrap_used)]

mod form;
mod golden;

use dfdx::dtypes::{AMP, Dtype, f16};
use dfdx::prelude::*;
use form::{Dims, FORMS, Form, Traced, formula, pull};
use golden::close;
use trickbag_ops::{
    Activation, Affine, Backend, BatchStatistics, Divisor, FeatureMap, Matrix, Rounding, Vector,
    Window, composed,
};

const TOLERANCE: f64 = 1e-4;
const HALF_TOLERANCE: f64 = 0.05;
const SHAPE: Dims = (2, 5, 4, 6);

/// The operands of [`program`], in the number format `E`.
struct Operands<E: Dtype> {
    x: FeatureMap<E, Cpu>,
    filter: FeatureMap<E, Cpu>,
    scale: Vector<E, Cpu>,
    shift: Vector<E, Cpu>,
    weight: Matrix<E, Cpu>,
    bias: Vector<E, Cpu>,
}

impl<E: Dtype> Operands<E>
where
    Cpu: Backend<E> + Device<E>,
{
    fn new() -> Self {
        Self {
            x: cast(formula("x", SHAPE, 0.0, 1.0)),
            filter: cast(formula("filter", (3, 3, 6, 6), 0.0, 0.3)),
            scale: cast(formula("scale", (6,), 1.0, 0.5)),
            shift: cast(formula("shift", (6,), 0.0, 0.5)),
            weight: cast(formula("weight", (6, 6), 0.0, 0.5)),
            bias: cast(formula("bias", (6,), 0.0, 0.5)),
        }
    }

    /// `x` goes into the first convolution and beside the norm, the filter, norm and head are used
    /// twice each, and two poolings consume what comes out of the norm.
    fn program<T: Tape<E, Cpu>>(&self, x: FeatureMap<E, Cpu, T>) -> Tensor<(), E, Cpu, T> {
        let beside = x.with_empty_tape();
        let window = Window::square(3).padding(1);
        let Self { filter, scale, shift, weight, bias, .. } = self;
        let affine = Affine { scale, shift, eps: 1e-5, activation: Activation::Relu };
        let y = Backend::conv2d(x, filter, &window, 1).unwrap().tanh();
        let (y, _) = Backend::batch_norm(y, &affine, None).unwrap();
        let y = Backend::conv2d(y, filter, &window, 1).unwrap();
        let (y, _) = Backend::batch_norm(y, &affine, Some(beside)).unwrap();
        let again = y.with_empty_tape();
        let most = Backend::max_pool(y, &Window::square(2)).unwrap();
        let mean =
            Backend::avg_pool(again, &Window::square(2), Rounding::Floor, Divisor::Valid).unwrap();
        let features = Backend::global_avg_pool(most * mean).unwrap();
        let hidden = Backend::linear(features, weight, bias).unwrap().sigmoid();
        Backend::linear(hidden, weight, bias).unwrap().square().mean()
    }

    fn gradients(&self) -> Vec<(&'static str, Vec<f32>)> {
        let gradients = self.program(self.x.leaky_trace()).backward();
        vec![
            ("dx", values(gradients.get(&self.x))),
            ("dfilter", values(gradients.get(&self.filter))),
            ("dscale", values(gradients.get(&self.scale))),
            ("dshift", values(gradients.get(&self.shift))),
            ("dweight", values(gradients.get(&self.weight))),
            ("dbias", values(gradients.get(&self.bias))),
        ]
    }
}

fn cast<S: Shape, E: Dtype>(x: Tensor<S, f32, Cpu>) -> Tensor<S, E, Cpu>
where
    Cpu: Backend<E>,
{
    <Cpu as Backend<E>>::from_f32(x).unwrap()
}

fn values<S: Shape, E: Dtype>(x: Tensor<S, E, Cpu>) -> Vec<f32>
where
    Cpu: Backend<E>,
{
    <Cpu as Backend<E>>::to_f32(x).unwrap().as_vec()
}

fn same(name: &str, found: &[f32], expected: &[f32], tolerance: f64) {
    let expected: Vec<_> = expected.iter().copied().map(f64::from).collect();
    close(name, found, &expected, tolerance);
}

/// `f32` runs the fast forms, the other number formats the composed ones.
#[test]
fn a_program_has_the_same_gradients_in_every_number_format() {
    let precise = Operands::<f64>::new().gradients();
    for (found, tolerance) in [
        (Operands::<f32>::new().gradients(), TOLERANCE),
        (Operands::<f16>::new().gradients(), HALF_TOLERANCE),
        (Operands::<AMP<f16>>::new().gradients(), HALF_TOLERANCE),
    ] {
        for ((name, found), (_, expected)) in found.iter().zip(&precise) {
            assert!(expected.iter().any(|&g| g.abs() > 1e-4), "no gradient flows into {name}");
            same(name, found, expected, tolerance);
        }
    }
}

#[test]
fn inference_without_a_tape_gives_the_same_bits() {
    let operands = Operands::<f32>::new();
    let traced = operands.program(operands.x.leaky_trace());
    assert_eq!(operands.program(operands.x.clone()).as_vec(), traced.as_vec());
}

#[test]
fn gradients_add_up_over_uses_and_backward_passes() {
    let Operands { x, filter, .. } = Operands::<f32>::new();
    let conv = |x: Traced<Dims>| Backend::conv2d(x, &filter, &Window::square(3), 1).unwrap();
    let once = conv(x.leaky_trace()).sum::<(), _>().backward();
    let twice = (conv(x.leaky_trace()) + conv(x.leaky_trace())).sum::<(), _>().backward();
    let again = conv(x.trace(once.clone())).sum::<(), _>().backward();
    for gradients in [twice, again] {
        let doubled = |gradient: FeatureMap<f32, Cpu>| (gradient * 2.0).as_vec();
        same("dx", &gradients.get(&x).as_vec(), &doubled(once.get(&x)), TOLERANCE);
        same("dfilter", &gradients.get(&filter).as_vec(), &doubled(once.get(&filter)), TOLERANCE);
    }
}

/// Every operator on a feature map, flattened so that one signature fits all.
fn operate(operator: &str, form: Form, x: Traced<Dims>) -> Traced<(usize,)> {
    let Operands { scale, shift, .. } = Operands::<f32>::new();
    let (window, activation) = (Window::square(2), Activation::Identity);
    let affine = Affine { scale: &scale, shift: &shift, eps: 1e-5, activation };
    let running = BatchStatistics { mean: shift.clone(), var: scale.clone() };
    let filter = formula("filter", (2, 2, 6, 3), 0.0, 1.0);
    let (rounding, divisor) = (Rounding::Ceil, Divisor::Window);
    let y = match (operator, form) {
        ("conv2d", Form::Fast) => Backend::conv2d(x, &filter, &window, 1),
        ("conv2d", Form::Composed) => composed::conv2d(x, &filter, &window, 1),
        ("batch_norm", Form::Fast) => Backend::batch_norm(x, &affine, None).map(|(y, _)| y),
        ("batch_norm", Form::Composed) => composed::batch_norm(x, &affine, None).map(|(y, _)| y),
        ("batch_norm_fixed", Form::Fast) => Backend::batch_norm_fixed(x, &running, &affine, None),
        ("batch_norm_fixed", Form::Composed) => {
            composed::batch_norm_fixed(x, &running, &affine, None)
        }
        ("residual", form) => return beside(form, formula("y", SHAPE, 0.0, 1.0), x),
        ("max_pool", Form::Fast) => Backend::max_pool(x, &window),
        ("max_pool", Form::Composed) => composed::max_pool(x, &window),
        ("avg_pool", Form::Fast) => Backend::avg_pool(x, &window, rounding, divisor),
        ("avg_pool", Form::Composed) => composed::avg_pool(x, &window, rounding, divisor),
        (_, Form::Fast) => return flat(Backend::global_avg_pool(x).unwrap()),
        (_, Form::Composed) => return flat(composed::global_avg_pool(x).unwrap()),
    };
    flat(y.unwrap())
}

/// Batch norm of `x` with a residual.
fn beside(form: Form, x: FeatureMap<f32, Cpu>, residual: Traced<Dims>) -> Traced<(usize,)> {
    let Operands { scale, shift, .. } = Operands::<f32>::new();
    let affine = Affine { scale: &scale, shift: &shift, eps: 1e-5, activation: Activation::Relu };
    let y = match form {
        Form::Fast => Backend::batch_norm(x.leaky_traced(), &affine, Some(residual)),
        Form::Composed => composed::batch_norm(x.leaky_traced(), &affine, Some(residual)),
    };
    flat(y.unwrap().0)
}

fn flat<S: Shape>(y: Traced<S>) -> Traced<(usize,)> {
    let len = y.shape().num_elements();
    y.reshape_like(&(len,))
}

/// Both forms give the same output and the same gradient of `leaf`.
fn check<S: Shape>(name: &str, leaf: &Tensor<S, f32, Cpu>, run: impl Fn(Form) -> Traced<(usize,)>) {
    let [fast, composed] = FORMS.map(|form| {
        let y = run(form);
        let output = y.as_vec();
        let dy = formula("dy", *y.shape(), 0.0, 1.0);
        (output, pull(y, dy).get(leaf).as_vec())
    });
    same(&format!("{name}/y"), &fast.0, &composed.0, TOLERANCE);
    same(&format!("{name}/gradient"), &fast.1, &composed.1, TOLERANCE);
}

const OPERATORS: [&str; 7] = [
    "conv2d",
    "batch_norm",
    "batch_norm_fixed",
    "residual",
    "max_pool",
    "avg_pool",
    "global_avg_pool",
];

#[test]
fn a_permuted_input_is_handled() {
    let (batch, height, width, channels) = SHAPE;
    let x: FeatureMap<f32, Cpu> = formula("x", (channels, width, height, batch), 0.0, 1.0);
    for operator in OPERATORS {
        check(operator, &x, |form| {
            operate(operator, form, x.leaky_trace().permute::<Dims, Axes4<3, 2, 1, 0>>())
        });
    }
}

#[test]
fn a_broadcast_input_is_handled() {
    let (_, height, width, channels) = SHAPE;
    let x = formula("x", (height, width, channels), 0.0, 1.0);
    for operator in OPERATORS {
        check(operator, &x, |form| {
            operate(operator, form, x.leaky_trace().broadcast_like::<Dims, Axis<0>>(&SHAPE))
        });
    }
}

#[test]
fn permuted_parameters_get_their_gradients() {
    let x: FeatureMap<f32, Cpu> = formula("x", SHAPE, 0.0, 1.0);
    let filter: FeatureMap<f32, Cpu> = formula("filter", (3, 2, 4, 6), 0.0, 1.0);
    let filter = filter.permute::<Dims, Axes4<0, 1, 3, 2>>();
    check("filter", &filter, |form| {
        let window = Window { kernel: [3, 2], ..Window::square(1) };
        flat(match form {
            Form::Fast => Backend::conv2d(x.leaky_trace(), &filter, &window, 1).unwrap(),
            Form::Composed => composed::conv2d(x.leaky_trace(), &filter, &window, 1).unwrap(),
        })
    });
    let rows: Matrix<f32, Cpu> = formula("rows", (3, 6), 0.0, 1.0);
    let weight: Matrix<f32, Cpu> = formula("weight", (5, 6), 0.0, 1.0);
    let (weight, bias) = (weight.permute::<(usize, usize), _>(), formula("bias", (5,), 0.0, 1.0));
    check("weight", &weight, |form| {
        flat(match form {
            Form::Fast => Backend::linear(rows.leaky_trace(), &weight, &bias).unwrap(),
            Form::Composed => composed::linear(rows.leaky_trace(), &weight, &bias).unwrap(),
        })
    });
}

#[test]
fn a_residual_may_be_the_input_itself() {
    let x: FeatureMap<f32, Cpu> = formula("x", SHAPE, 0.0, 1.0);
    check("residual", &x, |form| beside(form, x.clone(), x.leaky_trace()));
}
