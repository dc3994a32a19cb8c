//! The driver's entry points, as the CUDA driver API describes them.

// Their names are CUDA's.
#![allow(non_snake_case)]

mod absent;
pub mod context;
pub mod device;
pub mod event;
pub mod memory;
pub mod module;
pub mod status;
