//! `trickbag bench` as a user meets it: its flags, its result, and what caps its instructions.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

use serde_json::{Value, json};

fn bench(arguments: &str, isa: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trickbag"));
    command.arg("bench").args(arguments.split(' ')).env_remove("TRICKBAG_ISA");
    command.envs(isa.map(|isa| ("TRICKBAG_ISA", isa))).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn helps() {
    insta::assert_snapshot!("help", stdout(&bench("--help", None)));
    insta::assert_snapshot!("step-help", stdout(&bench("step --help", None)));
}

#[test]
fn json_has_all_that_was_measured() {
    let check = |arguments: &str, isa, expected: Value| {
        let output = bench(arguments, isa);
        assert!(output.status.success(), "{output:?}");
        let found: Value = serde_json::from_str(stdout(&output)).unwrap();
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&found[field], value, "{field} in {found}");
        }
        let positive = [
            "/images_per_second",
            "/ms/lower",
            "/ms/median",
            "/ms/upper",
            "/gflop_per_second",
            "/peak_gflop_per_second",
            "/share_of_peak",
            "/step_ms/0",
        ];
        for field in positive {
            assert!(found.pointer(field).unwrap().as_f64() > Some(0.0), "{field} in {found}");
        }
        for field in ["start_rss_bytes", "peak_rss_bytes", "version", "processor"] {
            assert!(found.get(field).is_some(), "{field} in {found}");
        }
        found
    };
    let small = "--image 8 --batch 4 --steps 2 --threads 1 --json";
    let work = json!({
        "program": "trickbag", "work": "step", "model": "resnet20", "image": 8, "batch": 4,
        "precision": "f32", "threads": 1,
    });
    let found = check(&format!("step {small}"), None, work);
    assert_eq!(found["step_ms"].as_array().unwrap().len(), 2);
    assert!(found["loss"].as_f64() > Some(0.0), "{found}");

    let work = json!({ "work": "step", "precision": "bf16" });
    let found = check(&format!("step --precision bf16 --profile {small}"), None, work);
    let operators = found["operators"].as_array().unwrap();
    let named = |name: &str| operators.iter().find(|operator| operator["name"] == name);
    let stem = named("conv 3x3 8x8x3 to 8x8x16 forward").unwrap();
    assert_eq!(stem["calls_per_step"], 1.0, "{stem}");
    assert!(stem["gflop_per_second"].as_f64() > Some(0.0), "{stem}");
    assert!(named("conv 3x3 8x8x3 to 8x8x16 backward input").is_none(), "images are data");

    let work =
        json!({ "work": "infer", "model": "resnet18-cifar", "isa": "portable", "loss": null });
    check(&format!("infer --model resnet18-cifar {small}"), Some("portable"), work);
}

#[test]
fn a_table_is_for_people() {
    let output = bench("step --image 8 --batch 4 --steps 2 --threads 1", Some("portable"));
    let said = stdout(&output);
    let first = "training step of resnet20 in f32: batch 4, 8x8 pixels, 1 thread, portable\n";
    assert!(said.starts_with(first), "{said}");
    for row in ["images/s", "ms per step", "GFLOP/s", "peak memory", "processor"] {
        assert!(said.contains(&format!("\n  {row} ")), "{row} in {said}");
    }
}

#[test]
fn refuses_what_it_cannot_do() {
    let check = |arguments: &str, isa, said: &str| {
        let output = bench(arguments, isa);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(said), "{message}");
    };
    check("step --model resnet20", Some("mmx"), "TRICKBAG_ISA is `mmx`");
    check("step --steps 0", None, "--steps");
}
