//! What a run shows while it goes on: a bar on a terminal, a line for each epoch.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use trickbag_recipe::Plan;
use trickbag_report::{Progress, Record, epoch_line, progress_line};

use crate::output::say;

/// How much to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Nothing but the result.
    Quiet,
    /// A line for each epoch, and on a terminal a bar.
    Normal,
}

/// The standard error output of a run.
pub(crate) struct Screen {
    bar: ProgressBar,
    verbosity: Verbosity,
    epochs: u64,
    steps: u64,
    started: Instant,
    first_step: u64,
}

impl Screen {
    /// A screen for a run that has done `first_step` steps of its plan.
    pub(crate) fn new(plan: &Plan, first_step: u64, verbosity: Verbosity) -> Self {
        // Hides itself where standard error is no terminal.
        let target = match verbosity {
            Verbosity::Quiet => ProgressDrawTarget::hidden(),
            Verbosity::Normal => ProgressDrawTarget::stderr(),
        };
        let bar = ProgressBar::with_draw_target(Some(plan.total_steps), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:10} {wide_msg}") {
            bar.set_style(style);
        }
        let (epochs, steps) = (plan.epochs, plan.total_steps);
        Self { bar, verbosity, epochs, steps, started: Instant::now(), first_step }
    }

    pub(crate) fn show(&self, record: &Record) {
        match record {
            Record::Step(step) => {
                let time_left = self.time_left(step.step);
                let (epochs, steps) = (self.epochs, self.steps);
                let progress = Progress { record: step, epochs, steps, time_left };
                self.bar.set_position(step.step);
                self.bar.set_message(progress_line(&progress));
            }
            Record::Epoch(epoch) => self.say(&epoch_line(epoch, self.epochs)),
        }
    }

    pub(crate) fn say(&self, text: &str) {
        if self.verbosity == Verbosity::Normal {
            self.bar.suspend(|| say(text));
        }
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Supposes that the rest goes as fast as what this process has done, evaluations included.
    fn time_left(&self, step: u64) -> Duration {
        let done = step.saturating_sub(self.first_step).max(1);
        self.started.elapsed().mul_f64((self.steps - step) as f64 / done as f64)
    }
}
