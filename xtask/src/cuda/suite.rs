//! The tests of all that is written for CUDA, on the emulated device.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::{emulator, run, wheels};
use crate::{cannot_start, cargo, workspace_root};

/// For `cargo test`: those that compute on a device. All other tests of these crates are the same
/// without CUDA.
const TESTS: &str = "test --features cuda --package trickbag-ops --package trickbag-losses \
                     --package trickbag-optim --package trickbag-models --package trickbag-trainer \
                     --package trickbag --test goldens --test forms --test laws --test devices \
                     --test cuda";

/// A program that cargo built.
pub(super) struct Program {
    pub(super) file: PathBuf,
    /// The folder of its package.
    pub(super) package: PathBuf,
    pub(super) is_test: bool,
}

/// Runs them after the emulator's own, which need no toolkit. `or_skip` is content with saying why
/// there is no toolkit, as where Python or a network is wanting; whatever else fails is an error.
pub(super) fn test(or_skip: bool) -> anyhow::Result<()> {
    run(emulator::cargo_for("test")?)?;
    let toolkit = match wheels::toolkit(false) {
        Err(reason) if or_skip => {
            println!("skipped: {reason:#}");
            return Ok(());
        }
        toolkit => toolkit?,
    };
    emulator::build()?;
    let equip = |mut command: Command| {
        emulator::equip(&mut command, &toolkit)?;
        // Compiling takes longer than running.
        command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0").current_dir(workspace_root()?);
        anyhow::Ok(command)
    };
    let programs = build(equip(tests())?)?;
    // A test that finds no device is content: whether there is one is asked here.
    let trickbag = programs.iter().find(|program| !program.is_test);
    let mut doctor = Command::new(&trickbag.context("cargo has not built the program")?.file);
    doctor.args(["doctor", "--device", "cuda"]);
    run(equip(doctor)?)?;
    run(equip(tests())?)
}

/// Cargo with the tests of all that is written for CUDA.
pub(super) fn tests() -> Command {
    let mut cargo = cargo();
    cargo.args(TESTS.split_whitespace());
    cargo
}

/// Builds tests, and the program that one of them runs.
pub(super) fn build(mut tests: Command) -> anyhow::Result<Vec<Program>> {
    tests.args(["--no-run", "--message-format=json-render-diagnostics"]).stderr(Stdio::inherit());
    let output = tests.output().with_context(|| cannot_start(&tests))?;
    ensure!(output.status.success(), "the tests do not build, for the reasons above");
    let mut programs = vec![];
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line)?;
        let path = |field: &str| message[field].as_str().map(Path::new);
        if let (Some(manifest), Some(file)) = (path("manifest_path"), path("executable")) {
            let package = manifest.parent().context("a manifest lies in a folder")?.to_owned();
            let is_test = message["profile"]["test"] == true;
            programs.push(Program { file: file.to_owned(), package, is_test });
        }
    }
    Ok(programs)
}
