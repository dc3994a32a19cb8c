//! What a loss refuses, and that finite differences agree with its gradient.
#![allow(clippy::unwrap_used)]

use dfdx::prelude::*;
use trickbag_losses::{CrossEntropy, Error, cross_entropy};
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
    let loss = cross_entropy(matrix(vec![f32::NAN, 0.0], 2), &targets, None).unwrap();
    assert!(loss.value().is_nan());
}

#[test]
fn finite_differences_agree() {
    let values = [0.3, -1.2, 2.0, 0.1, 0.0, -0.4_f64];
    let (share, classes) = ([0.7, 0.2, 0.3, 0.1, 0.5, 0.4_f64], 3);
    let loss = |values: &[f64]| -> f64 {
        let rows = values.chunks(classes).zip(share.chunks(classes));
        let losses = rows.map(|(z, t)| {
            let log_sum = z.iter().map(|z| z.exp()).sum::<f64>().ln();
            z.iter().zip(t).map(|(z, t)| t * (log_sum - z)).sum::<f64>()
        });
        losses.sum::<f64>() / 2.0
    };
    let logits = matrix(values.iter().map(|&v| v as f32).collect(), classes);
    let targets = matrix(share.iter().map(|&v| v as f32).collect(), classes);
    let traced = cross_entropy(logits.leaky_trace(), &targets, None).unwrap();
    let gradient = traced.scaled(1.0).unwrap().backward().get(&logits).as_vec();
    for (i, found) in gradient.into_iter().enumerate() {
        let at = |step: f64| {
            let mut moved = values;
            moved[i] += step;
            loss(&moved)
        };
        let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
        assert!((f64::from(found) - expected).abs() < 1e-6, "{i}: {found}, expected {expected}");
    }
}
