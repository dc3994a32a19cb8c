//! The emulated device of `tools/cuda-emulator`: built, and put before the real one.

use std::{
    env, fs, io,
    path::{Path, PathBuf, absolute},
    process::Command,
};

use anyhow::Context;

use super::{
    run,
    toolkit::{Toolkit, around},
};
use crate::{cargo, workspace_root};

/// Each library with the version that programs ask for.
const LIBRARIES: [(&str, u32); 5] = [
    ("libcuda.so", 1),
    ("libnvrtc.so", 13),
    ("libcublas.so", 13),
    ("libcublasLt.so", 13),
    ("libnccl.so", 2),
];

/// Of the emulated device.
const COMPUTE_CAP: &str = "80";

/// Cargo for the emulator, which is a workspace of its own.
pub(super) fn cargo_for(task: &str) -> anyhow::Result<Command> {
    let mut command = cargo();
    command.args([task, "--release", "--manifest-path"]);
    command
        .arg(workspace_root()?.join("tools/cuda-emulator/Cargo.toml"))
        .arg("--target-dir")
        .arg(folder()?);
    Ok(command)
}

/// Builds the libraries and gives them the names that linkers and loaders look for.
pub(super) fn build() -> anyhow::Result<()> {
    run(cargo_for("build")?)?;
    let lib = folder()?.join("lib");
    name_libraries(&lib).with_context(|| format!("cannot create {}", lib.display()))
}

/// Has a command find the emulated device, and its build scripts the toolkit.
pub(super) fn equip(command: &mut Command, toolkit: &Toolkit) -> anyhow::Result<()> {
    equip_build(command, toolkit)?;
    let libraries = [folder()?.join("lib"), toolkit.root.join("lib64")];
    command.env("LD_LIBRARY_PATH", around("LD_LIBRARY_PATH", &libraries, &[])?);
    command.env("TRICKBAG_CUDA_EMULATOR_CACHE", folder()?.join("translated"));
    eprintln!("CUDA is emulated on the processor: this shows function, neither speed nor races");
    Ok(())
}

/// Has cargo build for a device that is not here. CUDA_COMPUTE_CAP says for which; newer ones run it.
pub(super) fn equip_build(command: &mut Command, toolkit: &Toolkit) -> anyhow::Result<()> {
    toolkit.equip(command)?;
    if env::var_os("CUDA_COMPUTE_CAP").is_none() {
        command.env("CUDA_COMPUTE_CAP", COMPUTE_CAP);
    }
    // Last, so that a driver's own nvidia-smi goes first.
    let [bin, stand_in] = ["bin", "stand-in"].map(|folder| toolkit.root.join(folder));
    command.env("PATH", around("PATH", &[bin], &[stand_in])?);
    Ok(())
}

fn folder() -> anyhow::Result<PathBuf> {
    Ok(absolute(workspace_root()?)?.join("target/cuda-emulator"))
}

#[cfg(unix)]
fn name_libraries(lib: &Path) -> io::Result<()> {
    fs::create_dir_all(lib)?;
    for (library, version) in LIBRARIES {
        for name in [library.to_owned(), format!("{library}.{version}")] {
            let link = lib.join(name);
            if !link.is_symlink() {
                std::os::unix::fs::symlink(Path::new("../release").join(library), link)?;
            }
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn name_libraries(_lib: &Path) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "CUDA is emulated on Linux only"))
}
