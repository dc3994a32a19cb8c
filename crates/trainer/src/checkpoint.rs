//! Checkpoints: safetensors files that hold a network's values, or all that a training needs.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use dfdx::dtypes::Dtype;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use trickbag_models::{NamedTensor, Parameters, RunningStatistics};
use trickbag_ops::Backend;
use trickbag_optim::{Average, SlowWeights};
use trickbag_precision::LossScaler;
use trickbag_recipe::Plan;
use trickbag_report::write_atomic;

use crate::evaluate::Kept;
use crate::statistics::{flat, unflat};
use crate::trainer::Progress;
use crate::{Error, Trainer};

/// The checkpoint that a training resumes from.
pub const LAST: &str = "last.safetensors";
/// The network after its best epoch, as PyTorch names and shapes it.
pub const BEST: &str = "best.safetensors";
/// The network at the end, as PyTorch names and shapes it.
pub const MODEL: &str = "model.safetensors";

/// Key of the one entry in the file's metadata (one, because they have no order).
const KEY: &str = "trickbag";
/// Version of the layout of [`LAST`].
const FORMAT: u32 = 1;
const OF_MODEL: &str = "model.";
const OF_OPTIMIZER: &str = "optimizer.";
const OF_AVERAGE: &str = "average.";

/// What a checkpoint says beside the tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    recipe_hash: String,
    optimizer_steps: u64,
    progress: Progress,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scaler: Option<LossScaler>,
}

impl<'p, E: Dtype, D: Backend<E>> Trainer<'p, E, D> {
    /// A training as it was when the checkpoint at `path` was written.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] and [`Error::NotACheckpoint`] for a missing, torn or foreign file,
    /// [`Error::OtherRecipe`] for a checkpoint of another recipe, and what [`Trainer::new`] and
    /// [`Network::import`](trickbag_models::Network::import) report.
    pub fn resume(plan: &'p Plan, dev: D, path: &Path) -> Result<Self, Error> {
        let not_a_checkpoint =
            |reason: String| Error::NotACheckpoint { path: path.to_owned(), reason };
        let bytes = fs::read(path).map_err(|reason| Error::Read { path: path.into(), reason })?;
        let header = header(&bytes).map_err(not_a_checkpoint)?;
        if header.recipe_hash != plan.recipe_hash {
            let (found, expected) = (header.recipe_hash, plan.recipe_hash.clone());
            return Err(Error::OtherRecipe { path: path.to_owned(), found, expected });
        }
        let file = SafeTensors::deserialize(&bytes).map_err(|e| not_a_checkpoint(e.to_string()))?;
        let (parameters, statistics) = plan.network.import(with_prefix(&file, OF_MODEL)?, &dev)?;
        let mut trainer = Self::with_values(plan, dev, parameters, statistics)?;
        let names: Vec<_> = plan.network.parameters().iter().map(|spec| spec.name()).collect();
        let saved = |slot: &str, index: usize| -> Result<_, Error> {
            let name = slot_name(slot, names[index]);
            let view = file.tensor(&name).map_err(|e| not_a_checkpoint(e.to_string()))?;
            Ok(NamedTensor::from_view(&name, &view)?.values)
        };
        trainer.optimizer.restore(header.optimizer_steps, saved)?;
        if let Some(slow) = &mut trainer.slow {
            slow.restore(header.progress.step, saved)?;
        }
        if let Some(average) = &mut trainer.average {
            let values = with_prefix(&file, OF_AVERAGE)?;
            let (parameters, statistics) = plan.network.import(values, &trainer.dev)?;
            let lists = [parameters.0, flat(&statistics)];
            average.restore(header.progress.step, |slot, index| -> Result<_, Error> {
                let list = if slot == "average" { &lists[0] } else { &lists[1] };
                Ok(list[index].as_vec())
            })?;
        }
        trainer.progress = header.progress;
        trainer.scaler = header.scaler;
        Ok(trainer)
    }

