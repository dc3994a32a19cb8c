//! `diverged.json`: where a run ended whose loss or gradients were no longer numbers.

use crate::{Error, RunFacts, json_file, number};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The end of a run that diverged, as written to `diverged.json`.
///
/// The same recipe on the same machine diverges again at the same step, so this is a result: who
/// finds it need not train the run once more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// What was run, and on what.
    #[serde(flatten)]
    pub run: RunFacts,
    /// The update that failed, from 1.
    pub step: u64,
    /// Its mean loss per sample; finite where it was the gradients that overflowed.
    #[serde(with = "number")]
    pub loss: f64,
    /// Its learning rate.
    #[serde(with = "number")]
    pub learning_rate: f64,
}

impl Divergence {
    /// Writes the file, in place of an earlier one or not at all.
    ///
    /// # Errors
    /// [`Error::Write`]; an earlier file is then still there.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        json_file::write(path, self)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Malformed`] with the line.
    pub fn read(path: &Path) -> Result<Self, Error> {
        json_file::read(path)
    }
}
