//! `cargo xtask cuda …`: CUDA for machines that have none.

mod emulator;
mod pack;
mod suite;
mod toolkit;
mod wheels;

use std::{
    ffi::OsString,
    fs, io,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context, ensure};

pub(crate) use self::toolkit::{Toolkit, describe, expect_driver};
use crate::{BAD_USAGE, become_command, cannot_start};

const HELP: &str = "\
CUDA for machines that have none

Usage: cargo xtask cuda WHAT

  toolkit [--cublas]    assemble a toolkit under target/ from Python wheels; --cublas: with cuBLAS,
                        for a machine with a GPU
  emulate COMMAND...    run a command with this toolkit and an emulated device, for instance
                        cargo xtask run recipes/mnist.ron --device cuda
  test [--skip-without-toolkit]
                        run all tests that compute on a device on the emulated one
  pack                  collect what bench/gpu.sh needs on a machine with a GPU but without Rust

The emulated device shows that the code does what it should. It says nothing about speed, and
does not see races.";

/// Does what the arguments after `cuda` ask for.
pub(crate) fn cuda(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let texts: Vec<_> = texts.iter().map(AsRef::as_ref).collect();
    match texts[..] {
        ["toolkit"] => drop(assemble(false)?),
        ["toolkit", "--cublas"] => drop(assemble(true)?),
        ["emulate", _, ..] => return emulate(&arguments[1..]),
        ["test"] => suite::test(false)?,
        ["test", "--skip-without-toolkit"] => suite::test(true)?,
        ["pack"] => pack::pack()?,
        [] | ["help" | "--help" | "-h"] => println!("{HELP}"),
        _ => {
            eprintln!("there is no `cuda {}`\n\n{HELP}", texts.join(" "));
            return Ok(ExitCode::from(BAD_USAGE));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A toolkit with which programs build and link.
fn assemble(cublas: bool) -> anyhow::Result<Toolkit> {
    let toolkit = wheels::toolkit(cublas)?;
    emulator::build()?;
    Ok(toolkit)
}

fn emulate(command: &[OsString]) -> anyhow::Result<ExitCode> {
    let (program, arguments) = command.split_first().context("there is no command to run")?;
    let toolkit = assemble(false)?;
    let mut command = Command::new(program);
    command.args(arguments);
    emulator::equip(&mut command, &toolkit)?;
    become_command(command)
}

/// Runs a command to its end and has it succeed.
fn run(mut command: Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| cannot_start(&command))?;
    let program = command.get_program().display();
    let first = command.get_args().next().unwrap_or_default().display();
    ensure!(status.success(), "`{program} {first}` failed: {status}");
    Ok(())
}

/// Deletes a folder, if there is one.
fn clear(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot delete {}", folder.display()))
        }
        _ => Ok(()),
    }
}
