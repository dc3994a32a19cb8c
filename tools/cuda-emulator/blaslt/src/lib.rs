//! `libcublasLt.so.13`: cudarc links it beside cuBLAS, and dfdx calls nothing of it.

#![allow(non_snake_case)]

/// The version of the library that this one stands for.
#[unsafe(no_mangle)]
pub extern "C" fn cublasLtGetVersion() -> usize {
    130_000
}
