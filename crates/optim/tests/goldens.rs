//! Every optimiser and what surrounds it against PyTorch and timm, step by step, on every device.
#![allow(clippy::unwrap_used)]

mod trajectory;

use dfdx::dtypes::Dtype;
use serde::Deserialize;
use trajectory::device::{Work, on_each_device, to};
use trajectory::golden::{Golden, close, fill};
use trajectory::{Case, NAMES, Training, values};
use trickbag_ops::Backend;
use trickbag_optim::{Average, Clip, Units, WeightAverage};

#[derive(Clone, Copy)]
struct Trajectories;

impl Work for Trajectories {
    type Output = ();

    fn on<E: Dtype, D: Backend<E>>(self, dev: &D) {
        let golden = Golden::<Case>::read("tests/goldens/trajectories.safetensors");
        for case in &golden.cases {
            let mut training = Training::new(case, dev);
            for step in 0..case.lr.len() {
                training.step(case, step);
                for (name, parameter) in NAMES.iter().zip(values(&training.parameters)) {
                    let tensor = format!("{}/{name}", case.name);
                    let rows = golden.get(&tensor).unwrap();
                    let expected = &rows[step * parameter.len()..][..parameter.len()];
                    close(&format!("{tensor} step {step}"), &parameter, expected, 1e-5);
                }
            }
        }
    }
}

#[test]
fn trajectories_agree() {
    on_each_device(Trajectories);
}

#[derive(Deserialize)]
struct ClipCase {
    name: String,
    clip: Clip,
}

/// A name, how often its shape repeats the outputs, and the outputs.
const CLIPPED: [(&str, usize, usize); 3] = [("conv", 18, 4), ("linear", 6, 5), ("bias", 4, 1)];

#[derive(Clone, Copy)]
struct Clipped;

impl Work for Clipped {
    type Output = ();

    fn on<E: Dtype, D: Backend<E>>(self, dev: &D) {
        let golden = Golden::<ClipCase>::read("tests/goldens/clip.safetensors");
        let scaled = |(name, rows, outputs): (&str, usize, usize),
                      tag: &str,
                      factor: fn(usize) -> f32| {
            let values = fill(&format!("{name}{tag}"), rows * outputs, 0.0, 1.0);
            let output = |index| if outputs > 1 { index % outputs } else { 0 };
            to(dev, values.into_iter().enumerate().map(|(i, v)| v * factor(output(i))).collect())
        };
        let parameters =
            CLIPPED.map(|of| scaled(of, "", |output| if output == 2 { 1e-3 } else { 1.0 }));
        let gradients = CLIPPED.map(|of| {
            scaled(of, "/gradient", |output| match output {
                1 => 1e-4,
                3 => 0.0,
                _ => 1.0,
            })
        });
        let units = CLIPPED.map(|(_, _, outputs)| match outputs {
            1 => Units::Whole,
            _ => Units::Outputs(outputs),
        });
        for ClipCase { name, clip } in &golden.cases {
            let (clipped, norm) = clip.apply(gradients.to_vec(), &parameters, &units).unwrap();
            golden.check(&format!("{name}/norm"), &[norm as f32], 1e-6);
            for ((tensor, ..), clipped) in CLIPPED.iter().zip(&clipped) {
                golden.check(&format!("{name}/{tensor}"), &clipped.as_vec(), 1e-6);
            }
        }
    }
}

#[test]
fn clipped_gradients_agree() {
    on_each_device(Clipped);
}

#[derive(Deserialize)]
struct AverageCase {
    name: String,
    average: WeightAverage,
    taken: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Averages;

impl Work for Averages {
    type Output = ();

    fn on<E: Dtype, D: Backend<E>>(self, dev: &D) {
        let golden = Golden::<AverageCase>::read("tests/goldens/average.safetensors");
        for AverageCase { name, average, taken } in &golden.cases {
            let zeros = [to(dev, vec![0.0; 5])];
            let mut average = Average::new(*average, &zeros, &zeros).unwrap();
            for update in 1..=12 {
                let of = |tag: &str| [to(dev, fill(&format!("{tag}/{update}"), 5, 0.0, 1.0))];
                average.update(&of("parameter"), &of("statistics")).unwrap();
                let number = taken.iter().filter(|&&at| at <= update).count();
                assert_eq!(average.values().is_some(), number > 0, "{name} update {update}");
                let Some(found) = average.values() else { continue };
                let found = [("parameter", found.parameters), ("statistics", found.statistics)];
                for (tensor, found) in found {
                    let rows = golden.get(&format!("{name}/{tensor}")).unwrap();
                    let what = format!("{name}/{tensor} update {update}");
                    close(&what, &found[0].as_vec(), &rows[(number - 1) * 5..][..5], 1e-6);
                }
            }
        }
    }
}

#[test]
fn averages_agree() {
    on_each_device(Averages);
}
