//! A source, and what became of it: compiled now, or kept from before.

use std::ffi::{CStr, CString};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use cuda_emulator_cache::{self as cache, CacheError};

use crate::api::{INTERNAL_ERROR, SUCCESS, Status};
use crate::include;
use crate::real::Nvrtc;

/// What NVRTC calls a program.
pub struct Program {
    pub(crate) source: Source,
    pub(crate) ptx: CString,
    pub(crate) log: CString,
}

/// What is compiled. `headers` are names and texts that are given beside it.
pub(crate) struct Source {
    pub(crate) text: CString,
    pub(crate) name: Option<CString>,
    pub(crate) headers: Vec<(CString, CString)>,
}

/// Why there is no PTX, as NVRTC says it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) log: CString,
}

impl Failure {
    pub(crate) fn internal(reason: &str) -> Self {
        Self { status: INTERNAL_ERROR, log: CString::new(reason).unwrap_or_default() }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self { status, log: CString::default() }
    }
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        Self::internal(&error.to_string())
    }
}

impl Program {
    /// Compiles it, or finds what an earlier program came to.
    pub(crate) fn compile(&mut self, options: &[CString]) -> Status {
        match self.source.ptx(options) {
            Ok(ptx) => {
                self.ptx = ptx;
                SUCCESS
            }
            Err(failure) => {
                self.log = failure.log;
                failure.status
            }
        }
    }
}

impl Source {
    fn ptx(&self, options: &[CString]) -> Result<CString, Failure> {
        let nvrtc = Nvrtc::find().ok_or_else(|| {
            Failure::internal("there is no other libnvrtc.so.13 in LD_LIBRARY_PATH to compile with")
        })?;
        let text = self.key(options, nvrtc.version()?);
        let kept = cache::file(&text, ["cu", "ptx"], |_, ptx| {
            let compiled = nvrtc.compile(self, options)?;
            let written = fs::write(ptx, compiled.as_bytes());
            written.map_err(|error| Failure::internal(&error.to_string()))
        })?;
        let ptx = fs::read(kept).map_err(|error| Failure::internal(&error.to_string()))?;
        CString::new(ptx).map_err(|error| Failure::internal(&error.to_string()))
    }

    /// All that the PTX depends on. Files that are included stand in it with a hash.
    fn key(&self, options: &[CString], (major, minor): (i32, i32)) -> String {
        let mut key = format!("// NVRTC {major}.{minor} {options:?} {:?}\n", self.name);
        let texts = self.headers.iter().map(|(_, text)| text).chain([&self.text]);
        let texts: Vec<_> = texts.map(|text| text.to_string_lossy()).collect();
        let folders: Vec<_> = options.iter().filter_map(|option| folder(option)).collect();
        for (file, text) in include::files(&texts.join("\n"), &folders) {
            let _ = writeln!(key, "// {} {:016x}", file.display(), cache::hash(text.as_bytes()));
        }
        for ((name, _), text) in self.headers.iter().zip(&texts) {
            let _ = writeln!(key, "// {name:?}\n{text}");
        }
        key + &self.text.to_string_lossy()
    }
}

/// The folder that an option adds to those in which files are looked for.
fn folder(option: &CStr) -> Option<PathBuf> {
    let option = option.to_str().ok()?;
    let rest = option.strip_prefix("--include-path").or_else(|| option.strip_prefix("-I"))?;
    Some(rest.trim_start_matches('=').trim_start().into())
}
