//! Cross entropy against PyTorch: values and gradients.
#![allow(clippy::unwrap_used)]

#[path = "../../ops/tests/golden/mod.rs"]
mod golden;

use dfdx::prelude::*;
use golden::{Golden, close};
use serde::Deserialize;
use trickbag_losses::{CrossEntropy, cross_entropy};
use trickbag_ops::{Matrix, Vector};

#[derive(Deserialize)]
struct Case {
    name: String,
    label_smoothing: f64,
    labels: Option<Vec<u32>>,
    weighted: bool,
}

#[test]
fn agrees_with_pytorch() {
    let golden = Golden::<Case>::read("tests/goldens/cross_entropy.safetensors");
    let dev = Cpu::default();
    for case in &golden.cases {
        let Case { name, label_smoothing, .. } = case;
        let stored = |tensor: &str| -> Vec<f32> {
            let values = golden.get(&format!("{name}/{tensor}")).unwrap();
            values.into_iter().map(|v| v as f32).collect()
        };
        let logits = stored("logits");
        let batch = stored("losses").len();
        let shape = (batch, logits.len() / batch);
        let logits: Matrix<f32, Cpu> = dev.tensor_from_vec(logits, shape);
        let targets = match &case.labels {
            Some(labels) => {
                let settings = CrossEntropy { label_smoothing: *label_smoothing };
                settings.targets(labels, shape.1, &dev).unwrap()
            }
            // Smoothed as the goldens are: first smoothed, then taken as they are.
            None => {
                dev.tensor_from_vec(stored("targets"), shape) * (1.0 - *label_smoothing as f32)
                    + (*label_smoothing / shape.1 as f64) as f32
            }
        };
        let weights: Option<Vector<f32, Cpu>> =
            case.weighted.then(|| dev.tensor_from_vec(stored("weights"), (batch,)));

        let loss = cross_entropy(logits.leaky_trace(), &targets, weights.as_ref()).unwrap();
        golden.check(&format!("{name}/loss"), &[loss.value()], 2e-6);
        let scaled = loss.scaled(8.0).unwrap();
        let expected = golden.get(&format!("{name}/loss")).unwrap()[0] * 8.0;
        close(name, &scaled.as_vec(), &[expected], 2e-6);
        let gradient = (scaled.backward().get(&logits) / 8.0).as_vec();
        golden.check(&format!("{name}/dlogits"), &gradient, 2e-6);
    }
}
