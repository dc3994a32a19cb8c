//! Operands that do not fit: both forms refuse them with the same message, which says what was
//! found and what was expected.
#![allow(clippy::unwrap_used)]

mod form;
mod golden;

use dfdx::prelude::*;
use form::{Dims, FORMS, Form, formula};
use trickbag_ops::{
    Activation, Affine, Backend, BatchStatistics, Divisor, Error, FeatureMap, Rounding, Vector,
    Window, composed,
};

const SHAPE: Dims = (2, 4, 4, 6);

fn check<T>(run: impl Fn(Form) -> Result<T, Error>, expected: &str) {
    for form in FORMS {
        let message = run(form).err().unwrap().to_string();
        assert_eq!(message, expected, "{form:?}");
    }
}

fn x() -> FeatureMap<f32, Cpu> {
    formula("x", SHAPE, 0.0, 1.0)
}

fn vector(len: usize) -> Vector<f32, Cpu> {
    formula("vector", (len,), 1.0, 0.5)
}

#[test]
fn convolution() {
    let five = Window::square(5);
    let three = Window::square(3);
    for (filter, window, groups, expected) in [
        (
            (3, 3, 5, 8),
            three,
            1,
            "a filter of shape [3, 3, 5, 8] cannot be applied to 6 input channels in 1 groups: \
             expected (kernel height, kernel width, 6, outputs), with the window's kernel [3, 3] \
             and outputs divisible by the groups",
        ),
        (
            (3, 1, 3, 8),
            three,
            2,
            "a filter of shape [3, 1, 3, 8] cannot be applied to 6 input channels in 2 groups: \
             expected (kernel height, kernel width, 3, outputs), with the window's kernel [3, 3] \
             and outputs divisible by the groups",
        ),
        ((3, 3, 2, 8), three, 4, "4 groups do not divide 6 input and 8 output channels evenly"),
        ((3, 3, 2, 8), three, 3, "3 groups do not divide 6 input and 8 output channels evenly"),
        ((3, 3, 6, 8), three, 0, "0 groups do not divide 6 input and 8 output channels evenly"),
        ((3, 3, 6, 8), three.stride(0), 1, "the window's stride is 0, but must be at least 1"),
        (
            (5, 5, 6, 8),
            five,
            1,
            "the window spans 5 pixels of height, but the padded input has only 4: use a smaller \
             kernel or dilation, or more padding",
        ),
    ] {
        let filter = formula("filter", filter, 0.0, 1.0);
        check(
            |form| match form {
                Form::Fast => Backend::conv2d(x(), &filter, &window, groups),
                Form::Composed => composed::conv2d(x(), &filter, &window, groups),
            },
            expected,
        );
    }
}

#[test]
fn ghosts_divide_the_batch() {
    let (scale, shift) = (vector(6), vector(6));
    let affine = Affine { scale: &scale, shift: &shift, eps: 1e-5, activation: Activation::Relu };
    for ghosts in [0, 3] {
        let expected = format!(
            "a batch of 2 images has no {ghosts} equal parts; choose a number that divides it"
        );
        check(
            |form| match form {
                Form::Fast => Backend::ghost_batch_norm(x(), ghosts, &affine, None),
                Form::Composed => composed::ghost_batch_norm(x(), ghosts, &affine, None),
            },
            &expected,
        );
    }
}

#[test]
fn batch_norm() {
    let narrow = (2, 4, 4, 5);
    for (scale, shift, residual, expected) in [
        (5, 6, SHAPE, "norm scale has shape [5], expected [6]"),
        (6, 7, SHAPE, "norm shift has shape [7], expected [6]"),
        (6, 6, narrow, "residual has shape [2, 4, 4, 5], expected [2, 4, 4, 6]"),
    ] {
        let (scale, shift, mean) = (vector(scale), vector(shift), vector(6));
        let affine =
            Affine { scale: &scale, shift: &shift, eps: 1e-5, activation: Activation::Relu };
        let residual = Some(formula("residual", residual, 0.0, 1.0));
        let running = BatchStatistics { mean: mean.clone(), var: mean };
        check(
            |form| match form {
                Form::Fast => Backend::batch_norm(x(), &affine, residual.clone()),
                Form::Composed => composed::batch_norm(x(), &affine, residual.clone()),
            },
            expected,
        );
        check(|form| fixed(form, &running, &affine, residual.clone()), expected);
    }
}

