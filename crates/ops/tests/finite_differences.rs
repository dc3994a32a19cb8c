//! The composed form of every operator in `f64` against central differences, for every input.
#![allow(clippy::unwrap_used)]

mod golden;

use dfdx::prelude::*;
use golden::fill;
use trickbag_ops::{
    Activation, Affine, BatchStatistics, Divisor, Pointwise, Rounding, Vector, Window, composed,
};

type Dims = (usize, usize, usize, usize);
/// The sum of the output, each value weighted, and its gradient with respect to each input.
type Differentiated = (f64, Vec<Vec<f64>>);

const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-7;

/// Moves every value of every input up and down by [`STEP`].
fn check(mut inputs: Vec<(&str, Vec<f64>)>, run: impl Fn(&[Vec<f64>]) -> Differentiated) {
    let values: Vec<_> = inputs.iter().map(|(_, values)| values.clone()).collect();
    let (_, gradients) = run(&values);
    assert_eq!(gradients.len(), inputs.len());
    let mut moved = values;
    for (input, ((name, start), gradient)) in inputs.drain(..).zip(gradients).enumerate() {
        assert!(gradient.iter().any(|&g| g != 0.0), "no gradient flows into {name}");
        for (i, (&start, gradient)) in start.iter().zip(gradient).enumerate() {
            let [above, below] = [STEP, -STEP].map(|step| {
                moved[input][i] = start + step;
                run(&moved).0
            });
            moved[input][i] = start;
            let difference = (above - below) / (2.0 * STEP);
            let error = (gradient - difference).abs() / difference.abs().max(1.0);
            assert!(error < TOLERANCE, "d{name}[{i}] is {gradient}, differences: {difference}");
        }
    }
}

fn numbers(tag: &str, len: usize, offset: f64) -> Vec<f64> {
    fill(tag, len, offset, 0.5).into_iter().map(f64::from).collect()
}

fn input<S: Shape>(name: &'static str, shape: S, offset: f64) -> (&'static str, Vec<f64>) {
    (name, numbers(name, shape.num_elements(), offset))
}

fn tensor<S: Shape>(values: &[f64], shape: S) -> Tensor<S, f64, Cpu> {
    Cpu::default().tensor_from_vec(values.to_vec(), shape)
}

/// The weighted sum of `y` and all gradients.
fn pull<S>(y: Tensor<S, f64, Cpu, OwnedTape<f64, Cpu>>) -> (f64, Gradients<f64, Cpu>)
where
    S: Shape + ReduceShapeTo<(), S::AllAxes>,
{
    let dy = tensor(&numbers("dy", y.shape().num_elements(), 0.1), *y.shape());
    let sum = (y * dy).sum::<(), S::AllAxes>();
    (sum.as_vec()[0], sum.backward())
}

#[test]
fn convolution() {
    let (x_shape, window) = ((2, 5, 4, 4), Window::square(3).stride(2).padding(1));
    for (groups, window) in [(1, window), (2, window), (4, window.dilation(2).padding(2))] {
        let filter_shape = (3, 3, 4 / groups, 8);
        let inputs = vec![input("x", x_shape, 0.0), input("filter", filter_shape, 0.0)];
        check(inputs, |values| {
            let (x, filter) = (tensor(&values[0], x_shape), tensor(&values[1], filter_shape));
            let y = composed::conv2d(x.leaky_trace(), &filter, &window, groups).unwrap();
            let (sum, gradients) = pull(y);
            (sum, vec![gradients.get(&x).as_vec(), gradients.get(&filter).as_vec()])
        });
    }
}

/// Whose statistics a batch norm uses.
#[derive(Clone, Copy)]
enum Statistics {
    Batch,
    /// Each image by itself.
    Ghosts,
    Fixed,
}

#[test]
fn batch_norm() {
    for activation in [Activation::Identity, Activation::Relu] {
        check_norm(Statistics::Batch, activation);
    }
}

#[test]
fn ghost_batch_norm() {
    for activation in [Activation::Identity, Activation::Relu] {
        check_norm(Statistics::Ghosts, activation);
    }
}

#[test]
fn batch_norm_fixed() {
    for activation in [Activation::Identity, Activation::Relu] {
        check_norm(Statistics::Fixed, activation);
    }
}

fn check_norm(statistics: Statistics, activation: Activation) {
    let (shape, channels): (Dims, _) = ((2, 3, 2, 3), (3,));
    let inputs = vec![
        input("x", shape, 0.2),
        input("scale", channels, 1.0),
        input("shift", channels, 0.0),
        input("residual", shape, 0.0),
    ];
    check(inputs, |values| {
        let (x, residual) = (tensor(&values[0], shape), tensor(&values[3], shape));
        let (scale, shift) = (tensor(&values[1], channels), tensor(&values[2], channels));
        let affine = Affine { scale: &scale, shift: &shift, eps: 1e-5, activation };
        let (traced, beside) = (x.leaky_trace(), Some(residual.leaky_trace()));
        let y = match statistics {
            Statistics::Batch => composed::batch_norm(traced, &affine, beside).map(|(y, _)| y),
            Statistics::Ghosts => {
                composed::ghost_batch_norm(traced, 2, &affine, beside).map(|(y, _)| y)
            }
            Statistics::Fixed => composed::batch_norm_fixed(traced, &running(), &affine, beside),
        };
        let (sum, gradients) = pull(y.unwrap());
        let vectors = [&scale, &shift].map(|v: &Vector<f64, Cpu>| gradients.get(v).as_vec());
        let [dscale, dshift] = vectors;
        (sum, vec![gradients.get(&x).as_vec(), dscale, dshift, gradients.get(&residual).as_vec()])
    });
}

