//! `summary.json`: what a whole run came to.

use crate::{EpochRecord, Error, Record, json_file, number};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The result of a run, as written to `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// What was run, and on what.
    #[serde(flatten)]
    pub run: RunFacts,
    /// Validation accuracy after the last epoch, 0 to 1.
    #[serde(with = "number")]
    pub top1: f64,
    /// Mean validation loss per sample after the last epoch.
    #[serde(with = "number")]
    pub loss: f64,
    /// The highest validation accuracy of any epoch.
    #[serde(with = "number")]
    pub best_top1: f64,
    /// The first epoch that reached it.
    pub best_epoch: u64,
    /// Epochs done.
    pub epochs: u64,
    /// Seconds of training over all epochs, without evaluation and without pauses between a stop
    /// and its resume.
    #[serde(with = "number")]
    pub train_seconds: f64,
    /// Training images per second of training time, over all epochs.
    #[serde(with = "number")]
    pub images_per_second: f64,
    /// Peak memory of the process that finished the run; none where the system does not tell.
    pub peak_rss_bytes: Option<u64>,
}

/// What a summary says beside the records: what was run, and on what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    /// The recipe's name.
    pub recipe: String,
    /// A hash of the recipe with its overrides; equal hashes are the same experiment.
    pub recipe_hash: String,
    /// The seed of the run.
    pub seed: u64,
    /// How many numbers the network learns.
    pub parameters: u64,
    /// The device that computed, for instance `cpu`.
    pub device: String,
    /// The number format that computed, for instance `F32`.
    pub precision: String,
    /// Threads that computed.
    pub threads: u64,
    /// The version of the program.
    pub version: String,
}

impl Summary {
    /// What follows from a run's records, together with what they do not say.
    ///
    /// Times are summed over the epochs' records, so a run that was stopped and resumed gives the
    /// same as an unbroken one.
    ///
    /// # Errors
    /// [`Error::NoEpoch`] when no epoch has ended.
    pub fn from_records(
        run: RunFacts,
        records: &[Record],
        peak_rss_bytes: Option<u64>,
    ) -> Result<Self, Error> {
        let epochs: Vec<EpochRecord> = records.iter().filter_map(Record::epoch).cloned().collect();
        let Some(Totals { last, best, train_seconds, images_per_second }) = Totals::of(&epochs)
        else {
            return Err(Error::NoEpoch { records: records.len() });
        };
        Ok(Self {
            run,
            top1: last.val_top1,
            loss: last.val_loss,
            best_top1: best.val_top1,
            best_epoch: best.epoch,
            epochs: last.epoch,
            train_seconds,
            images_per_second,
            peak_rss_bytes,
        })
    }

    /// Writes the summary as JSON, one field per line, in place of an earlier one or not at all.
    ///
    /// # Errors
    /// [`Error::Write`]; an earlier summary is then still there.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        json_file::write(path, self)
    }

    /// Reads a summary.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Malformed`] with the line.
    pub fn read(path: &Path) -> Result<Self, Error> {
        json_file::read(path)
    }
}

/// What a run's epochs come to together.
pub(crate) struct Totals<'a> {
    pub(crate) last: &'a EpochRecord,
    /// The first epoch of the highest validation accuracy.
    pub(crate) best: &'a EpochRecord,
    pub(crate) train_seconds: f64,
    pub(crate) images_per_second: f64,
}

impl<'a> Totals<'a> {
    pub(crate) fn of(epochs: &'a [EpochRecord]) -> Option<Self> {
        let better = |best: &'a EpochRecord, epoch| {
            let epoch: &EpochRecord = epoch;
            if epoch.val_top1 > best.val_top1 { epoch } else { best }
        };
        let train_seconds = epochs.iter().map(|epoch| epoch.seconds).sum();
        let images: f64 = epochs.iter().map(|epoch| epoch.images_per_second * epoch.seconds).sum();
        Some(Self {
            last: epochs.last()?,
            best: epochs.iter().reduce(better)?,
            train_seconds,
            images_per_second: images / train_seconds,
        })
    }
}
