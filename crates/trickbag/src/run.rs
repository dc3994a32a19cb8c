//! `trickbag run`: from a recipe to a trained network in a run folder.

use std::process::ExitCode;
use std::thread::available_parallelism;

use anyhow::anyhow;
use trickbag_recipe::{Document, Plan};
use trickbag_report::result_page;

use crate::command::Run;
use crate::failure::{Failure, Input};
use crate::folder::RunFolder;
use crate::output::{print, say};
use crate::signal::{INTERRUPTED, stop_on_signal};
use crate::training::{Ended, Training, open_data, start};

/// Trains a recipe, new or resumed.
pub(crate) fn run(options: &Run) -> Result<ExitCode, Failure> {
    let given = options.recipe.read()?;
    let runs = options.training.runs.join(&given.recipe().name);
    let resumed = match options.resume {
        None => None,
        Some(number) => Some(RunFolder::open(&runs, number).input()?),
    };
    // A resumed run goes on with the recipe that it was started with.
    let document = match &resumed {
        None => given,
        Some(folder) => Document::read(folder.recipe()).input()?,
    };
    let machine = options.training.machine.prepare()?;
    let data = open_data(&document)?;
    let plan = Plan::new(&document, data.facts()).input()?;
    machine.device.check(&plan)?;
    let data = plan.dataset(&data).input()?;
    let folder = match resumed {
        Some(folder) => unfinished(folder)?,
        None => {
            let folder = RunFolder::create(&runs)?;
            start(&folder, &document, &plan)?;
            folder
        }
    };
    let stop = stop_on_signal()?;
    let verbosity = options.training.verbosity();
    let (plan, data) = (&plan, &data);
    let training = Training { plan, data, folder: &folder, machine, verbosity, stop: &stop };
    report(training.run()?, &folder)
}

/// Has so many threads compute, or one for each processor; returns how many. This thread is one of them: to hand
/// work over and to sleep until it is done would cost a tenth of a training step.
pub(crate) fn compute_with(threads: Option<u16>) -> Result<usize, Failure> {
    let threads = match threads {
        Some(threads) => threads.into(),
        None => available_parallelism().map_or(1, |n| n.get()),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread();
    pool.build_global()?;
    Ok(threads)
}

fn unfinished(folder: RunFolder) -> Result<RunFolder, Failure> {
    match folder.summary().exists() {
        false => Ok(folder),
        true => Err(Failure::Input(anyhow!(
            "{} is finished, there is nothing to resume: start another run without --resume",
            folder.path().display()
        ))),
    }
}

fn report(ended: Ended, folder: &RunFolder) -> Result<ExitCode, Failure> {
    match ended {
        Ended::Finished(summary) => {
            print(result_page(&summary, folder.path()))?;
            Ok(ExitCode::SUCCESS)
        }
        Ended::Stopped { step } => {
            say(format_args!("stopped at step {step}, {}", how_to_go_on(folder)));
            Ok(ExitCode::from(INTERRUPTED))
        }
        Ended::Failed { step, error } => {
            say(format_args!("failed after step {step}, {}", how_to_go_on(folder)));
            Err(error.into())
        }
    }
}

fn how_to_go_on(folder: &RunFolder) -> String {
    let (path, number) = (folder.path().display(), folder.number());
    format!(
        "run folder {path}; to go on, repeat the command with `--resume {number}` and without any \
         --set: the run has its own recipe"
    )
}
