//! `cargo xtask`: the front door of the workspace.
fn main() {}
