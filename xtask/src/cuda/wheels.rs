//! A toolkit put together from the wheels that NVIDIA publishes for Python.
//!
//! They unpack into a folder that lacks little of a toolkit: the names that linkers look for, and a
//! driver to link with, for which the emulated one serves. The emulated NVRTC is linked with, too: its
//! symbols have no version, so that a program then takes it as well as the real one.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use super::{clear, toolkit::Toolkit};

/// All of one release. A device's driver must be of this release or a later one.
const WHEELS: [&str; 6] = [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-nvrtc==13.0.88",
    "nvidia-cuda-cccl==13.0.85",
];
const CUBLAS: &str = "nvidia-cublas==13.0.2.14";

/// In a finished toolkit: the wheels that it was made of, one to a line.
const CONTENTS: &str = "WHEELS";

/// For a build on a machine without a driver: dfdx's asks for the device's compute capability.
/// Newer devices run what is compiled for 8.0, and CUDA_COMPUTE_CAP chooses another.
const SMI: &str = r#"#!/bin/sh
# Stands in for the driver's nvidia-smi where dfdx is built without a device.
case "$*" in
    *--query-gpu=compute_cap*) printf 'compute_cap\n8.0\n' ;;
    *) echo "there is no NVIDIA driver here, and this is a stand-in for its nvidia-smi" >&2; exit 9 ;;
esac
"#;

/// The toolkit, which is assembled unless it is there. The driver that programs link with is not in it
/// before the emulator is built.
pub(super) fn toolkit(cublas: bool) -> anyhow::Result<Toolkit> {
    let root = Toolkit::assembled()?;
    let mut wheels: Vec<_> = WHEELS.to_vec();
    let held = fs::read_to_string(root.join(CONTENTS)).unwrap_or_default();
    if cublas || held.lines().any(|wheel| wheel == CUBLAS) {
        wheels.push(CUBLAS);
    }
    if held.lines().ne(wheels.iter().copied()) {
        fetch(&wheels, &root)?;
    }
    Toolkit::at(&root).with_context(|| format!("{} is not whole; delete it", root.display()))
}

/// Whatever interrupts this leaves no half toolkit: it gets its name when all is in place.
fn fetch(wheels: &[&str], root: &Path) -> anyhow::Result<()> {
    let part = root.with_extension("part");
    clear(&part)?;
    fs::create_dir_all(&part).with_context(|| format!("cannot create {}", part.display()))?;
    eprintln!("fetching a CUDA toolkit as Python wheels: {}", wheels.join(", "));
    install(wheels, &part)?;
    let unpacked = part.join("nvidia/cu13");
    arrange(&unpacked).with_context(|| format!("cannot arrange {}", unpacked.display()))?;
    fs::write(unpacked.join(CONTENTS), wheels.join("\n") + "\n")?;
    clear(root)?;
    fs::rename(&unpacked, root).with_context(|| format!("cannot create {}", root.display()))?;
    clear(&part)?;
    eprintln!("the toolkit is in {}", root.display());
    Ok(())
}

/// With the package index that pip is set up for.
fn install(wheels: &[&str], part: &Path) -> anyhow::Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]);
    pip.args(["--no-cache-dir", "--no-compile", "--target"]).arg(part).args(wheels);
    // Pip unpacks in the folder for temporary files first, which may be on a small disk.
    pip.env("TMPDIR", part).env("PIP_ROOT_USER_ACTION", "ignore").env("PIP_USER", "0");
    pip.env("PIP_DISABLE_PIP_VERSION_CHECK", "1").stdin(Stdio::null());
    let output = match pip.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("there is no python3, with which the wheels are fetched: install it, with pip")
        }
        output => output.context("cannot start python3")?,
    };
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    if complaint.contains("No module named pip") {
        bail!("python3 has no pip, with which the wheels are fetched: install python3-pip")
    }
    let errors: Vec<_> = complaint.lines().filter(|line| line.starts_with("ERROR")).collect();
    let reason = if errors.is_empty() { complaint.trim().to_owned() } else { errors.join("; ") };
    bail!("pip cannot fetch the wheels: {reason}")
}

/// Gives the libraries the names that linkers look for, and adds what stands in for a driver.
#[cfg(unix)]
fn arrange(unpacked: &Path) -> io::Result<()> {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let lib = unpacked.join("lib");
    for library in ["libcublas.so", "libcublasLt.so"] {
        let versioned = format!("{library}.13");
        if lib.join(&versioned).is_file() {
            symlink(versioned, lib.join(library))?;
        }
    }
    symlink("lib", unpacked.join("lib64"))?;
    // Build scripts look here last, so that real libraries go first.
    symlink("../../cuda-emulator/lib", lib.join("stubs"))?;
    let stand_in = unpacked.join("stand-in");
    fs::create_dir(&stand_in)?;
    let smi = stand_in.join("nvidia-smi");
    fs::write(&smi, SMI)?;
    fs::set_permissions(&smi, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn arrange(_unpacked: &Path) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "wheels make a toolkit on Linux only"))
}
