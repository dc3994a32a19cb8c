//! One-line texts about a run under way. Columns keep their places from line to line.

use crate::{EpochRecord, LossScale, StepRecord, quantity};
use std::time::Duration;

/// How far a run has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress<'a> {
    /// The newest record.
    pub record: &'a StepRecord,
    /// Epochs of the whole run.
    pub epochs: u64,
    /// Updates of the whole run.
    pub steps: u64,
    /// How long the rest of the run should take.
    pub time_left: Duration,
}

/// The line that shows how far a run has come.
///
/// ```
/// use trickbag_report::{Progress, StepRecord, progress_line};
///
/// let record = StepRecord {
///     step: 260,
///     epoch: 2,
///     loss: 0.2174,
///     top1: Some(0.9375),
///     learning_rate: 0.1,
///     images_per_second: 1056.0,
///     loss_scale: None,
/// };
/// let time_left = std::time::Duration::from_secs(72);
/// assert_eq!(
///     progress_line(&Progress { record: &record, epochs: 10, steps: 1320, time_left }),
///     "epoch  2/10  step  260/1320   1056 img/s  loss 0.2174  top1  93.75 %  lr 0.1       left 1 min 12 s",
/// );
/// ```
pub fn progress_line(progress: &Progress) -> String {
    let Progress { record, epochs, steps, time_left } = progress;
    let [epoch, step] = [part(record.epoch, *epochs), part(record.step, *steps)];
    let [loss, top1] = [loss(record.loss), record.top1.map_or("-".into(), quantity::percent)];
    let speed = speed(record.images_per_second);
    let rate = quantity::four_digits(record.learning_rate);
    let (scale, left) = (scale(record.loss_scale), quantity::duration(*time_left));
    format!(
        "epoch {epoch}  step {step}  {speed}  loss {loss}  top1 {top1:>8}  lr {rate:<8}{scale}  \
         left {left}"
    )
}

/// The line that closes an epoch of a run of `epochs`.
///
/// ```
/// use trickbag_report::{EpochRecord, epoch_line};
///
/// let record = EpochRecord {
///     epoch: 2,
///     step: 264,
///     train_loss: 0.2174,
///     train_top1: 0.9375,
///     val_loss: 0.1121,
///     val_top1: 0.964,
///     learning_rate: 0.1,
///     seconds: 8.0,
///     eval_seconds: 0.5,
///     images_per_second: 1056.0,
///     loss_scale: None,
/// };
/// assert_eq!(
///     epoch_line(&record, 10),
///     "epoch  2/10  train: loss 0.2174  top1  93.75 %  val: loss 0.1121  top1  96.40 %  lr 0.1       1056 img/s  8 s",
/// );
/// ```
pub fn epoch_line(record: &EpochRecord, epochs: u64) -> String {
    let epoch = part(record.epoch, epochs);
    let [train_loss, val_loss] = [record.train_loss, record.val_loss].map(loss);
    let [train_top1, val_top1] = [record.train_top1, record.val_top1].map(quantity::percent);
    let rate = quantity::four_digits(record.learning_rate);
    let [speed, time] = [speed(record.images_per_second), quantity::seconds(record.seconds)];
    let scale = scale(record.loss_scale);
    format!(
        "epoch {epoch}  train: loss {train_loss}  top1 {train_top1:>8}  \
         val: loss {val_loss}  top1 {val_top1:>8}  lr {rate:<8} {speed}  {time}{scale}"
    )
}

/// ` 3/30`: the part is as wide as the whole.
fn part(part: u64, whole: u64) -> String {
    let width = whole.to_string().len();
    format!("{part:>width$}/{whole}")
}

fn loss(loss: f64) -> String {
    format!("{:>6}", quantity::loss(loss))
}

/// Nothing where the loss is not scaled.
fn scale(scale: Option<LossScale>) -> String {
    let of = |LossScale { factor, overflows }| format!("  scale {factor:<6} overflows {overflows}");
    scale.map_or(String::new(), of)
}

fn speed(images_per_second: f64) -> String {
    format!("{images_per_second:>5.0} img/s")
}
