//! The operators against plain loops, on every instruction set and with any number of threads.
#![allow(clippy::unwrap_used)]

mod conv;
mod geometry;
mod linear;
mod norm;
mod oracle;
mod pool;
mod rounding;
mod sgd;
mod threads;
