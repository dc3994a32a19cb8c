//! `cargo xtask TASK`: the front door of the workspace. It chooses what to build and becomes the
//! command that builds and runs it.
//!
//! It links no other crate of the workspace, so it is there in a few seconds. It parses nothing but
//! the task's name and passes on every argument as it is; only `bench compare`, which runs two
//! programs in turn, and `cuda`, which is no task of the program, have flags of their own.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program's help and its usage errors

mod compare;
mod cuda;

use anyhow::Context;
use cuda::Toolkit;
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

const HELP: &str = "\
Tasks of this workspace

Usage: cargo xtask TASK [ARGUMENTS]

  run RECIPE [FLAGS]      train a recipe, for instance recipes/mnist.ron; flags: run --help
  explain RECIPE [FLAGS]  print what a recipe resolves to; flags: explain --help
  lint RECIPE [FLAGS]     report known mistakes in a recipe; flags: lint --help
  ablate RECIPE [FLAGS]   measure what each trick of a recipe is worth; flags: ablate --help
  lr-find RECIPE [FLAGS]  find a learning rate for a recipe; flags: lr-find --help
  compare RUN... [FLAGS]  show runs beside each other; flags: compare --help
  bench step [FLAGS]      time training steps; flags: bench step --help
  bench infer [FLAGS]     time forward passes; flags: bench infer --help
  bench compare [FLAGS]   time PyTorch beside them; flags: bench compare --help
  doctor [FOLDER]...      look at the machine: what it has, and what to do about the rest
  cuda WHAT               CUDA for machines that have none; more: cuda --help
  ci                      check all that must hold before a change goes in

Flags are those of the program `trickbag`, which is built with optimisations first;
`--device cuda` also builds it with CUDA, for which there must be a toolkit. Paths are relative
to the current folder.";

/// The exit code of a mistake on the command line, as the program's own.
const BAD_USAGE: u8 = 2;

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let task = arguments.next().unwrap_or_else(|| "help".into());
    let passed: Vec<OsString> = arguments.collect();
    match task.to_string_lossy().as_ref() {
        "help" | "--help" | "-h" => println!("{HELP}"),
        "bench" if passed.first().is_some_and(|what| what == "compare") => {
            return compare::compare(&passed[1..]);
        }
        name @ ("run" | "explain" | "lint" | "ablate" | "lr-find" | "compare" | "bench"
        | "doctor") => {
            if name == "doctor" {
                println!("toolkit       {}", cuda::describe());
            }
            return become_command(trickbag(name, &passed)?);
        }
        "cuda" => return cuda::cuda(&passed),
        "ci" => return become_command(Command::new(workspace_root()?.join(".ci/run"))),
        unknown => {
            eprintln!("there is no task `{unknown}`\n\n{HELP}");
            return Ok(ExitCode::from(BAD_USAGE));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Cargo says where the package lies that it runs.
fn workspace_root() -> anyhow::Result<PathBuf> {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root = package.as_deref().and_then(Path::parent);
    root.map(PathBuf::from)
        .context("CARGO_MANIFEST_DIR is not set; start this program as `cargo xtask`")
}

/// The program starts in the current folder, so that relative paths mean what they say.
fn trickbag(subcommand: &str, passed: &[OsString]) -> anyhow::Result<Command> {
    let mut command = cargo();
    command.args(["run", "--release", "--package", "trickbag", "--manifest-path"]);
    command.arg(workspace_root()?.join("Cargo.toml"));
    if asks_for_cuda(passed) {
        Toolkit::find()?.equip(&mut command)?;
        cuda::expect_driver()?;
        command.args(["--features", "cuda"]);
    }
    command.args(["--", subcommand]).args(passed);
    Ok(command)
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// `--device cuda…` or `--device=cuda…`.
fn asks_for_cuda(arguments: &[OsString]) -> bool {
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    texts.windows(2).any(|pair| pair[0] == "--device" && pair[1].starts_with("cuda"))
        || texts.iter().any(|text| text.starts_with("--device=cuda"))
}

/// Becomes the command rather than waiting for it: then one process gets Ctrl-C, may finish what it
/// is doing, and gives its own exit code. `cargo run` does the same with what it has built.
#[cfg(unix)]
fn become_command(mut command: Command) -> anyhow::Result<ExitCode> {
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    Err(error).with_context(|| cannot_start(&command))
}

/// Elsewhere a program cannot become another one.
#[cfg(not(unix))]
fn become_command(mut command: Command) -> anyhow::Result<ExitCode> {
    let status = command.status().with_context(|| cannot_start(&command))?;
    std::process::exit(status.code().unwrap_or(1))
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start {}", Path::new(command.get_program()).display())
}
