//! A loaded module: its kernels' code and its tables in device memory.

use std::ffi::c_void;
use std::sync::Arc;

use cuda_emulator_ptx::{Kernel, Refusal, Style, parse, translate};
use libloading::Library;

use crate::compile::{self, CompileError};
use crate::memory::{self, MemoryError};

/// Why a module was not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModuleError {
    #[error("it refuses {0}")]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error("its tables: {0}")]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    Symbol(#[from] libloading::Error),
}

/// A module that is ready to run.
pub(crate) struct Module {
    pub(crate) kernels: Vec<Arc<Loaded>>,
}

/// A kernel that is ready to run. It keeps its module's code and tables.
pub(crate) struct Loaded {
    pub(crate) kernel: Kernel,
    pub(crate) code: *mut c_void,
    /// Bytes of one thread's state, for kernels that run in phases.
    pub(crate) state: usize,
    pub(crate) image: Arc<Image>,
}

// SAFETY: `code` points into the library that `image` keeps open, which nobody writes.
unsafe impl Send for Loaded {}
// SAFETY: as above.
unsafe impl Sync for Loaded {}

/// What a module's kernels share.
pub(crate) struct Image {
    library: Library,
    /// The addresses of the tables.
    pub(crate) tables: Vec<u64>,
    /// The PTX, for messages.
    source: String,
}

impl Module {
    /// Reads, translates and loads PTX.
    pub(crate) fn load(source: &str) -> Result<Self, ModuleError> {
        let parsed = parse(source)?;
        let translation = translate(&parsed)?;
        let library = compile::library(&translation.c)?;
        let mut image = Image { library, tables: Vec::new(), source: source.into() };
        for table in &parsed.tables {
            let address = memory::write().allocate(table.bytes.len())?;
            image.tables.push(address);
            // SAFETY: the allocation is fresh and of this size.
            let bytes =
                unsafe { std::slice::from_raw_parts_mut(address as *mut u8, table.bytes.len()) };
            bytes.copy_from_slice(&table.bytes);
        }
        let image = Arc::new(image);
        let load = |kernel| Loaded::new(kernel, &image).map(Arc::new);
        let kernels = translation.kernels.into_iter().map(load).collect::<Result<_, _>>()?;
        Ok(Self { kernels })
    }

    /// The kernel of this name.
    pub(crate) fn kernel(&self, name: &str) -> Option<&Arc<Loaded>> {
        self.kernels.iter().find(|loaded| loaded.kernel.name == name)
    }
}

impl Loaded {
    fn new(kernel: Kernel, image: &Arc<Image>) -> Result<Self, ModuleError> {
        // SAFETY: the translation defines the symbols, the state's size as a constant of this type.
        let (code, state) = unsafe {
            let code = *image.library.get::<*mut c_void>(kernel.symbol.as_bytes())?;
            let state = match kernel.style {
                Style::Block => 0,
                Style::Phased => {
                    let size = format!("{}_state", kernel.symbol);
                    **image.library.get::<*const u32>(size.as_bytes())? as usize
                }
            };
            (code, state)
        };
        Ok(Self { kernel, code, state, image: Arc::clone(image) })
    }
}

impl Image {
    /// The text of a line of the PTX.
    pub(crate) fn line(&self, line: u32) -> &str {
        self.source.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default().trim()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        for &table in &self.tables {
            // It was allocated by `load`, and nothing else frees it.
            let _ = memory::write().free(table);
        }
    }
}
