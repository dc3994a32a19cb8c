//! What a loss refuses, and what it makes of logits that are no numbers.
#![allow(clippy::unwrap_used)]

use dfdx::prelude::*;
use trickbag_losses::{
    BinaryCrossEntropy, CrossEntropy, Distillation, Error, binary_cross_entropy, cross_entropy,
    distillation,
};
use trickbag_ops::{Matrix, Vector};

fn matrix(values: Vec<f32>, classes: usize) -> Matrix<f32, Cpu> {
    let batch = values.len() / classes;
    Cpu::default().tensor_from_vec(values, (batch, classes))
}

#[test]
fn refuses_what_is_no_target() {
    let dev = Cpu::default();
    let plain = CrossEntropy::default();
    let error = plain.targets(&[0, 3], 3, &dev).unwrap_err();
    assert_eq!(error, Error::Label { sample: 1, label: 3, classes: 3 });
    assert_eq!(error.to_string(), "sample 1 has label 3, but there are 3 classes, 0 to 2");
    for label_smoothing in [1.0, -0.1, f64::NAN] {
        let error = CrossEntropy { label_smoothing }.targets(&[0], 3, &dev).unwrap_err();
        assert!(matches!(error, Error::Smoothing(_)), "{error}");
    }
}

#[test]
fn refuses_operands_that_do_not_match() {
    let logits = matrix(vec![0.0; 6], 3);
    let other = matrix(vec![0.0; 6], 2);
    let error = cross_entropy(logits.clone(), &other, None).unwrap_err();
    assert_eq!(error.to_string(), "targets have shape [3, 2], expected [2, 3] to match the logits");
    let dev = Cpu::default();
    let weights: Vector<f32, Cpu> = dev.zeros_like(&(2,));
    let error = cross_entropy(logits.clone(), &logits, Some(&weights)).unwrap_err();
    assert_eq!(error, Error::Weights(0.0));
    let weights: Vector<f32, Cpu> = dev.ones_like(&(3,));
    let error = cross_entropy(logits.clone(), &logits, Some(&weights)).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "weights", .. }), "{error}");
}

#[test]
fn nan_logits_give_a_nan_loss() {
    let targets = CrossEntropy::default().targets(&[0], 2, &Cpu::default()).unwrap();
    let logits = matrix(vec![f32::NAN, 0.0], 2);
    let taught = Distillation { temperature: 2.0, weight: 0.5 };
    let losses = [
        cross_entropy(logits.clone(), &targets, None),
        binary_cross_entropy(logits.clone(), &targets, Default::default()),
        distillation(logits, &targets, &targets, taught),
    ];
    losses.into_iter().for_each(|loss| assert!(loss.unwrap().value().is_nan()));
}

#[test]
fn refuses_settings_out_of_their_range() {
    let logits = matrix(vec![0.0; 6], 3);
    for (temperature, weight, expected) in [
        (0.0, 0.5, "`temperature` is 0, expected a positive number"),
        (f64::INFINITY, 0.5, "`temperature` is inf, expected a positive number"),
        (2.0, 1.5, "`weight` is 1.5, expected a number from 0 to 1"),
        (2.0, f64::NAN, "`weight` is NaN, expected a number from 0 to 1"),
    ] {
        let settings = Distillation { temperature, weight };
        let error = distillation(logits.clone(), &logits, &logits, settings).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    for (threshold, found) in [(1.0, "1"), (-0.1, "-0.1"), (f64::NAN, "NaN")] {
        let settings =
            BinaryCrossEntropy { target_threshold: Some(threshold), ..Default::default() };
        let error = binary_cross_entropy(logits.clone(), &logits, settings).unwrap_err();
        let expected = format!(
            "`target_threshold` is {found}, expected a number from 0 up to, but not including, 1"
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn refuses_operands_of_other_losses_that_do_not_match() {
    let (logits, other) = (matrix(vec![0.0; 6], 3), matrix(vec![0.0; 6], 2));
    let settings = Distillation { temperature: 2.0, weight: 0.5 };
    let shapes = "have shape [3, 2], expected [2, 3] to match the logits";
    let error = distillation(logits.clone(), &other, &logits, settings).unwrap_err();
    assert_eq!(error.to_string(), format!("targets {shapes}"));
    let error = distillation(logits.clone(), &logits, &other, settings).unwrap_err();
    assert_eq!(error.to_string(), format!("the teacher's logits {shapes}"));
    let error = binary_cross_entropy(logits, &other, Default::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("targets {shapes}"));
}
