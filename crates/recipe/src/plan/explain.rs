//! A plan as a page of text.

use std::fmt;

use ron::ser::PrettyConfig;
use serde::Serialize;
use trickbag_optim::{AdamW, Decay, Lamb, Lars, Optimizer, RmsProp, Sgd};
use trickbag_schedules::plot;

use super::Plan;
use crate::number::{grouped, short};
use crate::recipe::options;

/// Columns and lines of the learning-rate plot.
const PLOT: (usize, usize) = (72, 8);
/// Digits of the recipe's hash that tell recipes apart.
const HASH_DIGITS: usize = 12;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = self.recipe_hash.get(..HASH_DIGITS).unwrap_or(&self.recipe_hash);
        writeln!(f, "{}: seed {}, recipe {hash}", self.name, self.seed)?;
        self.explain_data(f)?;
        self.explain_network(f)?;
        self.explain_training(f)?;
        self.explain_tricks(f)?;
        self.explain_learning_rate(f)?;
        write!(f, "\nparameter groups\n{}", indented(&self.groups.to_string()))
    }
}

impl Plan {
    fn explain_data(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &self.facts;
        let (train, val) = (grouped(facts.train_len as u64), grouped(facts.val_len as u64));
        writeln!(f, "\ndata")?;
        row(f, "source", &as_written(&self.data)?)?;
        row(f, "images", &format!("{train} to train, {val} to validate"))?;
        let (height, width, channels) = (facts.height, facts.width, facts.channels);
        row(f, "size", &format!("{height} x {width} x {channels}"))?;
        row(f, "classes", &facts.classes.to_string())?;
        let (mean, std) = (&self.normalize.mean, &self.normalize.std);
        row(f, "normalize", &format!("mean {mean:?}, std {std:?}"))?;
        row(f, "augment", &as_written(&self.augment)?)
    }

    fn explain_network(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nnetwork")?;
        row(f, "model", &as_written(&self.architecture)?)?;
        let count = grouped(self.network.parameter_count() as u64);
        row(f, "parameters", &format!("{count} in {} tensors", self.network.parameters().len()))?;
        row(f, "work", &format!("{} multiply-adds an image", grouped(self.macs)))
    }

    fn explain_training(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (steps, total) = (grouped(self.steps_per_epoch), grouped(self.total_steps));
        let dropped = self.facts.train_len as u64 - self.steps_per_epoch * self.batch_size as u64;
        writeln!(f, "\ntraining")?;
        row(f, "length", &format!("{} epochs of {steps} steps, {total} steps", self.epochs))?;
        row(f, "batch", &format!("{} images; an epoch leaves out {dropped}", self.batch_size))?;
        row(f, "optimizer", &optimizer(&self.optimizer))?;
        row(
            f,
            "loss",
            &format!("cross entropy, label smoothing {}", self.targets.label_smoothing),
        )?;
        row(f, "format", &format!("{:?}", self.precision))
    }

    fn explain_tricks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\ntricks")?;
        if self.tricks.is_empty() {
            return writeln!(f, "  none: this is a baseline");
        }
        for trick in &self.tricks {
            writeln!(f, "  {:<17} {} ({})", trick.name, trick.effect, trick.source)?;
        }
        Ok(())
    }

    fn explain_learning_rate(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (columns, lines) = PLOT;
        let picture = plot(&self.learning_rate, self.total_steps, columns, lines);
        writeln!(f, "\nlearning rate\n{}", indented(&picture).trim_end())?;
        writeln!(f, "  {:>9}  {:>5}  rate", "step", "epoch")?;
        for step in key_steps(self.total_steps - 1) {
            let rate = short(self.learning_rate.at(step));
            writeln!(f, "  {:>9}  {:>5}  {rate}", grouped(step), step / self.steps_per_epoch)?;
        }
        Ok(())
    }
}

/// The first step, the last, and those at the quarters between them.
fn key_steps(last: u64) -> Vec<u64> {
    let mut steps: Vec<u64> =
        (0..=4).map(|quarter| last / 4 * quarter + last % 4 * quarter / 4).collect();
    steps.dedup();
    steps
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    writeln!(f, "  {name:<11} {value}")
}

/// A setting in the words of a recipe, defaults included.
fn as_written(setting: &impl Serialize) -> Result<String, fmt::Error> {
    let style = PrettyConfig::new().compact_structs(true).compact_arrays(true);
    options().to_string_pretty(setting, style).map_err(|_| fmt::Error)
}

fn optimizer(optimizer: &Optimizer) -> String {
    match optimizer {
        Optimizer::Sgd(Sgd { momentum, nesterov, weight_decay, decay, .. }) => {
            let place = match decay {
                Decay::Coupled => "in the gradient",
                Decay::Decoupled => "beside the step, times the learning rate",
                Decay::Independent => {
                    "beside the step, times the share of the highest learning rate"
                }
            };
            let momentum = of_momentum(*momentum, *nesterov);
            format!("SGD, {momentum}, weight decay {weight_decay} {place}")
        }
        Optimizer::AdamW(AdamW { betas, eps, weight_decay, .. }) => {
            format!("AdamW, betas {betas:?}, eps {eps:e}, weight decay {weight_decay}")
        }
        Optimizer::RmsProp(RmsProp { alpha, eps, momentum, weight_decay, .. }) => format!(
            "RMSprop, alpha {alpha}, eps {eps:e}, momentum {momentum}, weight decay {weight_decay} \
             in the gradient"
        ),
        Optimizer::Lars(Lars { momentum, nesterov, weight_decay, trust_coefficient, .. }) => {
            let momentum = of_momentum(*momentum, *nesterov);
            format!("LARS, {momentum}, trust {trust_coefficient}, weight decay {weight_decay}")
        }
        Optimizer::Lamb(Lamb { betas, eps, weight_decay, .. }) => {
            format!("LAMB, betas {betas:?}, eps {eps:e}, weight decay {weight_decay}")
        }
    }
}

fn of_momentum(momentum: f64, nesterov: bool) -> String {
    let kind = if nesterov { "Nesterov momentum" } else { "momentum" };
    format!("{kind} {momentum}")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}").trim_end().to_owned() + "\n").collect()
}
