//! Types that are nothing but numbers.

use half::{bf16, f16};

/// A type that any bits are a value of, and whose default is of zeros only: memory of it can be taken as it is, and
/// to write defaults is one call. Sealed: this is in no public module.
///
/// # Safety
///
/// As it says, and there are no bytes between the numbers.
pub unsafe trait Plain: Copy + Default {}

// SAFETY: these are plain numbers.
unsafe impl Plain for f32 {}
// SAFETY: as above.
unsafe impl Plain for bf16 {}
// SAFETY: as above.
unsafe impl Plain for f16 {}
// SAFETY: as above.
#[cfg(test)]
unsafe impl Plain for usize {}
// SAFETY: it is its values, one after the other, and its default is of theirs.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] where [T; N]: Default {}
