//! `cargo xtask bench compare`: Trickbag and PyTorch at the same work, in turn.

mod comparison;
mod options;
mod program;

use std::{ffi::OsString, fs, process::ExitCode};

use anyhow::Context;

use self::{
    comparison::{Comparison, Side},
    options::{Options, Request},
    program::{Mode, Programs, Trial, median_ms},
};
use crate::{BAD_USAGE, workspace_root};

/// Steps that find out which of PyTorch's modes is the best.
const TRIAL_STEPS: u32 = 5;

/// Runs both programs in turn, prints how they compare, and keeps the numbers.
pub(crate) fn compare(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let options = match options::parse(arguments) {
        Ok(Request::Compare(options)) => options,
        Ok(Request::Help) => {
            println!("{}", options::HELP);
            return Ok(ExitCode::SUCCESS);
        }
        Err(mistake) => {
            eprintln!("{mistake}\n\n{}", options::HELP);
            return Ok(ExitCode::from(BAD_USAGE));
        }
    };
    let comparison = measure(&options)?;
    println!("{comparison}");
    let file = workspace_root()?.join("bench/results").join(comparison.path());
    let folder = file.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, format!("{:#}\n", comparison.json())))
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("written to {}", file.display());
    Ok(ExitCode::SUCCESS)
}

fn measure(options: &Options) -> anyhow::Result<Comparison> {
    let mut programs = Programs::new(options)?;
    programs.build()?;
    programs.use_threads_of(&programs.trickbag(1)?)?;
    let trials = trials(&programs);
    let mode =
        best(&trials).context("PyTorch failed in each of its modes, for the reasons above")?;
    let (mut ours, mut theirs) = (vec![], vec![]);
    for number in 1..=options.rounds {
        let (trickbag, pytorch) =
            (programs.trickbag(options.steps)?, programs.pytorch(mode, options.steps)?);
        let [our_ms, their_ms] = [median_ms(&trickbag)?, median_ms(&pytorch)?];
        println!("round {number}: trickbag {our_ms:.2} ms, pytorch {their_ms:.2} ms");
        ours.push(trickbag);
        theirs.push(pytorch);
    }
    let (trickbag, pytorch) = (Side::new(&ours)?, Side::new(&theirs)?);
    Ok(Comparison { trickbag, pytorch, trials, mode, isa: options.isa.clone() })
}

/// A short run in each mode. One that fails is told and passed over: compilation needs a C++
/// compiler.
fn trials(programs: &Programs) -> Vec<Trial> {
    let mut trials = vec![];
    for mode in programs.modes() {
        let measured = programs.pytorch(mode, TRIAL_STEPS);
        let ms = measured.and_then(|measurement| median_ms(&measurement));
        match &ms {
            Ok(ms) => println!("pytorch, {mode}: {ms:.2} ms"),
            Err(error) => println!("pytorch, {mode}: {error:#}"),
        }
        trials.push(Trial { mode, ms: ms.ok() });
    }
    trials
}

fn best(trials: &[Trial]) -> Option<Mode> {
    let timed = trials.iter().filter_map(|trial| Some((trial.mode, trial.ms?)));
    timed.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(mode, _)| mode)
}
