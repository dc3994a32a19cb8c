//! `libcublas.so.13` without a GPU: the products of matrices that dfdx uses, with every
//! matrix checked against the emulated driver's allocations.

mod api;
mod element;
mod gemm;
mod matrix;
