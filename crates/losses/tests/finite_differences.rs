//! Finite differences in `f64` agree with the gradient of every loss.
#![allow(clippy::unwrap_used)]

use dfdx::prelude::*;
use trickbag_losses::{
    BinaryCrossEntropy, Distillation, Error, Loss, Reduction, binary_cross_entropy, cross_entropy,
    distillation,
};
use trickbag_ops::Matrix;

const CLASSES: usize = 3;
const LOGITS: [f64; 6] = [0.3, -1.2, 2.0, 0.1, 0.0, -0.4];
/// Their rows need not sum to 1.
const TARGETS: [f64; 6] = [0.7, 0.2, 0.3, 0.1, 0.5, 0.4];
const TEACHER: [f64; 6] = [1.3, 0.2, -0.5, 0.0, 2.0, -1.0];

type Traced = OwnedTape<f32, Cpu>;

fn matrix(values: &[f64]) -> Matrix<f32, Cpu> {
    let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    let shape = (values.len() / CLASSES, CLASSES);
    Cpu::default().tensor_from_vec(values, shape)
}

/// Holds the gradient of `loss` against differences of `reference`, and its value as well.
fn check(
    loss: impl Fn(Matrix<f32, Cpu, Traced>) -> Result<Loss<f32, Cpu, Traced>, Error>,
    reference: impl Fn(&[f64]) -> f64,
) {
    let logits = matrix(&LOGITS);
    let traced = loss(logits.leaky_trace()).unwrap();
    assert!((f64::from(traced.value()) - reference(&LOGITS)).abs() < 1e-6);
    let gradient = traced.scaled(1.0).unwrap().backward().get(&logits).as_vec();
    for (i, found) in gradient.into_iter().enumerate() {
        let at = |step: f64| {
            let mut moved = LOGITS;
            moved[i] += step;
            reference(&moved)
        };
        let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
        assert!((f64::from(found) - expected).abs() < 1e-6, "{i}: {found}, expected {expected}");
    }
}

fn log_softmax(row: &[f64], temperature: f64) -> Vec<f64> {
    let log_sum = row.iter().map(|z| (z / temperature).exp()).sum::<f64>().ln();
    row.iter().map(|z| z / temperature - log_sum).collect()
}

/// Mean over the rows of what `of_row` gives for a row of `values` and of `others`.
fn mean(values: &[f64], others: &[f64], of_row: impl Fn(&[f64], &[f64]) -> f64) -> f64 {
    let rows = values.chunks(CLASSES).zip(others.chunks(CLASSES));
    rows.map(|(a, b)| of_row(a, b)).sum::<f64>() / (values.len() / CLASSES) as f64
}

fn hard(logits: &[f64]) -> f64 {
    mean(logits, &TARGETS, |z, t| {
        log_softmax(z, 1.0).iter().zip(t).map(|(log_p, t)| -t * log_p).sum()
    })
}

#[test]
fn of_cross_entropy() {
    check(|logits| cross_entropy(logits, &matrix(&TARGETS), None), hard);
}

#[test]
fn of_binary_cross_entropy() {
    let classes = CLASSES as f64;
    for (reduction, share) in [(Reduction::Mean, 1.0 / classes), (Reduction::SumClasses, 1.0)] {
        let settings = BinaryCrossEntropy { target_threshold: None, reduction };
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
        let of = |z: f64, t: f64| -t * sigmoid(z).ln() - (1.0 - t) * sigmoid(-z).ln();
        check(
            |logits| binary_cross_entropy(logits, &matrix(&TARGETS), settings),
            |logits| {
                share
                    * mean(logits, &TARGETS, |z, t| z.iter().zip(t).map(|(&z, &t)| of(z, t)).sum())
            },
        );
    }
}

#[test]
fn of_distillation() {
    for (temperature, weight) in [(1.0, 0.5), (4.0, 0.9), (0.5, 1.0), (20.0, 0.0)] {
        let divergence = |z: &[f64], teacher: &[f64]| {
            let pairs = log_softmax(teacher, temperature).into_iter();
            let pairs = pairs.zip(log_softmax(z, temperature));
            pairs.map(|(log_q, log_p)| log_q.exp() * (log_q - log_p)).sum()
        };
        let settings = Distillation { temperature, weight };
        check(
            |logits| distillation(logits, &matrix(&TARGETS), &matrix(&TEACHER), settings),
            |logits| {
                let soft = mean(logits, &TEACHER, divergence);
                (1.0 - weight) * hard(logits) + weight * temperature * temperature * soft
            },
        );
    }
}
