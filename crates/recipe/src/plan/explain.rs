//! A plan as a page of text, with the origin of every value.

use std::fmt;

use ron::ser::PrettyConfig;
use serde::Serialize;
use trickbag_losses::Mixing;
use trickbag_optim::{AdamW, Decay, Lamb, Lars, Optimizer, RmsProp, Sgd};
use trickbag_schedules::{Schedule, plot};

use super::layers::{folded, table};
use super::origin::Names;
use super::{Memory, Plan, Unfrozen};
use crate::document::Document;
use crate::number::{grouped, megabytes, short};
use crate::paragraph::lines;
use crate::recipe::options;
use crate::tricks::loss_scaling_in_words;

/// What a plan holds, and the lines, overrides and tricks that say so.
///
/// `Display` writes a page for people. `Serialize` writes an object with an entry for each field of
/// the [`Plan`], by the field's name, and `memory`, a [`Memory`]. An entry has two parts:
///
/// - `value`, in the words of a recipe where a recipe can say it. A schedule is
///   `{"schedule": ..., "points": [{"step": 0, "value": 0.1}, ...]}`, `network` has `parameters`,
///   `tensors` and `layers`, and `groups` is a list of settings, each with the names of its
///   `parameters`.
/// - `from`, a list of what has a say in it: `{"path": "optimizer.lr", "places":
///   ["recipes/mnist.ron:12:20"]}`, where `path` is a setting or `tricks[NAME]`, and places are
///   `FILE:LINE:COLUMN` or `--set KEY=VALUE`. No places: the setting is left to its default. An empty
///   list: what the baseline has and no line changes.
///
/// ```
/// use trickbag_recipe::{Document, Plan};
///
/// let text = r#"Recipe(
///     name: "digits", seed: 1, data: Mnist10k, model: ResNet(depth: 8, stem: Cifar),
///     batch_size: 128, epochs: 12, optimizer: Sgd(lr: 0.1),
///     tricks: [CosineAnnealing],
/// )"#;
/// let document = Document::new("digits.ron", text)?;
/// let plan = Plan::new(&document, &document.facts()?)?;
/// let page = plan.explain(&document).to_string();
/// assert!(page.contains("line 3, CosineAnnealing"));
/// # Ok::<(), trickbag_recipe::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Explanation<'a> {
    pub(super) plan: &'a Plan,
    pub(super) document: &'a Document,
    layers: Layers,
}

/// How finely a page shows the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layers {
    /// A row for each block; equal blocks that follow each other share one.
    #[default]
    Blocks,
    /// A row for each layer that has parameters.
    All,
}

impl Plan {
    /// What the plan holds and where it comes from: `document` is what the plan was made of.
    pub fn explain<'a>(&'a self, document: &'a Document) -> Explanation<'a> {
        Explanation { plan: self, document, layers: Layers::default() }
    }
}

impl Explanation<'_> {
    /// The same, with the network shown otherwise.
    pub fn with_layers(self, layers: Layers) -> Self {
        Self { layers, ..self }
    }
}

/// Columns and lines of a plot.
const PLOT: (usize, usize) = (72, 8);
/// Digits of the recipe's hash that tell recipes apart.
const HASH_DIGITS: usize = 12;
/// Columns of the names of rows, and of those of tricks.
const NAME: usize = 14;
const TRICK: usize = 21;
/// Columns left of the origins, and of the origins.
const LEFT: usize = 74;
const FROM: usize = 24;

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan;
        let hash = plan.recipe_hash.get(..HASH_DIGITS).unwrap_or(&plan.recipe_hash);
        let seed = Names::of_origins(&plan.origins("seed", self.document));
        writeln!(f, "{}: seed {} ({seed}), recipe {hash}", plan.name, plan.seed)?;
        let legend = format!("on the right: the line of {} or the trick", self.document.origin());
        writeln!(f, "{legend} that has a say in a value")?;
        self.data(f)?;
        self.network(f)?;
        self.training(f)?;
        self.tricks(f)?;
        self.curve(f, "learning rate", &plan.learning_rate)?;
        if let Some(momentum) = &plan.momentum {
            self.curve(f, "momentum", momentum)?;
        }
        self.groups(f)
    }
}

