//! C text to a shared library, with the system's compiler and a cache on the disk.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use cuda_emulator_cache::{self as cache, CacheError};
use libloading::Library;

/// Rounding must be exactly as written: no contraction, no reordering.
const FLAGS: &[&str] = &[
    "-std=gnu11",
    "-O1",
    "-ffp-contract=off",
    "-fno-strict-aliasing",
    "-fwrapv",
    "-fPIC",
    "-shared",
    "-w",
];

/// Why the text did not become a library.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error("cannot run `{compiler}`, which compiles the kernels (set CC to another): {error}")]
    NoCompiler { compiler: String, error: io::Error },
    #[error("`{compiler}` refused the translated kernels in {file}:\n{said}")]
    Refused { compiler: String, file: PathBuf, said: String },
    #[error(transparent)]
    Load(#[from] libloading::Error),
}

/// Compiles `source`, or finds what an earlier process made of it.
pub(crate) fn library(source: &str) -> Result<Library, CompileError> {
    let flags = [FLAGS, processor_flags()].concat();
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".into());
    let text = format!("// {compiler} {}\n{source}", flags.join(" "));
    let made = cache::file(&text, ["c", "so"], |c, so| compile(&compiler, &flags, c, so))?;
    // SAFETY: the library is one that `compile` made: it has no initialisers.
    Ok(unsafe { Library::new(made) }?)
}

fn compile(compiler: &str, flags: &[&str], c: &Path, so: &Path) -> Result<(), CompileError> {
    let mut command = Command::new(compiler);
    command.args(flags).arg("-o").arg(so).arg(c).arg("-lm");
    let output = command.output().map_err(|error| {
        let compiler = compiler.into();
        CompileError::NoCompiler { compiler, error }
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(CompileError::Refused { compiler: compiler.into(), file: c.into(), said })
}

/// Instructions that give the same results faster.
fn processor_flags() -> &'static [&'static str] {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
        return &["-mfma", "-mf16c"];
    }
    &[]
}
