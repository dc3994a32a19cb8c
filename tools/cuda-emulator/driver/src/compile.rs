//! C text to a shared library, with the system's compiler and a cache on the disk.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, io};

use crate::library::Library;

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
    #[error("the cache in {folder}: {error}")]
    Cache { folder: PathBuf, error: io::Error },
    #[error("cannot run `{compiler}`, which compiles the kernels (set CC to another): {error}")]
    NoCompiler { compiler: String, error: io::Error },
    #[error("`{compiler}` refused the translated kernels in {file}:\n{said}")]
    Refused { compiler: String, file: PathBuf, said: String },
    #[error("{0}")]
    Load(String),
}

/// Compiles `source`, or finds what an earlier process made of it.
pub(crate) fn library(source: &str) -> Result<Library, CompileError> {
    let folder = cache();
    let flags = [FLAGS, processor_flags()].concat();
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".into());
    let text = format!("// {compiler} {}\n{source}", flags.join(" "));
    let base = folder.join(format!("{:016x}", hash(text.as_bytes())));
    let (c, so) = (base.with_extension("c"), base.with_extension("so"));
    let kept = fs::read_to_string(&c).is_ok_and(|kept| kept == text) && so.exists();
    if !kept {
        make(&folder, &text, &compiler, &flags, &c, &so)?;
    }
    Library::open(&so).map_err(CompileError::Load)
}

/// The folder for compiled kernels.
fn cache() -> PathBuf {
    let set = env::var_os("TRICKBAG_CUDA_EMULATOR_CACHE").map(PathBuf::from);
    set.unwrap_or_else(|| env::temp_dir().join("trickbag-cuda-emulator"))
}

/// Other processes may make the same library: each one writes its own files and renames them.
fn make(
    folder: &Path,
    text: &str,
    compiler: &str,
    flags: &[&str],
    c: &Path,
    so: &Path,
) -> Result<(), CompileError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let own = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let (own_c, own_so) = (folder.join(format!("{own}.c")), folder.join(format!("{own}.so")));
    let cache = |error| CompileError::Cache { folder: folder.into(), error };
    fs::create_dir_all(folder).map_err(cache)?;
    fs::write(&own_c, text).map_err(cache)?;
    let mut command = Command::new(compiler);
    command.args(flags).arg("-o").arg(&own_so).arg(&own_c).arg("-lm");
    let output = command.output().map_err(|error| {
        let compiler = compiler.into();
        CompileError::NoCompiler { compiler, error }
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(CompileError::Refused { compiler: compiler.into(), file: own_c, said });
    }
    fs::rename(own_so, so).and_then(|()| fs::rename(own_c, c)).map_err(cache)
}

/// Instructions that give the same results faster.
fn processor_flags() -> &'static [&'static str] {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
        return &["-mfma", "-mf16c"];
    }
    &[]
}

/// FNV-1a: the same in every process and release.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