#[test]
fn statistics() {
    for (mean, var, expected) in [
        (5, 6, "running mean has shape [5], expected [6]"),
        (6, 5, "running variance has shape [5], expected [6]"),
    ] {
        let running = BatchStatistics { mean: vector(mean), var: vector(var) };
        let (scale, shift) = (vector(6), vector(6));
        let affine =
            Affine { scale: &scale, shift: &shift, eps: 1e-5, activation: Activation::Relu };
        check(|form| fixed(form, &running, &affine, None), expected);
    }
}

fn fixed(
    form: Form,
    running: &BatchStatistics<Cpu>,
    affine: &Affine<'_, f32, Cpu>,
    residual: Option<FeatureMap<f32, Cpu>>,
) -> Result<FeatureMap<f32, Cpu>, Error> {
    match form {
        Form::Fast => Backend::batch_norm_fixed(x(), running, affine, residual),
        Form::Composed => composed::batch_norm_fixed(x(), running, affine, residual),
    }
}

#[test]
fn pooling() {
    for (window, expected) in [
        (
            Window::square(7).padding(1),
            "the window spans 7 pixels of height, but the padded input has only 6: use a smaller \
             kernel or dilation, or more padding",
        ),
        (
            Window::square(2).padding(2),
            "pooling pads height by 2, but at most half of the kernel's 2 is allowed, else a \
             window could see padding only",
        ),
        (
            Window::square(2).dilation(2),
            "pooling has a dilation of 2 along height, but supports only 1",
        ),
    ] {
        let (rounding, divisor) = (Rounding::Floor, Divisor::Valid);
        check(
            |form| match form {
                Form::Fast => Backend::max_pool(x(), &window),
                Form::Composed => composed::max_pool(x(), &window),
            },
            expected,
        );
        check(
            |form| match form {
                Form::Fast => Backend::avg_pool(x(), &window, rounding, divisor),
                Form::Composed => composed::avg_pool(x(), &window, rounding, divisor),
            },
            expected,
        );
    }
}

#[test]
fn linear() {
    for (weight, bias, expected) in [
        ((5, 3), 3, "linear weight has shape [5, 3], expected [6, 3]"),
        ((6, 3), 4, "linear bias has shape [4], expected [3]"),
    ] {
        let (weight, bias) = (formula("weight", weight, 0.0, 1.0), vector(bias));
        let x = formula("x", (2, 6), 0.0, 1.0);
        check(
            |form| match form {
                Form::Fast => Backend::linear(x.clone(), &weight, &bias),
                Form::Composed => composed::linear(x.clone(), &weight, &bias),
            },
            expected,
        );
    }
}

#[test]
fn channels() {
    check(
        |form| {
            let factors = formula("factors", (2, 5), 0.0, 1.0);
            match form {
                Form::Fast => Backend::scale_channels(x(), factors),
                Form::Composed => composed::scale_channels(x(), factors),
            }
        },
        "channel factors has shape [2, 5], expected [2, 6]",
    );
    for (parts, expected) in [
        (vec![], "list of feature maps has shape [0], expected [1]"),
        (
            vec![x(), formula("more", (2, 4, 3, 1), 0.0, 1.0)],
            "feature map to concatenate has shape [2, 4, 3, 1], expected [2, 4, 4, 1]",
        ),
    ] {
        check(
            |form| match form {
                Form::Fast => Backend::concat_channels(parts.clone()),
                Form::Composed => composed::concat_channels(parts.clone()),
            },
            expected,
        );
    }
}

#[test]
fn blur() {
    let flat: FeatureMap<f32, Cpu> = formula("x", (2, 1, 4, 3), 0.0, 1.0);
    check(
        |form| match form {
            Form::Fast => Backend::blur_pool(flat.clone()),
            Form::Composed => composed::blur_pool(flat.clone()),
        },
        "an image of 1 x 4 pixels cannot be blurred: its border is a mirror, which takes 2 pixels \
         along each axis; use larger images",
    );
}
