//! The `trickbag` program: reads a recipe, plans it, runs it and reports.
//!
//! It alone names the concrete device and number format, prints, and sets the exit code: 0 when
//! done, 1 when something failed under way, 2 for bad input, 130 when asked to stop.
//!
//! ```text
//! trickbag run recipes/mnist.ron --set batch_size=64
//! trickbag ablate recipes/mnist.ron --mode leave-one-out --seeds 5
//! trickbag lr-find recipes/mnist.ron
//! trickbag compare runs/mnist/1 runs/mnist/2
//! trickbag explain recipes/mnist.ron
//! trickbag explain Warmup
//! trickbag lint recipes/mnist.ron --deny warnings
//! trickbag bench step --model resnet20
//! trickbag doctor
//! ```
//!
//! `TRICKBAG_ISA` in the environment names the best instruction set that may be used.

mod ablate;
mod bench;
mod command;
mod compare;
mod device;
mod doctor;
mod explain;
mod failure;
mod folder;
mod isa;
mod lint;
mod lr_find;
mod output;
mod recycler;
mod run;
mod screen;
mod signal;
mod training;
mod transfer;

use std::process::ExitCode;

use clap::Parser;

use crate::command::Command;
use crate::output::say;
use crate::recycler::Recycler;

#[global_allocator]
static MEMORY: Recycler = Recycler::new();

fn main() -> ExitCode {
    let command = Command::parse();
    let done = isa::capped(|isa| match &command {
        Command::Run(options) => run::run(options),
        Command::Ablate(options) => ablate::ablate(options),
        Command::LrFind(options) => lr_find::lr_find(options),
        Command::Compare(options) => compare::compare(options),
        Command::Explain(options) => explain::explain(options, isa),
        Command::Lint(options) => lint::lint(options),
        Command::Bench(options) => bench::bench(options, isa),
        Command::Doctor(options) => doctor::doctor(options, isa),
    });
    done.unwrap_or_else(|failure| {
        say(format_args!("error: {:#}", failure.error()));
        failure.exit_code()
    })
}
