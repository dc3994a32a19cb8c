//! Small PTX kernels on the emulated device. They need a C compiler and no toolkit.

#![allow(clippy::unwrap_used, reason = "a test")]

mod device;
mod instructions;
mod refusals;
mod threads;
