//! `trickbag run`: from a recipe to a trained network in a run folder.

use std::process::ExitCode;
use std::thread::available_parallelism;

use anyhow::anyhow;
use dfdx::dtypes::Dtype;
use trickbag_data::Dataset;
use trickbag_ops::Backend;
use trickbag_recipe::{Document, Plan};
use trickbag_report::{MetricsFile, RunFacts, Summary, peak_rss, read, result_page, write_atomic};
use trickbag_trainer::{Outcome, Trainer};

use crate::command::Run;
use crate::device::{Job, dispatch};
use crate::failure::{Failure, Input};
use crate::folder::RunFolder;
use crate::screen::{Screen, Verbosity};
use crate::signal::{INTERRUPTED, stop_on_signal};

/// Trains a recipe, new or resumed.
pub(crate) fn run(options: &Run) -> Result<ExitCode, Failure> {
    let given = options.recipe.read()?;
    let runs = options.runs.join(&given.recipe().name);
    let resumed = match options.resume {
        None => None,
        Some(number) => Some(RunFolder::open(&runs, number).input()?),
    };
    // A resumed run goes on with the recipe that it was started with.
    let document = match &resumed {
        None => given,
        Some(folder) => Document::read(folder.recipe()).input()?,
    };
    let threads = compute_with(options.threads)?;
    let data = open(&document)?;
    let plan = Plan::new(&document, data.facts()).input()?;
    let folder = match resumed {
        Some(folder) => unfinished(folder)?,
        None => started(RunFolder::create(&runs)?, &document, &plan)?,
    };
    let job = Training { plan: &plan, data: &data, folder: &folder, options, threads };
    dispatch(options.device, plan.precision, job)
}

/// Has so many threads compute, or one for each processor; returns how many.
pub(crate) fn compute_with(threads: Option<u16>) -> Result<usize, Failure> {
    let threads = match threads {
        Some(threads) => threads.into(),
        None => available_parallelism().map_or(1, |n| n.get()),
    };
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    Ok(threads)
}

fn open(document: &Document) -> Result<Dataset, Failure> {
    let data = document.open_data().input()?;
    let skipped = data.skipped();
    if !skipped.files.is_empty() {
        eprintln!("warning: {skipped}");
    }
    Ok(data)
}

fn started(folder: RunFolder, document: &Document, plan: &Plan) -> Result<RunFolder, Failure> {
    write_atomic(&folder.recipe(), document.text().as_bytes())?;
    write_atomic(&folder.plan(), plan.explain(document).to_string().as_bytes())?;
    Ok(folder)
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

struct Training<'a> {
    plan: &'a Plan,
    data: &'a Dataset,
    folder: &'a RunFolder,
    options: &'a Run,
    threads: usize,
}

impl Job for Training<'_> {
    type Output = ExitCode;

    fn on<E: Dtype, D: Backend<E>>(self, dev: D) -> Result<ExitCode, Failure> {
        let Self { plan, data, folder, options, .. } = self;
        let last = folder.last_checkpoint();
        // A run that ended before its first checkpoint begins anew.
        let mut trainer = match last.exists() {
            true => Trainer::<E, D>::resume(plan, dev, &last).input()?,
            false => Trainer::<E, D>::new(plan, dev)?,
        };
        let mut metrics = match trainer.step() > 0 || folder.metrics().exists() {
            true => MetricsFile::resume(&folder.metrics(), trainer.step()).input()?,
            false => MetricsFile::create(&folder.metrics())?,
        };
        let stop = stop_on_signal()?;
        let verbosity = if options.quiet { Verbosity::Quiet } else { Verbosity::Normal };
        let screen = Screen::new(plan, trainer.step(), verbosity);
        let outcome = trainer.run(data, &folder.checkpoints(), &stop, &mut |record| {
            screen.show(record);
            metrics.append(record)
        });
        screen.clear();
        match outcome {
            Ok(Outcome::Finished) => self.report(),
            Ok(Outcome::Stopped) => {
                eprintln!("stopped at step {}, {}", trainer.step(), self.how_to_go_on());
                Ok(ExitCode::from(INTERRUPTED))
            }
            Err(error) => {
                eprintln!("failed after step {}, {}", trainer.step(), self.how_to_go_on());
                Err(error.into())
            }
        }
    }
}

impl Training<'_> {
    fn report(&self) -> Result<ExitCode, Failure> {
        let Self { plan, folder, options, threads, .. } = self;
        let facts = RunFacts {
            recipe: plan.name.clone(),
            recipe_hash: plan.recipe_hash.clone(),
            seed: plan.seed,
            parameters: plan.network.parameter_count() as u64,
            device: options.device.to_string(),
            precision: format!("{:?}", plan.precision),
            threads: *threads as u64,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let summary = Summary::from_records(facts, &read(&folder.metrics())?, peak_rss())?;
        summary.write(&folder.summary())?;
        println!("{}", result_page(&summary, folder.path()));
        Ok(ExitCode::SUCCESS)
    }

    fn how_to_go_on(&self) -> String {
        let (folder, number) = (self.folder.path().display(), self.folder.number());
        format!(
            "run folder {folder}; to go on, repeat the command with `--resume {number}` and without \
             any --set: the run has its own recipe"
        )
    }
}