fn running() -> BatchStatistics<Cpu> {
    let dev = Cpu::default();
    let mean = dev.tensor_from_vec(vec![0.1, -0.2, 0.3], (3,));
    BatchStatistics { mean, var: dev.tensor_from_vec(vec![0.5, 1.0, 2.0], (3,)) }
}

#[test]
fn max_pool() {
    let (shape, window) = ((2, 5, 6, 2), Window::square(3).stride(2).padding(1));
    check(vec![input("x", shape, 0.0)], |values| {
        let x = tensor(&values[0], shape);
        let (sum, gradients) = pull(composed::max_pool(x.leaky_trace(), &window).unwrap());
        (sum, vec![gradients.get(&x).as_vec()])
    });
}

#[test]
fn avg_pool() {
    let (shape, window) = ((2, 5, 6, 2), Window::square(3).stride(2).padding(1));
    for rounding in [Rounding::Floor, Rounding::Ceil] {
        for divisor in [Divisor::Window, Divisor::Valid] {
            check(vec![input("x", shape, 0.0)], |values| {
                let x = tensor(&values[0], shape);
                let y = composed::avg_pool(x.leaky_trace(), &window, rounding, divisor);
                let (sum, gradients) = pull(y.unwrap());
                (sum, vec![gradients.get(&x).as_vec()])
            });
        }
    }
}

#[test]
fn global_avg_pool() {
    let shape = (2, 3, 4, 5);
    check(vec![input("x", shape, 0.0)], |values| {
        let x = tensor(&values[0], shape);
        let (sum, gradients) = pull(composed::global_avg_pool(x.leaky_trace()).unwrap());
        (sum, vec![gradients.get(&x).as_vec()])
    });
}

#[test]
fn linear() {
    let (x_shape, weight_shape, outputs) = ((3, 5), (5, 4), (4,));
    let inputs = vec![
        input("x", x_shape, 0.0),
        input("weight", weight_shape, 0.0),
        input("bias", outputs, 0.0),
    ];
    check(inputs, |values| {
        let (x, weight) = (tensor(&values[0], x_shape), tensor(&values[1], weight_shape));
        let bias = tensor(&values[2], outputs);
        let (sum, gradients) = pull(composed::linear(x.leaky_trace(), &weight, &bias).unwrap());
        let [dx, dweight] = [&x, &weight].map(|matrix| gradients.get(matrix).as_vec());
        (sum, vec![dx, dweight, gradients.get(&bias).as_vec()])
    });
}

#[test]
fn pointwise() {
    let shape = (2, 2, 3, 2);
    for function in [Pointwise::Relu, Pointwise::Gelu, Pointwise::Silu, Pointwise::Sigmoid] {
        check(vec![input("x", shape, 0.0)], |values| {
            let x = tensor(&values[0], shape);
            let (sum, gradients) = pull(composed::pointwise(x.leaky_trace(), function).unwrap());
            (sum, vec![gradients.get(&x).as_vec()])
        });
    }
}

#[test]
fn blur_pool() {
    let shape = (2, 5, 4, 2);
    check(vec![input("x", shape, 0.0)], |values| {
        let x = tensor(&values[0], shape);
        let (sum, gradients) = pull(composed::blur_pool(x.leaky_trace()).unwrap());
        (sum, vec![gradients.get(&x).as_vec()])
    });
}

#[test]
fn scale_channels() {
    let (shape, factors_shape): (Dims, _) = ((2, 3, 2, 3), (2, 3));
    check(vec![input("x", shape, 0.0), input("factors", factors_shape, 0.5)], |values| {
        let (x, factors) = (tensor(&values[0], shape), tensor(&values[1], factors_shape));
        let y = composed::scale_channels(x.leaky_trace(), factors.leaky_trace());
        let (sum, gradients) = pull(y.unwrap());
        (sum, vec![gradients.get(&x).as_vec(), gradients.get(&factors).as_vec()])
    });
}

#[test]
fn concat_channels() {
    let (shape, narrow): (Dims, Dims) = ((2, 3, 2, 3), (2, 3, 2, 1));
    check(vec![input("x", shape, 0.0), input("more", narrow, 0.0)], |values| {
        let (x, more) = (tensor(&values[0], shape), tensor(&values[1], narrow));
        let y = composed::concat_channels(vec![x.leaky_trace(), more.leaky_trace()]);
        let (sum, gradients) = pull(y.unwrap());
        (sum, vec![gradients.get(&x).as_vec(), gradients.get(&more).as_vec()])
    });
}
