//! `libcuda.so.1` without a GPU: modules' PTX runs on the processor, and every access to
//! memory is checked. A tool for tests: it proves function, not speed, and sees no races.

pub mod api;
mod compile;
mod fault;
mod launch;
mod memory;
mod module;
