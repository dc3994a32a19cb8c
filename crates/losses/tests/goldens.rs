//! The losses, on every device, and mixing against PyTorch and timm: values and gradients.
#![allow(clippy::unwrap_used)]

#[path = "../../ops/tests/device/mod.rs"]
mod device;
#[path = "../../ops/tests/golden/mod.rs"]
mod golden;

use device::{Place, Work, to};
use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use golden::{Golden, close, near};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use trickbag_losses::{
    BinaryCrossEntropy, CrossEntropy, Distillation, Loss, Mix, Patch, binary_cross_entropy,
    cross_entropy, distillation,
};
use trickbag_ops::{Backend, Matrix, Tensors};

/// Of values and gradients of logits with 11 bits.
const HALF_TOLERANCE: f64 = 0.01;

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

    fn classes(&self) -> usize {
        self.values("logits").len() / self.case.batch
    }

    /// Hard labels smoothed by the crate; soft targets by hand, since the crate takes them as they are.
    fn targets(&self) -> Vec<f32> {
        let label_smoothing = self.case.label_smoothing;
        let settings = CrossEntropy { label_smoothing };
        let spread = |target: f32| {
            target * (1.0 - label_smoothing as f32)
                + (label_smoothing / self.classes() as f64) as f32
        };
        match &self.case.labels {
            Some(labels) => settings.target_rows(labels, self.classes()).unwrap(),
            None => self.values("targets").into_iter().map(spread).collect(),
        }
    }
}

/// A loss, and what it takes beside logits and targets.
enum Kind {
    CrossEntropy { weights: Option<Vec<f32>> },
    BinaryCrossEntropy(BinaryCrossEntropy),
    Distillation { teacher: Vec<f32>, settings: Distillation },
}

/// A loss of these logits; `on` gives its value, that of 8 times it, and the gradient of that.
struct Evaluation {
    kind: Kind,
    logits: Vec<f32>,
    targets: Vec<f32>,
    batch: usize,
}

impl Work for Evaluation {
    type Output = (f32, f32, Vec<f32>);

    fn on<E: Dtype, D: Backend<E>>(self, dev: &D) -> Self::Output {
        let matrix = |values: Vec<f32>| -> Matrix<f32, D> {
            let shape = (self.batch, values.len() / self.batch);
            dev.tensor_from_vec(values, shape)
        };
        let (logits, targets) = (D::from_f32(matrix(self.logits)).unwrap(), matrix(self.targets));
        let traced = logits.leaky_trace();
        let loss: Loss<E, D, _> = match self.kind {
            Kind::CrossEntropy { weights } => {
                let weights = weights.map(|weights| to(dev, weights));
                cross_entropy(traced, &targets, weights.as_ref())
            }
            Kind::BinaryCrossEntropy(settings) => binary_cross_entropy(traced, &targets, settings),
            Kind::Distillation { teacher, settings } => {
                distillation(traced, &targets, &matrix(teacher), settings)
            }
        }
        .unwrap();
        let (value, scaled) = (loss.value(), loss.scaled(8.0).unwrap());
        let eightfold = D::to_f32(scaled.retaped::<NoneTape>()).unwrap().as_vec()[0];
        let mut gradients = <D as Tensors<E>>::backward(scaled).unwrap();
        (value, eightfold, D::take_gradient(&mut gradients, &logits).unwrap().as_vec())
    }
}

/// Holds value and gradient of a loss against every case of a file, everywhere.
fn check<S: DeserializeOwned>(path: &str, tolerance: f64, kind: impl Fn(&Stored<'_, S>) -> Kind) {
    let golden = Golden::<Case<S>>::read(path);
    let pairs =
        golden.cases.iter().flat_map(|case| Place::all().into_iter().map(move |p| (case, p)));
    for (case, place) in pairs {
        let stored = Stored { golden: &golden, case };
        let (logits, targets) = (stored.values("logits"), stored.targets());
        let kind = kind(&stored);
        let work = Evaluation { kind, logits, targets, batch: case.batch };
        let (value, eightfold, gradient) = place.run(work);
        let gradient: Vec<f32> = gradient.into_iter().map(|g| g / 8.0).collect();
        let expected = |tensor: &str| golden.get(&format!("{}/{tensor}", case.name)).unwrap();
        let name = format!("{} {place:?}", case.name);
        let loss = expected("loss")[0];
        if place.is_half() {
            near(&name, &[value], &[loss], HALF_TOLERANCE);
            near(&name, &gradient, &expected("dlogits"), HALF_TOLERANCE);
        } else {
            close(&name, &[value], &[loss], tolerance);
            close(&name, &[eightfold], &[8.0 * loss], tolerance);
            close(&name, &gradient, &expected("dlogits"), tolerance);
        }
    }
}

#[test]
fn cross_entropy_agrees() {
    check::<()>("tests/goldens/cross_entropy.safetensors", 2e-6, |stored| Kind::CrossEntropy {
        weights: stored.case.weighted.then(|| stored.values("weights")),
    });
}

#[test]
fn binary_cross_entropy_agrees() {
    let path = "tests/goldens/binary_cross_entropy.safetensors";
    check::<BinaryCrossEntropy>(path, 2e-6, |stored| {
        Kind::BinaryCrossEntropy(stored.case.settings)
    });
}

#[test]
fn distillation_agrees() {
    let path = "tests/goldens/distillation.safetensors";
    // The square of the temperature, up to 400, multiplies what the divergence is off by.
    check::<Distillation>(path, 5e-6, |stored| Kind::Distillation {
        teacher: stored.values("teacher"),
        settings: stored.case.settings,
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
