//! The losses and mixing against PyTorch and timm: values and gradients.
#![allow(clippy::unwrap_used)]

#[path = "../../ops/tests/golden/mod.rs"]
mod golden;

use dfdx::prelude::*;
use golden::{Golden, close};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use trickbag_losses::{
    BinaryCrossEntropy, CrossEntropy, Distillation, Error, Loss, Mix, Patch, binary_cross_entropy,
    cross_entropy, distillation,
};
use trickbag_ops::{Matrix, Vector};

#[derive(Deserialize)]
struct Case<S> {
    name: String,
    batch: usize,
    label_smoothing: f64,
    labels: Option<Vec<u32>>,
    #[serde(default)]
    weighted: bool,
    settings: S,
}

/// The tensors of one case.
struct Stored<'a, S> {
    golden: &'a Golden<Case<S>>,
    case: &'a Case<S>,
}

impl<S> Stored<'_, S> {
    fn values(&self, tensor: &str) -> Vec<f32> {
        let values = self.golden.get(&format!("{}/{tensor}", self.case.name)).unwrap();
        values.into_iter().map(|v| v as f32).collect()
    }

    fn matrix(&self, tensor: &str) -> Matrix<f32, Cpu> {
        let values = self.values(tensor);
        let shape = (self.case.batch, values.len() / self.case.batch);
        Cpu::default().tensor_from_vec(values, shape)
    }

    /// Hard labels smoothed by the crate; soft targets by hand, since the crate takes them as they are.
    fn targets(&self) -> Matrix<f32, Cpu> {
        let classes = self.values("logits").len() / self.case.batch;
        let label_smoothing = self.case.label_smoothing;
        let settings = CrossEntropy { label_smoothing };
        match &self.case.labels {
            Some(labels) => settings.targets(labels, classes, &Cpu::default()).unwrap(),
            None => {
                let kept = self.matrix("targets") * (1.0 - label_smoothing as f32);
                kept + (label_smoothing / classes as f64) as f32
            }
        }
    }
}

type Traced = OwnedTape<f32, Cpu>;

/// Holds value and gradient of `loss` against every case of a file.
fn check<S: DeserializeOwned>(
    path: &str,
    tolerance: f64,
    loss: impl Fn(
        Matrix<f32, Cpu, Traced>,
        Matrix<f32, Cpu>,
        &Stored<'_, S>,
    ) -> Result<Loss<f32, Cpu, Traced>, Error>,
) {
    let golden = Golden::<Case<S>>::read(path);
    for case in &golden.cases {
        let (stored, name) = (Stored { golden: &golden, case }, &case.name);
        let logits = stored.matrix("logits");
        let loss = loss(logits.leaky_trace(), stored.targets(), &stored).unwrap();
        golden.check(&format!("{name}/loss"), &[loss.value()], tolerance);
        let scaled = loss.scaled(8.0).unwrap();
        let expected = golden.get(&format!("{name}/loss")).unwrap()[0] * 8.0;
        close(name, &scaled.as_vec(), &[expected], tolerance);
        let gradient = (scaled.backward().get(&logits) / 8.0).as_vec();
        golden.check(&format!("{name}/dlogits"), &gradient, tolerance);
    }
}

#[test]
fn cross_entropy_agrees() {
    check::<()>("tests/goldens/cross_entropy.safetensors", 2e-6, |logits, targets, stored| {
        let weights = stored.case.weighted.then(|| stored.values("weights"));
        let vector = |w| Cpu::default().tensor_from_vec(w, (stored.case.batch,));
        let weights: Option<Vector<f32, Cpu>> = weights.map(vector);
        cross_entropy(logits, &targets, weights.as_ref())
    });
}

#[test]
fn binary_cross_entropy_agrees() {
    let path = "tests/goldens/binary_cross_entropy.safetensors";
    check::<BinaryCrossEntropy>(path, 2e-6, |logits, targets, stored| {
        binary_cross_entropy(logits, &targets, stored.case.settings)
    });
}

#[test]
fn distillation_agrees() {
    let path = "tests/goldens/distillation.safetensors";
    // The square of the temperature, up to 400, multiplies what the divergence is off by.
    check::<Distillation>(path, 5e-6, |logits, targets, stored| {
        distillation(logits, &targets, &stored.matrix("teacher"), stored.case.settings)
    });
}

#[derive(Deserialize)]
struct MixCase {
    name: String,
    lambda: f64,
    centre: Option<[usize; 2]>,
    label_smoothing: f64,
    labels: Vec<u32>,
    classes: usize,
}

#[test]
fn mixing_agrees() {
    let golden = Golden::<MixCase>::read("tests/goldens/mixing.safetensors");
    for case in &golden.cases {
        let MixCase { name, lambda, label_smoothing, labels, classes, .. } = case;
        let mix = match case.centre {
            None => Mix::Blend { lambda: *lambda },
            Some(centre) => Mix::Paste(Patch::new(centre, *lambda, [7, 9])),
        };
        let images = golden.get(&format!("{name}/images")).unwrap();
        let mut images: Vec<f32> = images.into_iter().map(|v| v as f32).collect();
        mix.images(&mut images, [labels.len(), 7, 9, 3]).unwrap();
        golden.check(&format!("{name}/mixed_images"), &images, 1e-6);

        let settings = CrossEntropy { label_smoothing: *label_smoothing };
        let mut targets = settings.target_rows(labels, *classes).unwrap();
        mix.targets(&mut targets, *classes).unwrap();
        golden.check(&format!("{name}/mixed_targets"), &targets, 1e-6);
    }
}
