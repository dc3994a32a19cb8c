//! `trickbag compare`: tables and curves of runs beside each other.

mod settings;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use trickbag_recipe::Document;
use trickbag_report::{
    ComparedRun, EpochRecord, Record, comparison_csv, comparison_page, read, write_atomic,
};

use self::settings::settings;
use crate::failure::{Failure, Input};
use crate::folder::RunFolder;
use crate::output::print;

/// Which runs, and what to write beside the page.
#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Folders of runs, as `runs/mnist/1`.
    #[arg(required = true, num_args = 1..=52, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Write the records of all epochs as comma-separated values.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// Prints the runs beside each other.
pub(crate) fn compare(options: &Compare) -> Result<ExitCode, Failure> {
    let runs: Vec<ComparedRun> =
        options.runs.iter().map(|path| compared(path)).collect::<Result<_, _>>().input()?;
    if let Some(path) = &options.csv {
        write_atomic(path, comparison_csv(&runs).as_bytes())?;
    }
    print(comparison_page(&runs).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn compared(path: &Path) -> anyhow::Result<ComparedRun> {
    let folder = RunFolder::at(path);
    ensure!(
        folder.recipe().is_file(),
        "{} is not the folder of a run: it has no recipe.ron; give folders such as runs/mnist/1",
        path.display()
    );
    let document = Document::read(folder.recipe())?;
    let recipe = serde_json::to_value(document.recipe());
    Ok(ComparedRun {
        folder: path.display().to_string(),
        settings: settings(&recipe.with_context(|| format!("in {}", path.display()))?),
        epochs: epochs(&folder)?,
        ending: folder.ended().map(|(_, ending)| ending),
    })
}

/// A run that was killed early has no records yet.
fn epochs(folder: &RunFolder) -> anyhow::Result<Vec<EpochRecord>> {
    if !fs::exists(folder.metrics())? {
        return Ok(vec![]);
    }
    let records = read(&folder.metrics())?;
    Ok(records.iter().filter_map(Record::epoch).cloned().collect())
}
