//! `trickbag ablate`: trains a recipe with and without its tricks and says what each is worth.

mod archive;
mod options;
mod variant;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, anyhow};
use trickbag_data::Dataset;
use trickbag_recipe::{Document, Plan};
use trickbag_report::{Ablation, Variant, VariantRun, ablation_page};
use trickbag_trainer::Error;

pub(crate) use self::options::Ablate;

use self::archive::{Known, find, result};
use self::variant::{Cut, axis, cuts, seeds};
use crate::failure::{Failure, Input};
use crate::folder::RunFolder;
use crate::output::{print, say};
use crate::screen::Verbosity;
use crate::signal::{INTERRUPTED, stop_on_signal};
use crate::training::{Ended, Machine, Training, open_data, start};

/// Trains what has not been trained yet, and prints and saves the table.
pub(crate) fn ablate(options: &Ablate) -> Result<ExitCode, Failure> {
    let document = options.recipe.read()?;
    let recipe = document.recipe();
    let cuts = cuts(options.mode, &axis(recipe, &options.tricks).input()?);
    let seeds = seeds(recipe.seed, options.seeds).input()?;
    let machine = options.training.machine.prepare()?;
    let data = open_data(&document)?;
    let work = planned(&document, &cuts, &seeds, &data)?;
    work.iter().try_for_each(|run| machine.device.check(&run.plan))?;
    let session = Session {
        runs: options.training.runs.join(&recipe.name),
        machine,
        verbosity: options.training.verbosity(),
        data,
        stop: stop_on_signal()?,
    };
    let Some(variants) = session.train(&cuts, &work)? else {
        say("stopped; the same command goes on from here");
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let mode = options.mode.to_string();
    let ablation = Ablation::new(&recipe.name, &mode, options.to, &variants);
    let folder = session.runs.join(format!("ablation-{mode}"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    ablation.write(&folder)?;
    print(format_args!("{}\n\nSaved in {}", ablation_page(&ablation), folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// A run that the table needs.
struct Planned {
    /// Which of the variants.
    variant: usize,
    document: Document,
    plan: Plan,
}

/// Plans every run, so that a contradiction is found before anything is trained. Seed by seed: what
/// a stopped ablation has done is then whole tables of fewer seeds.
fn planned(
    document: &Document,
    cuts: &[Cut],
    seeds: &[u64],
    data: &Dataset,
) -> Result<Vec<Planned>, Failure> {
    // Complaints about the recipe itself name its lines.
    Plan::new(document, data.facts()).input()?;
    let of_seed = |seed: &u64| {
        let runs = cuts.iter().enumerate();
        let runs = runs.map(|(variant, cut)| {
            let document = cut.of(document.recipe(), *seed)?;
            let plan = Plan::new(&document, data.facts());
            let plan = plan.map_err(|error| {
                anyhow!("the variant `{}` cannot be trained: {}", cut.name, error.problem())
            });
            Ok(Planned { variant, plan: plan.input()?, document })
        });
        runs.collect::<Result<Vec<_>, Failure>>()
    };
    Ok(seeds.iter().map(of_seed).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

struct Session {
    /// Folder of the recipe's runs.
    runs: PathBuf,
    machine: Machine,
    verbosity: Verbosity,
    data: Dataset,
    stop: Arc<AtomicBool>,
}

impl Session {
    /// The runs of all variants, or nothing when asked to stop.
    fn train(&self, cuts: &[Cut], work: &[Planned]) -> Result<Option<Vec<Variant>>, Failure> {
        let empty = |cut: &Cut| Variant { name: cut.name.clone(), runs: vec![] };
        let mut variants: Vec<Variant> = cuts.iter().map(empty).collect();
        for (done, planned) in work.iter().enumerate() {
            let variant = &mut variants[planned.variant];
            let title = format!("[{}/{}] {}", done + 1, work.len(), variant.name);
            match self.result(planned, &title)? {
                Some(run) => variant.runs.push(run),
                None => return Ok(None),
            }
        }
        Ok(Some(variants))
    }

    /// A run's result: from an earlier run that was the same, else by training.
    fn result(&self, planned: &Planned, title: &str) -> Result<Option<VariantRun>, Failure> {
        let Planned { document, plan, .. } = planned;
        let folder = match find(&self.runs, plan, self.machine.device)? {
            Some(Known::Done(run)) => {
                self.say(&format!("{title}, seed {}: known from {}", plan.seed, run.folder));
                return Ok(Some(run));
            }
            _ if self.stop.load(Ordering::Relaxed) => return Ok(None),
            Some(Known::Unfinished(folder)) => folder,
            None => {
                let folder = RunFolder::create(&self.runs)?;
                start(&folder, document, plan)?;
                folder
            }
        };
        self.say(&format!("{title}, seed {}: run folder {}", plan.seed, folder.path().display()));
        self.trained(plan, &folder)
    }

    fn trained(&self, plan: &Plan, folder: &RunFolder) -> Result<Option<VariantRun>, Failure> {
        let Self { machine, verbosity, data, stop, .. } = self;
        let (machine, verbosity) = (*machine, *verbosity);
        let data = &plan.dataset(data).input()?;
        let ended = Training { plan, data, folder, machine, verbosity, stop }.run()?;
        match ended {
            Ended::Stopped { .. } => Ok(None),
            Ended::Failed { error, .. }
                if !matches!(error, Error::Diverged { .. } | Error::Overflow { .. }) =>
            {
                say(format_args!(
                    "failed in {}; the same command goes on",
                    folder.path().display()
                ));
                Err(error.into())
            }
            Ended::Failed { error, .. } => {
                self.say(&error.to_string());
                Ok(Some(result(folder)?))
            }
            Ended::Finished(_) => Ok(Some(result(folder)?)),
        }
    }

    fn say(&self, text: &str) {
        if self.verbosity == Verbosity::Normal {
            say(text);
        }
    }
}
