//! `trickbag compare` and `trickbag lr-find` as a user meets them.
#![allow(clippy::unwrap_used)]

mod place;

use place::{Place, stderr, stdout};

const RECIPE: &str = r#"Recipe(
    name: "tiny", seed: 3, data: Idx(path: "digits"),
    model: ResNet(depth: 8, stem: Cifar, width: 2),
    batch_size: 40, epochs: 2,
    optimizer: Sgd(lr: 0.1, momentum: 0.9),
    tricks: [LinearScaling(base_batch: 80), Warmup(epochs: 1)],
)"#;

/// Runs the program and expects exit code `code` and each of `said` on either output.
fn check(place: &Place, arguments: &[&str], code: i32, said: &[&str]) {
    let output = place.command(arguments).output().unwrap();
    let text = stdout(&output) + &stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in said {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn compares_finished_diverged_and_unfinished_runs() {
    let place = Place::new(RECIPE);
    assert!(place.run(&[]).status.success());
    assert!(!place.run(&["--set", "optimizer.lr=1e30"]).status.success());
    std::fs::create_dir(place.path("runs/tiny/3")).unwrap();
    std::fs::write(place.path("runs/tiny/3/recipe.ron"), RECIPE).unwrap();
    let runs = ["runs/tiny/1", "runs/tiny/2", "runs/tiny/3"];
    let said = ["C  runs/tiny/3", "| optimizer.lr |", "finished", "diverged at step", "unfinished"];
    check(&place, &[&["compare", "--csv", "all.csv"], &runs[..]].concat(), 0, &said);
    let csv = place.read("all.csv");
    assert_eq!(csv.lines().count(), 3, "a line of titles and the first run's epochs: {csv}");

    check(&place, &["compare", "runs/tiny"], 2, &["runs/tiny is not the folder of a run"]);
    check(&place, &["compare", "nowhere"], 2, &["nowhere", "no recipe.ron"]);
    check(&place, &["compare"], 2, &["<RUN>..."]);
}

#[test]
fn finds_a_rate_and_says_what_to_write() {
    let place = Place::new(RECIPE);
    // More steps than an epoch has.
    let arguments =
        ["lr-find", "tiny.ron", "--steps", "60", "--from", "1e-4", "--csv", "sweep.csv"];
    let said = [
        "learning rate",
        "LinearScaling multiplies the recipe's rate by 0.5",
        "--set optimizer.lr=",
    ];
    check(&place, &arguments, 0, &said);
    let csv = place.read("sweep.csv");
    assert!(csv.starts_with("learning_rate,loss,smoothed\n0.0001,"), "{csv}");
    assert!(csv.lines().count() > 50, "{csv}");
    assert!(!place.path("runs").exists());
}

#[test]
fn refuses_sweeps_that_go_nowhere() {
    let place = Place::new(RECIPE);
    let refused =
        |flags: &[&str], said| check(&place, &[&["lr-find", "tiny.ron"], flags].concat(), 2, said);
    refused(&["--from", "1", "--to", "0.1"], &["from 1 to 0.1", "--to that is above"]);
    refused(&["--from", "0"], &["--from", "above 0"]);
    refused(&["--steps", "5"], &["--steps"]);
}
