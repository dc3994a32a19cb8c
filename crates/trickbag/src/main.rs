//! The `trickbag` program.
fn main() {}
