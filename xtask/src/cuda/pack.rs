//! What checks and times Trickbag on a machine with a GPU but without Rust: `bench/gpu.sh` and what it
//! runs.
//!
//! Paths of the build are written into programs: dfdx's, for the headers that NVRTC reads while they
//! run, and tests' own. So everything is built through one link, below which it lies in the same way
//! on every machine.

use std::{
    fs, io,
    path::{Path, PathBuf, absolute},
    process::Command,
};

use anyhow::Context;

use super::{Toolkit, assemble, clear, emulator, run, suite};
use crate::workspace_root;

/// The link; gpu.sh makes it, too.
const PLACE: &str = "/tmp/trickbag-gpu";

/// What is carried, below the link.
const CARRIED: [&str; 7] = [
    "build/release/trickbag",
    "toolkit/include",
    "toolkit/lib64/libnvrtc.so.13",
    "toolkit/lib64/libnvrtc-builtins.so.13.0",
    "source/bench/gpu.sh",
    "source/bench/pytorch",
    "source/recipes",
];

/// Builds everything and collects it in `target/cuda-pack`.
pub(super) fn pack() -> anyhow::Result<()> {
    let toolkit = assemble(false)?;
    let (root, place) = (absolute(workspace_root()?)?, Path::new(PLACE));
    let [built, pack] = ["build", "pack"].map(|name| root.join("target/cuda-pack").join(name));
    fs::create_dir_all(&built).with_context(|| format!("cannot create {}", built.display()))?;
    link(&built, place)?;
    link(&toolkit.root, &place.join("toolkit"))?;
    link(&root, &place.join("source"))?;
    let programs = suite::build(tests_below(place)?)?;

    clear(&pack)?;
    for path in CARRIED.map(PathBuf::from).into_iter().chain(headers(place)?) {
        copy(&place.join(&path), &pack.join(path.parent().context("it lies in a folder")?))?;
    }
    for test in programs.iter().filter(|program| program.is_test) {
        let folder = pack.join(test.package.strip_prefix(place)?);
        copy(&test.file, &folder.join("bin"))?;
        if test.package.join("tests/goldens").is_dir() {
            copy(&test.package.join("tests/goldens"), &folder.join("tests"))?;
        }
    }
    println!("copy {} to a machine with a GPU, and run its source/bench/gpu.sh", pack.display());
    Ok(())
}

/// The folders where the builds of dfdx leave its headers.
fn headers(place: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = vec![];
    for folder in fs::read_dir(place.join("build/release/build"))? {
        let out = folder?.path().join("out");
        if out.join("cuda_utils.cuh").is_file() {
            found.push(out.strip_prefix(place)?.to_owned());
        }
    }
    Ok(found)
}

/// Cargo below the link, with the tests. Without optimisation across crates, which costs minutes for
/// each test and gains a GPU nothing.
fn tests_below(place: &Path) -> anyhow::Result<Command> {
    let mut command = suite::tests();
    command.args(["--release", "--manifest-path"]).arg(place.join("source/Cargo.toml"));
    emulator::equip_build(&mut command, &Toolkit { root: place.join("toolkit") })?;
    command.env("CARGO_TARGET_DIR", place.join("build")).env("CARGO_PROFILE_RELEASE_LTO", "off");
    Ok(command)
}

/// Copies a file or a folder into a folder.
fn copy(from: &Path, into: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(into).with_context(|| format!("cannot create {}", into.display()))?;
    let mut command = Command::new("cp");
    command.args(["--recursive", "--dereference"]).args([from, into]);
    run(command)
}

/// Makes a link, or has one that is there point elsewhere.
#[cfg(unix)]
fn link(target: &Path, link: &Path) -> anyhow::Result<()> {
    let made = match fs::remove_file(link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => std::os::unix::fs::symlink(target, link),
    };
    made.with_context(|| format!("cannot make {} a link to {}", link.display(), target.display()))
}

#[cfg(not(unix))]
fn link(_target: &Path, _link: &Path) -> anyhow::Result<()> {
    anyhow::bail!("programs are packed on Linux only")
}
