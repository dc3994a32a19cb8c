//! Prints the C of a PTX file: `cargo run --example translate FILE`.

#![allow(clippy::print_stdout, reason = "its job")]

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: translate FILE.ptx")?;
    let module = cuda_emulator_ptx::parse(&std::fs::read_to_string(path)?)?;
    println!("{}", cuda_emulator_ptx::translate(&module)?.c);
    Ok(())
}
