//! `cargo xtask cuda` with a stand-in for Python, which installs wheels that hold little, and with a
//! cargo that is content with everything.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

/// Puts two files where pip would, and counts how often.
const PYTHON: &str = r#"
while [ "$1" != --target ]; do shift; done
cd "$2" && mkdir -p nvidia/cu13/bin nvidia/cu13/include nvidia/cu13/lib
touch nvidia/cu13/bin/nvcc nvidia/cu13/include/cuda.h nvidia/cu13/lib/libnvrtc.so.13
echo once >> "$PLACE/calls"
"#;

#[test]
fn a_toolkit_is_assembled_once() {
    let place = place(PYTHON);
    let toolkit = place.path().join("target/cuda-toolkit");
    // What an interruption left is thrown away.
    fs::create_dir_all(place.path().join("target/cuda-toolkit.part/nvidia/cu13/rest")).unwrap();
    for _ in 0..2 {
        check(&cuda(&place, "toolkit"), 0, "");
        assert_eq!(fs::read_to_string(place.path().join("calls")).unwrap(), "once\n");
    }
    for file in ["bin/nvcc", "include/cuda.h", "lib64/libnvrtc.so.13", "WHEELS"] {
        assert!(toolkit.join(file).is_file(), "{file}");
    }
    assert!(!toolkit.join("rest").exists());
    let smi = Command::new(toolkit.join("stand-in/nvidia-smi"))
        .args(["--query-gpu=compute_cap", "--format=csv"])
        .output();
    assert_eq!(smi.unwrap().stdout, b"compute_cap\n8.0\n");

    // Another set of wheels is another toolkit.
    check(&cuda(&place, "toolkit --cublas"), 0, "nvidia-cublas");
    check(&cuda(&place, "toolkit"), 0, "");
    assert_eq!(fs::read_to_string(place.path().join("calls")).unwrap(), "once\nonce\n");
}

#[test]
fn a_command_runs_in_the_environment_of_the_emulated_device() {
    let place = place(PYTHON);
    let output = cuda(&place, "emulate /usr/bin/env");
    check(&output, 0, "CUDA is emulated on the processor");
    let root = place.path().display();
    for line in [
        format!("CUDA_PATH={root}/target/cuda-toolkit"),
        "CUDA_COMPUTE_CAP=80".into(),
        format!("LD_LIBRARY_PATH={root}/target/cuda-emulator/lib:{root}/target/cuda-toolkit/lib64"),
        format!(
            "PATH={root}/target/cuda-toolkit/bin:{root}/bin:/usr/bin:/bin:{root}/target/\
             cuda-toolkit/stand-in"
        ),
    ] {
        let said = text(&output);
        assert!(said.lines().any(|said| said == line), "{line}\n{said}");
    }
    for library in ["libcuda.so.1", "libnvrtc.so.13", "libcublas.so.13", "libnccl.so.2"] {
        let library = place.path().join("target/cuda-emulator/lib").join(library);
        assert!(library.is_symlink(), "{}", library.display());
    }
}

#[test]
fn says_why_there_is_no_toolkit() {
    let full =
        r#"echo "ERROR: Could not install packages due to an OSError: No space left" >&2; exit 1"#;
    for (python, reason) in [
        (full, "pip cannot fetch the wheels: ERROR: Could not install packages due to an OSError"),
        ("echo python3: No module named pip >&2; exit 1", "install python3-pip"),
        ("exit 1", "pip cannot fetch the wheels"),
        (":", "cannot arrange"),
    ] {
        let place = place(python);
        for what in ["toolkit", "emulate true", "test", "pack"] {
            check(&cuda(&place, what), 1, reason);
        }
        let skipped = cuda(&place, "test --skip-without-toolkit");
        check(&skipped, 0, "skipped: ");
        check(&skipped, 0, reason);
        assert!(!place.path().join("target/cuda-toolkit").exists());
    }
    let place = place("");
    fs::remove_file(place.path().join("bin/python3")).unwrap();
    let mut command = command(&place, "toolkit");
    check(&command.env("PATH", place.path().join("bin")).output().unwrap(), 1, "no python3");
}

#[test]
fn says_what_it_can_do() {
    let place = place(PYTHON);
    check(&cuda(&place, ""), 0, "  emulate COMMAND");
    check(&cuda(&place, "--help"), 0, "  toolkit [--cublas]");
    check(&cuda(&place, "toolkits"), 2, "there is no `cuda toolkits`");
    check(&cuda(&place, "emulate"), 2, "there is no `cuda emulate`");
    check(&cuda(&place, "test --fast"), 2, "there is no `cuda test --fast`");
}

/// A workspace with nothing in it but a Python.
fn place(python: &str) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("bin")).unwrap();
    program(&place.path().join("bin/python3"), python);
    place
}

fn program(file: &Path, script: &str) {
    fs::write(file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn cuda(place: &TempDir, what: &str) -> Output {
    command(place, what).output().unwrap()
}

fn command(place: &TempDir, what: &str) -> Command {
    let root = place.path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("cuda").args(what.split_whitespace());
    command.env("CARGO", "true").env("CARGO_MANIFEST_DIR", root.join("xtask")).env("PLACE", root);
    command.env("PATH", format!("{}/bin:/usr/bin:/bin", root.display()));
    for variable in ["CUDA_PATH", "CUDA_COMPUTE_CAP", "LD_LIBRARY_PATH"] {
        command.env_remove(variable);
    }
    command
}

fn check(output: &Output, code: i32, said: &str) {
    let text = text(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(said), "`{said}` is not in: {text}");
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}