impl Explanation<'_> {
    fn data(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plan, facts) = (self.plan, &self.plan.facts);
        let (train, val) = (grouped(facts.train_len as u64), grouped(facts.val_len as u64));
        writeln!(f, "\ndata")?;
        self.row(f, "source", &as_written(&plan.data)?, &["data"])?;
        self.row(f, "images", &format!("{train} to train, {val} to validate"), &["facts"])?;
        let (height, width, channels) = (facts.height, facts.width, facts.channels);
        self.row(f, "size", &format!("{height} x {width} x {channels}"), &["facts"])?;
        self.row(f, "classes", &facts.classes.to_string(), &["facts"])?;
        let (mean, std) = (&plan.normalize.mean, &plan.normalize.std);
        self.row(f, "normalize", &format!("mean {mean:?}, std {std:?}"), &["normalize"])?;
        self.row(f, "augment", &as_written(&plan.augment)?, &["augment"])?;
        self.row(f, "order", &as_written(&plan.order)?, &["order"])
    }

    fn network(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plan, network) = (self.plan, &self.plan.network);
        let count = grouped(network.parameter_count() as u64);
        let count = format!("{count} in {} tensors", network.parameters().len());
        writeln!(f, "\nnetwork")?;
        self.row(f, "model", &as_written(&plan.architecture)?, &["architecture"])?;
        self.row(f, "parameters", &count, &["network"])?;
        let work = format!("{} multiply-adds an image, forward", grouped(plan.macs));
        self.row(f, "work", &work, &["macs"])?;
        self.row(f, "zero gamma", &format!("{:?}", plan.zero_gamma), &["zero_gamma"])?;
        let memory = Memory::of(plan).map_err(|_| fmt::Error)?;
        columns(f, "memory", NAME, &in_words(memory), "estimate")?;
        let (height, width) = (plan.facts.height, plan.facts.width);
        let rows = match self.layers {
            Layers::Blocks => network.blocks(height, width).map(folded),
            Layers::All => network.summary(height, width),
        };
        write!(f, "\n{}", indented(&table(&rows.map_err(|_| fmt::Error)?)))
    }

    fn training(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan;
        let (steps, total) = (grouped(plan.steps_per_epoch), grouped(plan.total_steps));
        let dropped = plan.facts.train_len as u64 - plan.steps_per_epoch * plan.batch_size as u64;
        writeln!(f, "\ntraining")?;
        let length = format!("{} epochs of {steps} steps, {total} steps", plan.epochs);
        self.row(f, "length", &length, &["epochs", "steps_per_epoch"])?;
        let batch = format!("{} images; an epoch leaves out {dropped}", plan.batch_size);
        self.row(f, "batch", &batch, &["batch_size"])?;
        self.row(f, "optimizer", &optimizer(&plan.optimizer), &["optimizer"])?;
        let rate = [plan.learning_rate.upper_bound(), plan.learning_rate.at(plan.total_steps - 1)];
        let rate = format!("at most {}, {} at the end", short(rate[0]), short(rate[1]));
        self.row(f, "learning rate", &rate, &["learning_rate"])?;
        let clip = plan.clip.as_ref().map_or(Ok("none".to_owned()), as_written)?;
        self.row(f, "clipping", &clip, &["clip"])?;
        let targets = format!("label smoothing {}", plan.targets.label_smoothing);
        self.row(f, "targets", &targets, &["targets"])?;
        self.row(f, "loss", plan.loss.in_words(), &["loss"])?;
        self.row(f, "mixing", &mixing(&plan.mixing)?, &["mixing"])?;
        self.row(f, "format", &format(plan), &["precision", "loss_scaling"])
    }

    fn tricks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\ntricks")?;
        if self.plan.tricks.is_empty() {
            return writeln!(f, "  none: this is a baseline");
        }
        for trick in &self.plan.tricks {
            let places = self.document.places(&format!("tricks[{}]", trick.name));
            let from = Names::of_places(&places).to_string();
            let effect = format!("{} ({})", trick.effect, trick.source);
            columns(f, trick.name, TRICK, &effect, &from)?;
        }
        Ok(())
    }

    fn curve(&self, f: &mut fmt::Formatter<'_>, name: &str, schedule: &Schedule) -> fmt::Result {
        let Plan { total_steps, steps_per_epoch, .. } = *self.plan;
        let (columns, lines) = PLOT;
        let picture = plot(schedule, total_steps, columns, lines);
        writeln!(f, "\n{name}\n{}", indented(&picture).trim_end())?;
        writeln!(f, "  {:>9}  {:>5}  {name}", "step", "epoch")?;
        for step in key_steps(total_steps - 1) {
            let value = short(schedule.at(step));
            writeln!(f, "  {:>9}  {:>5}  {value}", grouped(step), step / steps_per_epoch)?;
        }
        Ok(())
    }

    fn groups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = Names::of_origins(&self.plan.origins("groups", self.document));
        write!(f, "\nparameter groups ({from})\n{}", indented(&self.plan.groups.to_string()))?;
        let Some(Unfrozen { step, groups }) = &self.plan.unfreeze else { return Ok(()) };
        write!(f, "\nparameter groups from step {step} on\n{}", indented(&groups.to_string()))
    }

    /// A value and where the plan's `fields`, which it shows, come from.
    fn row(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        value: &str,
        fields: &[&str],
    ) -> fmt::Result {
        let of_field = |field: &&str| self.plan.origins(field, self.document);
        let origins: Vec<_> = fields.iter().flat_map(of_field).collect();
        columns(f, name, NAME, value, &Names::of_origins(&origins).to_string())
    }
}

