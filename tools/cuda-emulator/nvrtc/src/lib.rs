//! `libnvrtc.so.13` that has the real one compile, and keeps what came out on the disk: a test
//! program compiles the same few kernels for each of its threads and at each start.

pub mod api;
mod include;
mod program;
mod real;
