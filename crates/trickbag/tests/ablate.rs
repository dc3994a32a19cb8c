//! `trickbag ablate` as a user meets it: each variant once, whatever stops it, and the table.
#![allow(clippy::unwrap_used, clippy::panic)]

mod place;

use std::fs;
use std::process::{Command, Stdio};

use place::{Place, stderr, stdout, wait_for};
use serde_json::Value;

/// Fifty updates in all.
const RECIPE: &str = r#"Recipe(
    name: "tiny", seed: 3, data: Idx(path: "digits"),
    model: ResNet(depth: 8, stem: Cifar, width: 2),
    batch_size: 40, epochs: 1,
    optimizer: Sgd(lr: 0.1, momentum: 0.9),
    tricks: [LabelSmoothing(0.1), CosineAnnealing],
)"#;

fn ablation(place: &Place, arguments: &[&str]) -> Command {
    place.command(&[&["ablate", "tiny.ron"], arguments].concat())
}

/// What it prints on its two outputs, with exit code 0.
fn ablate(place: &Place, arguments: &[&str]) -> (String, String) {
    let output = ablation(place, arguments).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    (stdout(&output), stderr(&output))
}

/// How many runs there are in all.
fn runs(place: &Place) -> usize {
    let entries = fs::read_dir(place.path("runs/tiny")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.parse::<u32>().is_ok()).count()
}

fn table(place: &Place) -> Value {
    serde_json::from_str(&place.read("runs/tiny/ablation-stack/table.json")).unwrap()
}

#[test]
fn each_variant_is_trained_once_and_the_table_is_saved() {
    let place = Place::new(RECIPE);
    let (page, progress) = ablate(&place, &["--seeds", "2"]);
    assert_eq!(runs(&place), 6);
    assert!(
        progress.contains("[6/6] + CosineAnnealing, seed 4: run folder runs/tiny/6"),
        "{progress}"
    );
    for part in ["seeds 3, 4", "| baseline ", "| + LabelSmoothing ", "95 % interval"] {
        assert!(page.contains(part), "`{part}` is not in {page}");
    }
    assert!(page.starts_with(&place.read("runs/tiny/ablation-stack/table.md")));
    assert_eq!(place.read("runs/tiny/ablation-stack/table.csv").lines().count(), 4);
    let table = table(&place);
    assert_eq!(table["seeds"], serde_json::json!([3, 4]));
    assert_eq!(table["rows"][2]["runs"][1]["folder"], "runs/tiny/6");

    // The full recipe and the one with label smoothing alone are there already.
    ablate(&place, &["--mode", "leave-one-out", "--seeds", "2"]);
    assert_eq!(runs(&place), 8);
    let (_, progress) =
        ablate(&place, &["--mode", "each", "--seeds", "1", "--tricks", "CosineAnnealing"]);
    assert_eq!(runs(&place), 8);
    assert!(
        progress.contains("[2/2] + CosineAnnealing, seed 3: known from runs/tiny/3"),
        "{progress}"
    );
}

#[test]
fn the_whole_recipe_is_the_run_of_that_recipe() {
    let place = Place::new(RECIPE);
    assert!(place.run(&["--set", "batch_size=100"]).status.success());
    let again = ["--mode", "leave-one-out", "--seeds", "1", "--tricks", "LabelSmoothing"];
    let (page, progress) = ablate(&place, &[&again[..], &["--set", "batch_size=100"]].concat());
    assert!(progress.contains("[1/2] full recipe, seed 3: known from runs/tiny/1"), "{progress}");
    assert!(page.contains("One seed proves nothing"), "{page}");
    assert_eq!(runs(&place), 2);
}

/// Starts an ablation, ends it in its second run, and returns the results that the same command then
/// comes to.
#[cfg(unix)]
fn ended_and_repeated(place: &Place, signal: &str) -> Value {
    let mut child = ablation(place, &["--seeds", "1"]).stderr(Stdio::null()).spawn().unwrap();
    wait_for(&place.path("runs/tiny/2/metrics.jsonl"), 3);
    let process = child.id().to_string();
    assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
    let code = child.wait().unwrap().code();
    assert_eq!(code, (signal == "-INT").then_some(130));
    assert!(!place.path("runs/tiny/ablation-stack").exists());
    let (_, progress) = ablate(place, &["--seeds", "1"]);
    for line in [
        "[1/3] baseline, seed 3: known from runs/tiny/1",
        "[2/3] + LabelSmoothing, seed 3: run folder runs/tiny/2",
    ] {
        assert!(progress.contains(line), "{progress}");
    }
    assert_eq!(runs(place), 3);
    results(place)
}

fn results(place: &Place) -> Value {
    table(place)["rows"].as_array().unwrap().iter().map(|row| row["runs"].clone()).collect()
}

#[cfg(unix)]
#[test]
fn stopped_or_killed_the_same_command_goes_on() {
    let unbroken = Place::new(RECIPE);
    ablate(&unbroken, &["--seeds", "1"]);
    for signal in ["-KILL", "-INT"] {
        let found = ended_and_repeated(&Place::new(RECIPE), signal);
        assert_eq!(found, results(&unbroken), "{signal}");
    }
}

#[test]
fn a_run_in_training_is_left_alone() {
    let place = Place::new(&RECIPE.replace("epochs: 1", "epochs: 1000"));
    let training = ["--seeds", "1", "--tricks", "LabelSmoothing"];
    let mut child = ablation(&place, &training).stderr(Stdio::null()).spawn().unwrap();
    wait_for(&place.path("runs/tiny/1/metrics.jsonl"), 1);
    let other = ablation(&place, &training).output().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(other.status.code(), Some(2), "{}", stderr(&other));
    let message = "another process is training the run in runs/tiny/1";
    assert!(stderr(&other).contains(message), "{}", stderr(&other));
}

#[test]
fn a_variant_that_diverges_is_a_result() {
    let place = Place::new(&RECIPE.replace("lr: 0.1", "lr: 1e30"));
    let (page, _) = ablate(&place, &["--seeds", "1"]);
    assert!(page.contains("diverged"), "{page}");
    assert_eq!(runs(&place), 3);
    let table = table(&place);
    assert_eq!(table["rows"][1]["diverged"], 1);
    assert_eq!(table["rows"][1]["top1"], Value::Null);
    let (_, progress) = ablate(&place, &["--seeds", "1"]);
    assert!(
        progress.contains("[3/3] + CosineAnnealing, seed 3: known from runs/tiny/3"),
        "{progress}"
    );
    assert_eq!(runs(&place), 3);
}

#[test]
fn refuses_before_anything_is_trained() {
    let check = |arguments: &[&str], said: &[&str]| {
        let place = Place::new(RECIPE);
        let output = ablation(&place, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        for part in said {
            assert!(stderr(&output).contains(part), "`{part}` is not in: {}", stderr(&output));
        }
        assert!(!place.path("runs").exists());
    };
    check(&["--tricks", "Cosine"], &["no trick `Cosine`", "LabelSmoothing, CosineAnnealing"]);
    check(&["--set", "tricks=[]"], &["has no tricks"]);
    check(&["--set", "batch_size=2001"], &["batch_size=2001", "2000"]);
    check(&["--seeds", "0"], &["--seeds"]);
    check(&["--mode", "some"], &["stack, leave-one-out, each, all"]);
    check(&["--to", "90"], &["--to", "up to 1"]);
}
