//! `cargo xtask bench compare` with a stand-in for both programs: what it starts in which order,
//! and what it makes of what they say.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;

const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/measured-stand-in.sh");

/// Compares in a workspace of its own.
fn compare(place: &TempDir, flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["bench", "compare"]).args(flags);
    command.env("CARGO", STAND_IN).env("TOLD", place.path().join("told"));
    command.env("CARGO_MANIFEST_DIR", place.path().join("xtask"));
    command.env_remove("ONEDNN_MAX_CPU_ISA").env_remove("TRICKBAG_ISA").output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn runs_both_in_turn_with_the_same_flags_and_keeps_the_numbers() {
    let place = tempfile::tempdir().unwrap();
    let flags = ["--python", STAND_IN, "--rounds", "2", "--model", "resnet20", "--isa", "avx2"];
    let output = compare(&place, &flags);
    assert!(output.status.success(), "{output:?}");
    let said = stdout(&output);
    for part in [
        "pytorch, channels_last, compile: exit status: 1: RuntimeError: no compiler",
        "round 2: trickbag 20.00 ms, pytorch 30.00 ms",
        "both capped to avx2",
        "pytorch 9: 30.00 ms, rounds 30.00 to 30.00; 30 MB at most, 1 MB at the start, channels_last, eager",
        "speed 1.50 times PyTorch's, rounds 1.50 to 1.50",
        "memory 0.67 times PyTorch's, 0.66 times above the start",
    ] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }

    let told = fs::read_to_string(place.path().join("told")).unwrap();
    let starts: Vec<_> = told.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let (ours, theirs) = ("trickbag", "pytorch");
    // One to learn the threads, three modes that work, then two rounds.
    assert_eq!(starts, [ours, theirs, theirs, theirs, ours, theirs, ours, theirs], "{told}");
    for line in told.lines() {
        assert!(line.contains("--model resnet20"), "{line}");
        assert!(line.starts_with("trickbag avx2 ") || line.starts_with("pytorch AVX2"), "{line}");
        assert!(line.starts_with("trickbag") || line.ends_with("--threads 2"), "{line}");
    }

    let results = place.path().join("bench/results/old-iron-5-25-1-fma");
    let file = results.join("step-resnet20-32-b128-f32-2-threads-avx2.json");
    let kept: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let check = |field: &str, expected: Value| {
        assert_eq!(kept.pointer(field), Some(&expected), "{field} in {kept:#}");
    };
    check("/speedup/median", json!(1.5));
    check("/trickbag/rounds_ms", json!([20.0, 20.0]));
    check("/trickbag/images_per_second", json!(6400.0));
    check("/pytorch_mode/layout", json!("channels_last"));
    check("/pytorch_trials/3/ms", Value::Null);
    check("/pytorch_trials/0/ms", json!(40.0));
    check("/processor/name", json!("Old Iron 5"));
    check("/capped_to", json!("avx2"));
}

#[test]
fn weights_are_frozen_for_inference_alone() {
    for (work, expected) in [(&["--infer"][..], true), (&[], false)] {
        let place = tempfile::tempdir().unwrap();
        let flags = [&["--python", STAND_IN, "--rounds", "1"], work].concat();
        assert!(compare(&place, &flags).status.success());
        let told = fs::read_to_string(place.path().join("told")).unwrap();
        assert_eq!(told.contains("--engine freeze"), expected, "{told}");
    }
}

#[test]
fn says_what_is_wrong() {
    let check = |flags: &[&str], exit_code, said: &str| {
        let output = compare(&tempfile::tempdir().unwrap(), flags);
        let text = stdout(&output) + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit_code), "{text}");
        assert!(text.contains(said), "{text}");
    };
    check(&["--help"], 0, "--python PATH");
    check(&[], 2, "--python is missing");
    check(&["--python", "no-such-python"], 1, "PyTorch failed in each of its modes");
    check(&["--python", STAND_IN, "--isa", "sse9"], 1, "portable, avx2 or avx512");
}
