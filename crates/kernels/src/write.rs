//! What an operator does with what a buffer held before.

/// What happens to the old content of a gradient's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// The gradient is added to it, as automatic differentiation wants it for a second use.
    Add,
    /// It is neither read nor kept.
    Overwrite,
}
