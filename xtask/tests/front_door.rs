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
    check(&["bench", "step", "--device", "cuda:1"], &["--features", "cuda"]);

    check(&["run", "x.ron", "--device", "cpu"], &[]);
    check(&["run", "x.ron", "--device"], &[]);
    check(&["run", "cuda.ron"], &[]);
    check(&["run", "x.ron", "--device", "cuda"], &["--features", "cuda"]);
    check(&["run", "--device=cuda:1", "x.ron"], &["--features", "cuda"]);
    check(&["ablate", "x.ron", "--device", "cuda"], &["--features", "cuda"]);
    check(&["explain", "--device", "cuda:0", "x.ron"], &["--features", "cuda"]);
}

#[test]
fn cuda_is_looked_for_before_anything_is_built() {
    let check = |prepare: fn(&mut Command, &Path), said: &str| {
        let toolkit = toolkit();
        let mut command = xtask(&["run", "x.ron", "--device", "cuda"]);
        command.env("CARGO", "true").env("CARGO_MANIFEST_DIR", "ws/xtask");
        command.env("CUDA_PATH", toolkit.path()).env("PATH", toolkit.path().join("bin"));
        prepare(&mut command, toolkit.path());
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(said), "{text}");
        assert_eq!(output.status.success(), said.is_empty(), "{text}");
    };
    let named = |command: &mut Command, _: &Path| {
        command.env("CARGO", "/bin/true");
    };
    check(named, "");
    let named_otherwise = |command: &mut Command, root: &Path| {
        command.env_remove("CUDA_PATH").env("CUDA_HOME", root).env("CARGO", "/bin/true");
    };
    check(named_otherwise, "");
    let on_the_path = |command: &mut Command, _: &Path| {
        command.env_remove("CUDA_PATH").env_remove("CUDA_HOME").env("CARGO", "/bin/true");
    };
    check(on_the_path, "");
    let misnamed = |command: &mut Command, _: &Path| {
        command.env("CUDA_PATH", "nowhere");
    };
    check(misnamed, "CUDA_PATH is nowhere");
    let headless = |_: &mut Command, root: &Path| {
        std::fs::remove_file(root.join("include/cuda.h")).unwrap();
    };
    check(headless, "`cargo xtask cuda toolkit`");
    let driverless = |_: &mut Command, root: &Path| {
        std::fs::remove_file(root.join("bin/nvidia-smi")).unwrap();
    };
    check(driverless, "there is no NVIDIA driver here");
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
fn the_doctor_names_the_toolkit_before_all_else() {
    let mut command = xtask(&["doctor", "data"]);
    command.env("CUDA_PATH", "nowhere").env("CARGO_MANIFEST_DIR", "ws/xtask").env("CARGO", "echo");
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let mut lines = output.lines();
    assert!(lines.next().unwrap().starts_with("toolkit       missing  CUDA_PATH is nowhere"));
    assert!(lines.next().unwrap().ends_with("-- doctor data"));
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
        "  doctor [FOLDER]",
        "  cuda WHAT",
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
    let toolkit = toolkit();
    let mut command = xtask(arguments);
    command.env("CUDA_PATH", toolkit.path()).env("PATH", toolkit.path().join("bin"));
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

/// What a toolkit and a driver are known by.
fn toolkit() -> tempfile::TempDir {
    use std::{fs, os::unix::fs::PermissionsExt};

    let toolkit = tempfile::tempdir().unwrap();
    for file in ["bin/nvcc", "bin/nvidia-smi", "include/cuda.h"] {
        let file = toolkit.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    toolkit
}

fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments);
    command
}