/// A name, a text and its origin side by side, each in its columns.
fn columns(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    width: usize,
    text: &str,
    from: &str,
) -> fmt::Result {
    let (texts, origins) = (lines(text, LEFT - width - 3), lines(from, FROM));
    for number in 0..texts.len().max(origins.len()) {
        let name = if number == 0 { name } else { "" };
        let part = |lines: &[String]| lines.get(number).cloned().unwrap_or_default();
        let left = format!("  {name:<width$} {}", part(&texts));
        writeln!(f, "{}", format!("{left:<LEFT$}  {}", part(&origins)).trim_end())?;
    }
    Ok(())
}

fn in_words(memory: Memory) -> String {
    let Memory { parameters, activations, images, data } = memory;
    let [total, parameters, activations, images, data] =
        [memory.total(), parameters, activations, images, data].map(megabytes);
    format!(
        "about {total}: parameters, gradients and optimizer {parameters}, activations of a batch \
         {activations}, images of two batches {images}, data kept {data}"
    )
}

fn mixing(mixing: &Mixing) -> Result<String, fmt::Error> {
    let mixup = mixing.mixup.as_ref().map(|mixup| Ok(format!("MixUp{}", as_written(mixup)?)));
    let cutmix = mixing.cutmix.as_ref().map(|cutmix| Ok(format!("CutMix{}", as_written(cutmix)?)));
    let both = [mixup, cutmix].into_iter().flatten().collect::<Result<Vec<_>, _>>()?;
    Ok(if both.is_empty() { "none".to_owned() } else { both.join(", ") })
}

/// The first step, the last, and those at the quarters between them.
pub(super) fn key_steps(last: u64) -> Vec<u64> {
    let mut steps: Vec<u64> =
        (0..=4).map(|quarter| last / 4 * quarter + last % 4 * quarter / 4).collect();
    steps.dedup();
    steps
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

/// With the loss scaling, where there is one.
fn format(plan: &Plan) -> String {
    let format = format!("{:?}", plan.precision);
    match plan.precision.needs_loss_scaling() {
        true => format!("{format}, loss scaling {}", loss_scaling_in_words(&plan.loss_scaling)),
        false => format,
    }
}

fn of_momentum(momentum: f64, nesterov: bool) -> String {
    let kind = if nesterov { "Nesterov momentum" } else { "momentum" };
    format!("{kind} {momentum}")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}").trim_end().to_owned() + "\n").collect()
}
