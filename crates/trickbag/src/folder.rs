//! The folder of one run: what lies where, and which numbers are taken.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use trickbag_report::{Divergence, Ending, RunFacts, Summary};
use trickbag_trainer::LAST;

/// `<runs>/<recipe>/<number>`.
#[derive(Debug)]
pub(crate) struct RunFolder(PathBuf);

impl RunFolder {
    /// Makes the folder of a new run: the first number that is not taken.
    pub(crate) fn create(recipe: &Path) -> anyhow::Result<Self> {
        let reason = || format!("cannot make a run folder in {}", recipe.display());
        fs::create_dir_all(recipe).with_context(reason)?;
        let mut number = numbers(recipe).with_context(reason)?.into_iter().max().unwrap_or(0);
        loop {
            number += 1;
            let run = recipe.join(number.to_string());
            match fs::create_dir(&run) {
                Ok(()) => {
                    fs::create_dir(run.join("checkpoints")).with_context(reason)?;
                    return Ok(Self(run));
                }
                // Another process took the number in between.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(reason),
            }
        }
    }

    /// The folder of run `number`, or of the latest run.
    pub(crate) fn open(recipe: &Path, number: Option<u32>) -> anyhow::Result<Self> {
        let found = numbers(recipe).unwrap_or_default();
        let latest = found.iter().copied().max();
        let number = number.or(latest).with_context(|| {
            format!("there is no run to resume in {}: start one without --resume", recipe.display())
        })?;
        match found.contains(&number) {
            true => Ok(Self(recipe.join(number.to_string()))),
            false => Err(anyhow!(
                "there is no run {number} in {}; the latest is {}",
                recipe.display(),
                latest.map_or("none".into(), |n| n.to_string())
            )),
        }
    }

    /// The folder of a run that lies somewhere else, or nothing of the kind.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folders of all runs of a recipe, in the order of their numbers.
    pub(crate) fn all(recipe: &Path) -> Vec<Self> {
        let mut numbers = numbers(recipe).unwrap_or_default();
        numbers.sort();
        numbers.into_iter().map(|number| Self(recipe.join(number.to_string()))).collect()
    }

    /// What was run here and how it ended, if it has ended.
    pub(crate) fn ended(&self) -> Option<(RunFacts, Ending)> {
        if let Ok(summary) = Summary::read(&self.summary()) {
            return Some((summary.run, Ending::Finished));
        }
        let divergence = Divergence::read(&self.divergence()).ok()?;
        Some((divergence.run, Ending::Diverged(divergence.step)))
    }

    /// Keeps other processes from training this run until the result is dropped or the process ends.
    pub(crate) fn lock(&self) -> anyhow::Result<File> {
        let path = self.0.join("lock");
        let file =
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(anyhow!(
                "another process is training the run in {}: let it end, or stop it",
                self.0.display()
            )),
            // Some network file systems cannot lock; runs there are as safe as without.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The number that `--resume` takes.
    pub(crate) fn number(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The recipe with its overrides applied.
    pub(crate) fn recipe(&self) -> PathBuf {
        self.0.join("recipe.ron")
    }

    /// The plan as `explain` prints it.
    pub(crate) fn plan(&self) -> PathBuf {
        self.0.join("plan.txt")
    }

    pub(crate) fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    pub(crate) fn summary(&self) -> PathBuf {
        self.0.join("summary.json")
    }

    /// What a run leaves that diverged.
    pub(crate) fn divergence(&self) -> PathBuf {
        self.0.join("diverged.json")
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    pub(crate) fn last_checkpoint(&self) -> PathBuf {
        self.checkpoints().join(LAST)
    }
}

fn numbers(recipe: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = vec![];
    for entry in fs::read_dir(recipe)? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(numbers)
}
