//! What a training loop says about itself: one record per update, one per epoch.

use crate::number;
use serde::{Deserialize, Serialize};

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// After an update.
    Step(StepRecord),
    /// After an epoch and its evaluation.
    Epoch(EpochRecord),
}

impl Record {
    /// The number of updates that were done when the record was made.
    pub fn step(&self) -> u64 {
        match self {
            Record::Step(record) => record.step,
            Record::Epoch(record) => record.step,
        }
    }

    /// The record of an epoch, if it is one.
    pub fn epoch(&self) -> Option<&EpochRecord> {
        match self {
            Record::Epoch(epoch) => Some(epoch),
            Record::Step(_) => None,
        }
    }
}

/// What one update gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepRecord {
    /// Updates done, from 1.
    pub step: u64,
    /// The epoch under way, from 1.
    pub epoch: u64,
    /// The update's mean loss per sample; not finite when the run has diverged.
    #[serde(with = "number")]
    pub loss: f64,
    /// Training accuracy of the epoch so far, 0 to 1; none where images have no single right class.
    #[serde(default, with = "number::option", skip_serializing_if = "Option::is_none")]
    pub top1: Option<f64>,
    /// The learning rate of the update, before any parameter group's factor.
    #[serde(with = "number")]
    pub learning_rate: f64,
    /// Training images per second of training time.
    #[serde(with = "number")]
    pub images_per_second: f64,
    /// How the loss is scaled; none where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<LossScale>,
}

/// How the loss is scaled before the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossScale {
    /// What the next update's loss is multiplied by.
    #[serde(with = "number")]
    pub factor: f64,
    /// How often gradients overflowed since the start of the run. Each time the batch was tried again
    /// at a lower scale.
    pub overflows: u64,
}

/// What one epoch gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// The epoch that has ended, from 1.
    pub epoch: u64,
    /// Updates done, from 1, since the start of the run.
    pub step: u64,
    /// Mean training loss per sample over the epoch; not finite when the run has diverged.
    #[serde(with = "number")]
    pub train_loss: f64,
    /// Training accuracy over the epoch, 0 to 1.
    #[serde(with = "number")]
    pub train_top1: f64,
    /// Mean validation loss per sample.
    #[serde(with = "number")]
    pub val_loss: f64,
    /// Validation accuracy, 0 to 1.
    #[serde(with = "number")]
    pub val_top1: f64,
    /// The learning rate of the epoch's last update.
    #[serde(with = "number")]
    pub learning_rate: f64,
    /// Seconds spent on the epoch's training, without its evaluation. When the epoch was stopped
    /// and resumed, the sum over the processes that took part.
    #[serde(with = "number")]
    pub seconds: f64,
    /// Seconds spent on its evaluation.
    #[serde(with = "number")]
    pub eval_seconds: f64,
    /// Training images per second of training time.
    #[serde(with = "number")]
    pub images_per_second: f64,
    /// How the loss is scaled; none where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<LossScale>,
}
