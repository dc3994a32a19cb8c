//! The program on a CUDA device, real or emulated, beside the program on the CPU.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/mnist.ron");
/// A quarter as wide as the recipe's own, which takes an emulated device minutes.
const MODEL: &str = "model=ResNet(depth: 8, stem: Cifar, width: 4)";
/// 512 digits, in the format `F32` or `F16`.
const TRICKS: &str = "LinearScaling(base_batch: 128), LabelSmoothing(0.1), NoBiasDecay, NoNormDecay, \
                      Subset(fraction: 0.064, seed: 1)";

fn trickbag(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trickbag"));
    command.current_dir(folder).args(arguments).output().unwrap()
}

/// Whether there is a device; says why not.
fn there_is_a_device() -> bool {
    let there = trickbag_ops::cuda(0).map(|_| ());
    there.inspect_err(|reason| eprintln!("skipped on CUDA: {reason}")).is_ok()
}

/// The losses of all steps, and that of the validation images.
fn losses(device: &str, format: &str) -> Vec<f64> {
    let folder = tempfile::tempdir().unwrap();
    let tricks = format!("tricks=[{TRICKS}, Precision({format})]");
    let small = ["--set", MODEL, "--set", "epochs=1", "--set", &tricks];
    let output =
        trickbag(folder.path(), &[&["run", RECIPE, "--device", device], &small[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = folder.path().join("runs/mnist/1");
    let summary = std::fs::read_to_string(run.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert!(summary["device"].as_str().unwrap().starts_with(device), "{summary}");
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let records = metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of = |record: Value| match record["record"].as_str() {
        Some("epoch") => record["val_loss"].as_f64().unwrap(),
        _ => record["loss"].as_f64().unwrap(),
    };
    records.map(of).collect()
}

#[test]
fn the_loss_curve_lies_on_that_of_the_cpu() {
    if !there_is_a_device() {
        return;
    }
    for (format, tolerance) in [("F32", 0.02), ("F16", 0.05)] {
        let (found, expected) = (losses("cuda", format), losses("cpu", format));
        assert_eq!(found.len(), expected.len());
        assert!(found.len() >= 8, "{found:?}");
        for (step, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (found / expected - 1.0).abs();
            assert!(error < tolerance, "{format} step {step}: {found}, on the CPU {expected}");
        }
    }
}

#[test]
fn bench_takes_the_device() {
    if !there_is_a_device() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for pass in ["step", "infer"] {
        for precision in ["f32", "f16"] {
            let arguments = ["bench", pass, "--device", "cuda:0", "--precision", precision];
            let small = ["--image", "8", "--batch", "4", "--steps", "2", "--json"];
            let output = trickbag(folder.path(), &[&arguments[..], &small].concat());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let found: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(found["device"], "cuda:0", "{found}");
            assert!(found["peak_gflop_per_second"].is_null(), "{found}");
        }
    }
}

#[test]
fn refuses_what_the_device_cannot_do() {
    if !there_is_a_device() {
        return;
    }
    let refuses = |arguments: &[&str], said: &str| {
        let folder = tempfile::tempdir().unwrap();
        let output = trickbag(folder.path(), &[&["run", RECIPE], arguments].concat());
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(said), "{message}");
        assert!(!folder.path().join("runs").exists());
    };
    refuses(&["--device", "cuda", "--set", "tricks=[Precision(Bf16)]"], "Precision(F16)");
    refuses(&["--device", "cuda:99"], "no such CUDA device");
    let huge = "model=ResNet(depth: 8, stem: Cifar, width: 131072)";
    refuses(&["--device", "cuda", "--set", huge], "GB");
}
