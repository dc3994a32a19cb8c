//! Runs dfdx's operators, forward and backward, on `Cuda` and on `Cpu` and compares them.
//! With the emulated driver in the loader's path it needs no GPU.

#![allow(clippy::print_stdout, reason = "its report")]

mod operators;
mod results;

use std::process::ExitCode;

use dfdx::dtypes::{AMP, f16};
use dfdx::prelude::{Cache, Cpu, Cuda, Device, Dtype};

use crate::results::Results;

fn main() -> ExitCode {
    let Ok(cuda) = Cuda::try_build(0, 0) else {
        println!("no CUDA device: neither a GPU nor the emulated driver was found");
        return ExitCode::FAILURE;
    };
    // What dfdx keeps for later holds old numbers, which the emulated driver would take for new ones.
    cuda.disable_cache();
    let cpu = Cpu::seed_from_u64(0);
    let wrong = check::<f32>("f32", 2e-5, &cuda, &cpu)
        + check::<f64>("f64", 1e-12, &cuda, &cpu)
        + check::<f16>("f16", 2e-2, &cuda, &cpu)
        + check::<AMP<f16>>("AMP<f16>", 1e-2, &cuda, &cpu);
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many results differ by more than `tolerance` of their size.
fn check<E: Dtype>(format: &str, tolerance: f64, cuda: &Cuda, cpu: &Cpu) -> usize
where
    Cuda: Device<E>,
    Cpu: Device<E>,
{
    let found = operators::all::<E, Cuda>(cuda);
    let expected = operators::all::<E, Cpu>(cpu);
    let wrong = Results::compare(&found, &expected, tolerance);
    for line in &wrong {
        println!("{format}: {line}");
    }
    println!("{format}: {} results, {} wrong", expected.len(), wrong.len());
    wrong.len()
}
