//! What `cargo xtask` starts: a stand-in for cargo tells what it was given.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

#[test]
fn arguments_arrive_as_they_are() {
    let check = |given: &[&str], features: &[&str]| {
        let told = tell(given, Path::new("."));
        let build =
            ["run", "--release", "--package", "trickbag", "--manifest-path", "ws/Cargo.toml"];
        assert_eq!(told.arguments, [&build, features, &["--"], given].concat());
    };
    check(&["run"], &[]);
    check(&["run", "recipes/mnist.ron"], &[]);
    check(&["run", "a b.ron", "--set", "batch_size=64", "--set", "tricks=[]"], &[]);
    check(&["run", "--resume", "x.ron"], &[]);
    check(&["run", "--help"], &[]);
    check(&["run", "-h"], &[]);
    check(&["run", "--version"], &[]);
    check(&["run", "x.ron", "--no-such-flag=1", "-q", ""], &[]);
    check(&["run", "x.ron", "--", "-y"], &[]);
    check(&["run", "--", "-x.ron"], &[]);
    check(&["explain", "x.ron", "--help"], &[]);
    check(&["lint", "x.ron", "--deny", "warnings"], &[]);
    check(&["lint", "--rules"], &[]);
    check(&["ablate", "x.ron", "--mode", "each", "--seeds", "5"], &[]);
    check(&["lr-find", "x.ron", "--steps", "50"], &[]);
    check(&["compare", "runs/x/1", "runs/x/2", "--csv", "all.csv"], &[]);
    check(&["bench"], &[]);
    check(&["bench", "step", "--model", "resnet20", "--json"], &[]);
    check(&["bench", "infer", "--batch", "1", "compare"], &[]);

    check(&["run", "x.ron", "--device", "cpu"], &[]);
    check(&["run", "x.ron", "--device"], &[]);
    check(&["run", "cuda.ron"], &[]);
    check(&["run", "x.ron", "--device", "cuda"], &["--features", "cuda"]);
    check(&["run", "--device=cuda:1", "x.ron"], &["--features", "cuda"]);
    check(&["ablate", "x.ron", "--device", "cuda"], &["--features", "cuda"]);
    check(&["explain", "--device", "cuda:0", "x.ron"], &["--features", "cuda"]);
}

#[test]
fn the_process_the_folder_and_the_exit_code_are_cargos() {
    let folder = tempfile::tempdir().unwrap();
    let told = tell(&["run", "mine.ron"], folder.path());
    assert_eq!(told.folder, folder.path().canonicalize().unwrap().to_str().unwrap());
    // One process: Ctrl-C has nobody else to stop.
    assert_eq!(told.process, told.started);
    assert_eq!(told.exit_code, 7);
}

#[test]
fn help_lists_the_tasks() {
    let check = |given: &[&str], exit_code, expected: &str| {
        let output = xtask(given).env_remove("CARGO_MANIFEST_DIR").output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(text.contains(expected), "{given:?}: {text}");
        assert_eq!(output.status.code(), Some(exit_code), "{given:?}");
    };
    for task in [
        "  run RECIPE",
        "  explain RECIPE",
        "  lint RECIPE",
        "  ablate RECIPE",
        "  lr-find RECIPE",
        "  compare RUN",
        "  bench step",
        "  bench compare",
        "  ci ",
    ] {
        check(&[], 0, task);
        check(&["--help"], 0, task);
        check(&["train"], 2, task);
    }
    check(&["train"], 2, "there is no task `train`");
    check(&["run"], 1, "start this program as `cargo xtask`");
}

struct Told {
    started: String,
    process: String,
    folder: String,
    arguments: Vec<String>,
    exit_code: i32,
}

/// Runs xtask with the stand-in for cargo.
fn tell(arguments: &[&str], folder: &Path) -> Told {
    let cargo = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cargo-stand-in.sh");
    let mut command = xtask(arguments);
    command.current_dir(folder).env("CARGO", cargo).env("CARGO_MANIFEST_DIR", "ws/xtask");
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let started = child.id().to_string();
    let Output { status, stdout, .. } = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(stdout).unwrap();
    let mut lines = stdout.lines().map(String::from);
    let mut line = || lines.next().unwrap();
    let (process, folder) = (line(), line());
    Told { started, process, folder, arguments: lines.collect(), exit_code: status.code().unwrap() }
}

fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments);
    command
}
