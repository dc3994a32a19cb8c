//! One run: trained in its folder from where it stands to its end, a stop or a failure.

use std::sync::atomic::AtomicBool;

use dfdx::dtypes::Dtype;
use trickbag_data::Dataset;
use trickbag_ops::Backend;
use trickbag_recipe::{Document, Plan};
use trickbag_report::{Divergence, MetricsFile, RunFacts, Summary, peak_rss, read, write_atomic};
use trickbag_trainer::{Error, Outcome, Trainer};

use crate::device::{DeviceName, Job, dispatch};
use crate::failure::{Failure, Input};
use crate::folder::RunFolder;
use crate::output::say;
use crate::screen::{Screen, Verbosity};
use crate::transfer::transfer_page;

/// A run that is about to be trained. It begins anew unless its folder holds a checkpoint.
pub(crate) struct Training<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) data: &'a Dataset,
    pub(crate) folder: &'a RunFolder,
    pub(crate) machine: Machine,
    pub(crate) verbosity: Verbosity,
    pub(crate) stop: &'a AtomicBool,
}

/// On what a run computes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) device: DeviceName,
    pub(crate) threads: usize,
}

/// How a run ended.
pub(crate) enum Ended {
    /// All epochs are done, and the summary is written.
    Finished(Summary),
    /// It was asked to stop after this step and has saved.
    Stopped { step: u64 },
    /// The step after this one failed. A divergence is written down.
    Failed { step: u64, error: Error },
}

/// Makes the folder's contents that a run starts with.
pub(crate) fn start(folder: &RunFolder, document: &Document, plan: &Plan) -> Result<(), Failure> {
    write_atomic(&folder.recipe(), document.text().as_bytes())?;
    write_atomic(&folder.plan(), plan.explain(document).to_string().as_bytes())?;
    Ok(())
}

/// Opens a recipe's data and says what was skipped.
pub(crate) fn open_data(document: &Document) -> Result<Dataset, Failure> {
    let data = document.open_data().input()?;
    let skipped = data.skipped();
    if !skipped.files.is_empty() {
        say(format_args!("warning: {skipped}"));
    }
    Ok(data)
}

impl Training<'_> {
    pub(crate) fn run(self) -> Result<Ended, Failure> {
        let _lock = self.folder.lock().input()?;
        dispatch(self.machine.device, self.plan.precision, self)
    }

    fn summarise(&self) -> Result<Summary, Failure> {
        let records = read(&self.folder.metrics())?;
        let summary = Summary::from_records(self.facts(), &records, peak_rss())?;
        summary.write(&self.folder.summary())?;
        Ok(summary)
    }

    fn facts(&self) -> RunFacts {
        let Self { plan, machine, .. } = self;
        RunFacts {
            recipe: plan.name.clone(),
            recipe_hash: plan.recipe_hash.clone(),
            seed: plan.seed,
            parameters: plan.network.parameter_count() as u64,
            device: machine.device.to_string(),
            precision: format!("{:?}", plan.precision),
            threads: machine.threads as u64,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    fn write_divergence(&self, error: &Error) -> Result<(), Failure> {
        if let Error::Diverged { step, loss, learning_rate }
        | Error::Overflow { step, loss, learning_rate, .. } = *error
        {
            let (run, loss) = (self.facts(), f64::from(loss));
            Divergence { run, step, loss, learning_rate }.write(&self.folder.divergence())?;
        }
        Ok(())
    }
}

impl Job for Training<'_> {
    type Output = Ended;

    fn on<E: Dtype, D: Backend<E>>(self, dev: D) -> Result<Ended, Failure> {
        let Self { plan, data, folder, verbosity, stop, .. } = self;
        let last = folder.last_checkpoint();
        // A run that ended before its first checkpoint begins anew.
        let mut trainer = match last.exists() {
            true => Trainer::<E, D>::resume(plan, dev, &last).input()?,
            false => Trainer::<E, D>::new(plan, dev).input()?,
        };
        let mut metrics = match trainer.step() > 0 || folder.metrics().exists() {
            true => MetricsFile::resume(&folder.metrics(), trainer.step()).input()?,
            false => MetricsFile::create(&folder.metrics())?,
        };
        let screen = Screen::new(plan, trainer.step(), verbosity);
        if let (Some(path), Some(transfer)) = (&plan.init_from, trainer.transfer()) {
            screen.say(&transfer_page(path, transfer));
        }
        let outcome = trainer.run(data, &folder.checkpoints(), stop, &mut |record| {
            screen.show(record);
            metrics.append(record)
        });
        screen.clear();
        let step = trainer.step();
        match outcome {
            Ok(Outcome::Finished) => Ok(Ended::Finished(self.summarise()?)),
            Ok(Outcome::Stopped) => Ok(Ended::Stopped { step }),
            Err(error) => {
                self.write_divergence(&error)?;
                Ok(Ended::Failed { step, error })
            }
        }
    }
}
