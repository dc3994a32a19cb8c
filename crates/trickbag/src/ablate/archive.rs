//! Runs of earlier commands that an ablation need not train again.

use std::path::Path;

use trickbag_recipe::{Document, Plan};
use trickbag_report::{Ending, Record, RunFacts, Summary, VariantRun, read};

use crate::device::DeviceName;
use crate::failure::Failure;
use crate::folder::RunFolder;

/// What an earlier run is good for.
pub(crate) enum Known {
    /// It has ended, so there is a result.
    Done(VariantRun),
    /// It can be resumed.
    Unfinished(RunFolder),
}

/// An earlier run of this very plan in the folder `runs`, one that has ended if there is one.
///
/// What has ended counts if it was the same version of the program on the same device. The number
/// of threads is not asked for, since it changes no result but the times.
pub(crate) fn find(runs: &Path, plan: &Plan, device: DeviceName) -> Result<Option<Known>, Failure> {
    let device = device.to_string();
    let same = |run: &RunFacts| {
        run.recipe_hash == plan.recipe_hash
            && run.version == env!("CARGO_PKG_VERSION")
            && run.device == device
    };
    let mut unfinished = None;
    for folder in RunFolder::all(runs) {
        match folder.ended() {
            Some((run, _)) if same(&run) => return Ok(Some(Known::Done(result(&folder)?))),
            Some(_) => {}
            None if recipe_hash(&folder).as_ref() == Some(&plan.recipe_hash) => {
                unfinished = Some(Known::Unfinished(folder));
            }
            None => {}
        }
    }
    Ok(unfinished)
}

/// The result of a run that has ended.
pub(crate) fn result(folder: &RunFolder) -> Result<VariantRun, Failure> {
    let records = read(&folder.metrics())?;
    let (facts, ending) = match folder.ended() {
        Some(found) => found,
        // Says what is wrong with the summary.
        None => (Summary::read(&folder.summary())?.run, Ending::Finished),
    };
    let epochs = records.iter().filter_map(Record::epoch).cloned().collect();
    Ok(VariantRun { facts, folder: folder.path().display().to_string(), epochs, ending })
}

/// The hash of the recipe in a run folder, if it can be read.
fn recipe_hash(folder: &RunFolder) -> Option<String> {
    Some(Document::read(folder.recipe()).ok()?.recipe().hash())
}