    /// All ranks hold the same; the first writes it.
    pub(crate) fn save_last(&self, folder: &Path) -> Result<(), Error> {
        if self.ranks.rank() > 0 {
            return Ok(());
        }
        let header = Header {
            format: FORMAT,
            recipe_hash: self.plan.recipe_hash.clone(),
            optimizer_steps: self.optimizer.steps(),
            progress: self.progress.clone(),
            scaler: self.scaler,
        };
        let path = folder.join(LAST);
        let header = serde_json::to_string(&header)
            .map_err(|e| Error::NotACheckpoint { path: path.clone(), reason: e.to_string() })?;
        let metadata = HashMap::from([(KEY.to_owned(), header)]);
        let bytes = NamedTensor::serialize(&self.tensors(), Some(metadata))?;
        Ok(write_atomic(&path, &bytes)?)
    }

    pub(crate) fn save_network(&self, network: &Kept<D>, path: &Path) -> Result<(), Error> {
        if self.ranks.rank() > 0 {
            return Ok(());
        }
        let Kept { parameters, statistics } = network;
        let bytes = self.plan.network.to_safetensors(parameters, statistics)?;
        Ok(write_atomic(path, &bytes)?)
    }

    fn tensors(&self) -> Vec<NamedTensor> {
        let mut tensors = self.exported(OF_MODEL, &self.parameters, &self.statistics);
        let slow = self.slow.iter().flat_map(SlowWeights::slots);
        for slot in self.optimizer.slots().iter().chain(slow) {
            let of_slot = self.plan.network.parameters().iter().zip(&slot.values);
            tensors.extend(of_slot.map(|(spec, values)| NamedTensor {
                name: slot_name(slot.name, spec.name()),
                shape: spec.shape.clone(),
                values: values.as_vec(),
            }));
        }
        if let Some([parameters, statistics]) = self.average.as_ref().map(Average::slots) {
            let parameters = Parameters(parameters.values.clone());
            tensors.extend(self.exported(OF_AVERAGE, &parameters, &unflat(&statistics.values)));
        }
        tensors
    }

    fn exported(
        &self,
        prefix: &str,
        parameters: &Parameters<f32, D>,
        statistics: &RunningStatistics<D>,
    ) -> Vec<NamedTensor> {
        let mut tensors = self.plan.network.export(parameters, statistics);
        for tensor in &mut tensors {
            tensor.name.insert_str(0, prefix);
        }
        tensors
    }
}

/// The tensors of a safetensors file.
pub(crate) fn named_tensors(path: &Path) -> Result<Vec<NamedTensor>, Error> {
    let bytes = fs::read(path).map_err(|reason| Error::Read { path: path.into(), reason })?;
    NamedTensor::deserialize(&bytes).map_err(|reason| Error::Values { path: path.into(), reason })
}

/// The tensors whose names begin with `prefix`, without it.
fn with_prefix(file: &SafeTensors<'_>, prefix: &str) -> Result<Vec<NamedTensor>, Error> {
    let named = file.iter().filter_map(|(name, view)| Some((name.strip_prefix(prefix)?, view)));
    Ok(named.map(|(name, view)| NamedTensor::from_view(name, &view)).collect::<Result<_, _>>()?)
}

/// Optimiser state keeps Trickbag's layout: only Trickbag reads it.
fn slot_name(slot: &str, parameter: &str) -> String {
    format!("{OF_OPTIMIZER}{slot}.{parameter}")
}

fn header(bytes: &[u8]) -> Result<Header, String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let entry = metadata.metadata().as_ref().and_then(|entries| entries.get(KEY));
    let entry = entry.ok_or("it has no record of a training; only `last.safetensors` does")?;
    let header: Header = serde_json::from_str(entry).map_err(|error| error.to_string())?;
    match header.format {
        FORMAT => Ok(header),
        found => Err(format!("its format is {found}, this program reads {FORMAT}")),
    }
}
