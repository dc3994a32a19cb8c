//! The command line.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, ValueEnum};
use trickbag_recipe::Document;

use crate::ablate::Ablate;
use crate::bench::Bench;
use crate::compare::Compare;
use crate::device::DeviceName;
use crate::doctor::Doctor;
use crate::failure::{Failure, Input};
use crate::lr_find::LrFind;
use crate::run::compute_with;
use crate::screen::Verbosity;
use crate::training::Machine;

/// Train image classifiers from declarative recipes.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) enum Command {
    /// Train a recipe to the end.
    Run(Run),
    /// Measure what each trick of a recipe is worth.
    Ablate(Ablate),
    /// Find a learning rate: let it rise until the loss does.
    LrFind(LrFind),
    /// Show runs beside each other: settings, results and curves.
    Compare(Compare),
    /// Print what a recipe resolves to, or the method card of a trick.
    Explain(Explain),
    /// Report known mistakes in a recipe.
    Lint(Lint),
    /// Time whole steps on random images.
    #[command(subcommand)]
    Bench(Bench),
    /// Look at the machine: what it has of what training uses, and what to do about the rest.
    Doctor(Doctor),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) recipe: RecipeFile,
    #[command(flatten)]
    pub(crate) training: TrainingFlags,
    /// Go on with run N of this recipe, or with the latest one.
    #[arg(long, value_name = "N", num_args = 0..=1, conflicts_with = "set")]
    pub(crate) resume: Option<Option<u32>>,
}

/// What all commands take that train.
#[derive(Debug, Args)]
pub(crate) struct TrainingFlags {
    #[command(flatten)]
    pub(crate) machine: MachineFlags,
    /// Folder that holds the runs, each in `<recipe>/<number>`.
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub(crate) runs: PathBuf,
    /// Print the result only.
    #[arg(long, short)]
    quiet: bool,
}

/// On what to compute.
#[derive(Debug, Args)]
pub(crate) struct MachineFlags {
    /// Where to compute: `cpu`, `cuda` or `cuda:N`.
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: DeviceName,
    /// Threads that compute; all processors when left out. They change speed, never results.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

impl TrainingFlags {
    pub(crate) fn verbosity(&self) -> Verbosity {
        if self.quiet { Verbosity::Quiet } else { Verbosity::Normal }
    }
}

impl MachineFlags {
    /// Has the threads compute from here on.
    pub(crate) fn prepare(&self) -> Result<Machine, Failure> {
        Ok(Machine { device: self.device, threads: compute_with(self.threads)? })
    }
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A recipe, or the name of a trick, such as `Warmup`.
    #[arg(value_name = "RECIPE|TRICK", required_unless_present = "tricks")]
    pub(crate) subject: Option<PathBuf>,
    /// Override a value of the recipe, for instance `batch_size=64` or `optimizer.lr=0.05`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Show the network layer by layer.
    #[arg(long, conflicts_with = "json")]
    pub(crate) layers: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// List all tricks.
    #[arg(long, exclusive = true)]
    pub(crate) tricks: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Lint {
    #[command(flatten)]
    pub(crate) recipe: Option<RecipeFile>,
    /// End with exit code 1 if there is such a finding.
    #[arg(long, value_name = "WHAT")]
    pub(crate) deny: Option<Deny>,
    /// Print the findings as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print all rules, with their reasons and sources, as Markdown.
    #[arg(long, exclusive = true, required_unless_present = "recipe")]
    pub(crate) rules: bool,
}

/// Findings that are not let pass.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Deny {
    /// Warnings, but not notes.
    Warnings,
}

#[derive(Debug, Args)]
pub(crate) struct RecipeFile {
    /// The recipe, a RON file.
    recipe: PathBuf,
    /// Override a value of the recipe, for instance `batch_size=64` or `optimizer.lr=0.05`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl RecipeFile {
    /// Reads the recipe and applies the overrides.
    pub(crate) fn read(&self) -> Result<Document, Failure> {
        read(&self.recipe, &self.set)
    }
}

/// Reads a recipe and applies overrides.
pub(crate) fn read(recipe: &Path, set: &[String]) -> Result<Document, Failure> {
    let mut document = Document::read(recipe).input()?;
    for assignment in set {
        document.set(assignment).input()?;
    }
    Ok(document)
}
