//! Records of a training run and what is written from them: `metrics.jsonl`, `summary.json`, and
//! the lines and the closing page that a person reads.
//!
//! The crate knows no tensor library and no terminal. A training loop of any kind makes
//! [`Record`]s; this crate keeps them safe on disk and turns them into text, and the program
//! decides where the text goes.
//!
//! - [`MetricsFile`] appends one JSON record per line and takes up again after a kill:
//!   [`MetricsFile::resume`] drops what a checkpoint has not seen.
//! - [`Summary`] is the result of a whole run, computed from its records, so that it is the same
//!   for an unbroken run and for one that was stopped and resumed.
//! - [`progress_line`], [`epoch_line`] and [`result_page`] are plain text.
//! - [`Ablation`] is the table of a recipe's variants over seeds, with its text and its files, and
//!   [`Sample`] the statistics in it.
//! - [`comparison_page`] puts runs beside each other, [`Sweep`] finds a learning rate, and [`plot`]
//!   draws curves for both.
//! - [`peak_rss`] is the process's peak memory.
//!
//! Conventions: accuracies are fractions from 0 to 1, losses are means per sample, times are
//! seconds, memory is bytes. Steps and epochs count from 1: a record with `step: 10` was made
//! after the tenth update.
//!
//! ```
//! use trickbag_report::{EpochRecord, MetricsFile, Record, RunFacts, Summary, read};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let run = tempfile::tempdir()?;
//! let path = run.path().join("metrics.jsonl");
//!
//! let mut metrics = MetricsFile::create(&path)?;
//! metrics.append(&Record::Epoch(EpochRecord {
//!     epoch: 1,
//!     step: 132,
//!     train_loss: 0.31,
//!     train_top1: 0.91,
//!     val_loss: 0.12,
//!     val_top1: 0.964,
//!     learning_rate: 0.1,
//!     seconds: 8.0,
//!     eval_seconds: 0.5,
//!     images_per_second: 1056.0,
//!     loss_scale: None,
//! }))?;
//!
//! let facts = RunFacts {
//!     recipe: "mnist".into(),
//!     recipe_hash: "5e884898".into(),
//!     seed: 1,
//!     parameters: 77_754,
//!     device: "cpu".into(),
//!     precision: "F32".into(),
//!     threads: 2,
//!     version: "0.1.0".into(),
//! };
//! let summary = Summary::from_records(facts, &read(&path)?, trickbag_report::peak_rss())?;
//! assert_eq!(summary.top1, 0.964);
//! summary.write(&run.path().join("summary.json"))?;
//! # Ok(())
//! # }
//! ```

mod ablation;
mod atomic_file;
mod comparison;
mod divergence;
mod error;
mod json_file;
mod line;
mod memory;
mod metrics_file;
mod number;
mod page;
mod plot;
mod quantity;
mod record;
mod statistics;
mod summary;
mod sweep;
mod table;

pub use ablation::{
    Ablation, AblationRow, AblationRun, Ending, Variant, VariantRun, ablation_csv, ablation_page,
};
pub use atomic_file::write_atomic;
pub use comparison::{ComparedRun, comparison_csv, comparison_page};
pub use divergence::Divergence;
pub use error::Error;
pub use line::{Progress, epoch_line, progress_line};
pub use memory::peak_rss;
pub use metrics_file::{MetricsFile, read};
pub use page::result_page;
pub use plot::{Axis, Curve, plot};
pub use record::{EpochRecord, LossScale, Record, StepRecord};
pub use statistics::{Difference, Sample};
pub use summary::{RunFacts, Summary};
pub use sweep::{Sweep, SweepPoint, sweep_rates};
