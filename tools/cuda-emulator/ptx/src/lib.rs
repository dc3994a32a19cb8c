//! PTX text to a module, and a module to C that runs its kernels on a processor.

mod lexer;
pub mod module;
mod parse;
mod translate;
pub mod types;

pub use translate::{Kernel, Style, Translation, translate};

/// What memory that nobody wrote holds, word by word. It and both of its halves are not a number in
/// f16, f32 and f64, and no instruction computes it: those have one pattern for what is no number.
pub const POISON: u32 = 0xFFF5_FDE5;

/// Why a module is not run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("PTX line {line}: {found}")]
pub struct Refusal {
    /// The line, counted from 1.
    pub line: u32,
    /// What stands there that the emulator does not know.
    pub found: String,
}

impl Refusal {
    pub(crate) fn at(line: u32, found: impl Into<String>) -> Self {
        let found = found.into();
        Self { line, found }
    }
}

/// Reads a module.
pub fn parse(source: &str) -> Result<module::Module, Refusal> {
    parse::module(&lexer::tokens(source)?)
}
