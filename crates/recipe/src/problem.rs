//! What can be wrong with a recipe, and what to do about it.

use std::fmt;
use std::io;

use crate::error::Error;
use crate::nearest::{nearest, quoted};
use crate::tricks::Slot;

/// What is wrong with a recipe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot read the recipe: {0}")]
    Read(io::Error),

    /// A field that its owner does not have.
    #[error("`{owner}` has no field `{found}`{}", did_you_mean(found, legal))]
    UnknownField {
        /// The struct, as the recipe names it.
        owner: String,
        /// The field.
        found: String,
        /// All fields of the owner.
        legal: &'static [&'static str],
    },
    /// A name that is none of the choices.
    #[error("unknown {noun} `{found}`{}", did_you_mean(found, legal))]
    UnknownName {
        /// What was to be chosen.
        noun: String,
        /// The name.
        found: String,
        /// All choices.
        legal: &'static [&'static str],
    },
    /// A struct under another name.
    #[error("expected `{expected}(...)`, found {found}")]
    WrongName {
        /// The name that belongs here.
        expected: &'static str,
        /// What stands here.
        found: String,
    },
    /// A field that is not there.
    #[error("`{owner}` needs the field `{field}`")]
    MissingField {
        /// The struct, as the recipe names it.
        owner: String,
        /// The field.
        field: &'static str,
    },
    /// A field that is there twice.
    #[error("`{field}` is given twice")]
    DuplicateField {
        /// The field.
        field: &'static str,
    },
    /// A value of another type.
    #[error("{} {expected}, found {found}", subject(owner))]
    WrongValue {
        /// The field or the name in front of the parentheses.
        owner: Option<String>,
        /// What belongs here.
        expected: String,
        /// What stands here.
        found: String,
    },
    /// A text without quotes.
    #[error("{} a text in double quotes, found `{found}`", subject(owner))]
    NoQuotes {
        /// The field.
        owner: Option<String>,
        /// What stands here.
        found: String,
    },
    /// A duration that is a bare number.
    #[error("{} a duration with its unit, found the bare number {number}", subject(owner))]
    NoUnit {
        /// The field.
        owner: Option<String>,
        /// The number.
        number: String,
    },
    /// A name that stands without its value.
    #[error("`{name}` needs a value in parentheses")]
    BareName {
        /// The name.
        name: String,
    },
    /// A name with parentheses that takes none.
    #[error("`{name}` takes no settings")]
    NoSettings {
        /// The name.
        name: String,
    },
    /// A bracket, comma or colon that is not where it belongs.
    #[error("expected {expected}, found {found}")]
    Mark {
        /// What belongs here.
        expected: String,
        /// What stands here.
        found: String,
    },
    /// A string or comment without an end.
    #[error("this {what} is never closed")]
    Unclosed {
        /// String or comment.
        what: &'static str,
    },
    /// Other mistakes in RON.
    #[error("this is not RON: {0}")]
    Ron(ron::Error),

    /// An override without a key or a value.
    #[error("expected KEY=VALUE")]
    NotAnAssignment,
    /// The key of an override is not a path.
    #[error("`{key}` does not name a part of a recipe")]
    NotAKey {
        /// The key.
        key: String,
    },
    /// A list does not have the entry that a key names.
    #[error("`{list}` has no entry `{entry}`{}", did_you_mean(entry, names))]
    NoSuchEntry {
        /// The path of the list.
        list: String,
        /// Name or number of the entry.
        entry: String,
        /// The names of its entries.
        names: Vec<String>,
    },
    /// A key leads into something that the recipe leaves out.
    #[error("the recipe does not say `{parent}`, so nothing inside it can be set")]
    NotWritten {
        /// The path of what is left out.
        parent: String,
    },
    /// A key leads into something that has no fields.
    #[error("`{path}` has no fields")]
    NoFields {
        /// The path.
        path: String,
    },
    /// The value of an override is not one value of RON.
    #[error("`{value}` is not one value")]
    NotOneValue {
        /// The value.
        value: String,
    },

    /// A value that is out of its range.
    #[error("`{what}` is {found}, expected {expected}")]
    Impossible {
        /// The field.
        what: &'static str,
        /// The value.
        found: String,
        /// Its range.
        expected: String,
    },
    /// None or several of fields that exclude each other.
    #[error("`{owner}` needs exactly one of {}, found {}", quoted(choices), counted(given))]
    NotOne {
        /// The struct, as the recipe names it.
        owner: &'static str,
        /// The fields to choose from.
        choices: &'static [&'static str],
        /// The fields that are given.
        given: Vec<&'static str>,
    },
    /// A phase that leaves nothing of the training.
    #[error("the {phase} takes {steps} steps, but the whole training has only {total}")]
    TooLong {
        /// The phase.
        phase: &'static str,
        /// Length of the phase.
        steps: u64,
        /// Length of the training.
        total: u64,
    },
    /// A learning rate that drops before its warmup has ended.
    #[error("the learning rate drops at step {every}, but its warmup ends at step {warmup}")]
    DropInWarmup {
        /// Steps between drops.
        every: u64,
        /// Length of the warmup.
        warmup: u64,
    },
    /// A duration that comes to nothing.
    #[error("`{field}` comes to 0 steps")]
    NoSteps {
        /// The field.
        field: &'static str,
    },
    /// Two tricks that write the same part of the plan.
    #[error("`{trick}` and `{other}` both set {slot}")]
    Contradiction {
        /// The trick at the place of the error.
        trick: &'static str,
        /// The trick before it.
        other: &'static str,
        /// What both write.
        slot: Slot,
    },
    /// A trick that does nothing without another.
    #[error("`{trick}` needs `{needs}`, which the recipe does not have")]
    Needs {
        /// The trick at the place of the error.
        trick: &'static str,
        /// The trick that is missing.
        needs: &'static str,
    },
    /// Training images of a size that the network cannot take.
    #[error("images of {height} x {width} pixels do not fit the network: {reason}")]
    TrainSize {
        /// Rows of the images.
        height: usize,
        /// Columns of the images.
        width: usize,
        /// What the network says.
        reason: String,
    },
    /// The same trick twice.
    #[error("`{trick}` is listed twice")]
    Twice {
        /// The trick.
        trick: &'static str,
    },
    /// The recipe of a teacher cannot be planned.
    #[error("the teacher's recipe: {0}")]
    Teacher(Box<Error>),
    /// A teacher that was trained on images that look otherwise.
    #[error("the teacher normalises images with {found}, this recipe with {expected}")]
    TeacherNormalize {
        /// The teacher's means and deviations.
        found: String,
        /// The recipe's.
        expected: String,
    },

    /// The data set refuses.
    #[error(transparent)]
    Data(trickbag_data::Error),
    /// The network refuses.
    #[error(transparent)]
    Model(trickbag_models::Error),
    /// The optimiser refuses.
    #[error(transparent)]
    Optimizer(trickbag_optim::Error),
    /// The loss, or what mixes its targets, refuses.
    #[error(transparent)]
    Loss(trickbag_losses::Error),
    /// The loss scaler refuses.
    #[error(transparent)]
    Precision(trickbag_precision::Error),
    /// The schedule refuses.
    #[error(transparent)]
    Schedule(trickbag_schedules::Error),
    /// The rules for parameters refuse.
    #[error(transparent)]
    Groups(trickbag_param_groups::Error),
}

impl Problem {
    pub(crate) fn impossible(
        what: &'static str,
        found: impl fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Impossible { what, found: found.to_string(), expected: expected.into() }
    }

    /// This problem at a path of the recipe.
    pub(crate) fn at(self, path: impl Into<String>) -> Fault {
        Fault { problem: Box::new(self), at: path.into(), also: None }
    }

    /// What to do, where the problem does not say so itself.
    pub(crate) fn help(&self) -> Option<String> {
        Some(match self {
            Self::Read(_) => "give the path of a recipe, such as recipes/mnist.ron".to_owned(),
            Self::UnknownField { owner, legal, .. } => {
                format!("the fields of `{owner}` are {}", quoted(legal))
            }
            Self::UnknownName { legal, .. } => format!("write one of {}", quoted(legal)),
            Self::MissingField { field, .. } => format!("add `{field}: ...`"),
            Self::DuplicateField { .. } | Self::Twice { .. } => "remove one of the two".to_owned(),
            Self::WrongName { expected, .. } => format!("write {expected}(field: value, ...)"),
            Self::NoQuotes { owner, found } => {
                let key = owner.as_deref().unwrap_or("KEY");
                format!("write \"{found}\"; on a command line, --set '{key}=\"{found}\"'")
            }
            Self::NoUnit { number, .. } => format!("write Epochs({number}) or Steps({number})"),
            Self::BareName { name } => format!("write {name}(...)"),
            Self::NoSettings { name } => format!("write {name} alone"),
            Self::NotAnAssignment => "write for example --set batch_size=64".to_owned(),
            Self::NotAKey { .. } => {
                "keys look like epochs, optimizer.lr, tricks[0] or tricks[Warmup].epochs".to_owned()
            }
            Self::NoSuchEntry { names, .. } => {
                format!("its entries, counted from 0, are {}", quoted(names))
            }
            Self::NotWritten { parent } => format!("set it as a whole: --set '{parent}=...'"),
            Self::NoFields { path } => {
                format!("set `{path}` as a whole, or, if it is a list, one entry: {path}[0]")
            }
            Self::NotOneValue { .. } => {
                "write a number, \"a text\", [a list] or Name(field: value)".to_owned()
            }
            Self::NotOne { owner, choices, .. } => {
                format!("write for example {owner}({}: ...)", choices[0])
            }
            Self::TooLong { phase, .. } => format!("shorten the {phase} or train longer"),
            Self::DropInWarmup { .. } => "shorten the warmup or drop later".to_owned(),
            Self::NoSteps { .. } => "give a longer duration, or remove the trick".to_owned(),
            Self::Contradiction { trick, other, .. } => format!("remove `{trick}` or `{other}`"),
            Self::TeacherNormalize { .. } => {
                "give both recipes the same `normalize`, and train the teacher with it".to_owned()
            }
            Self::Needs { trick, needs } => format!("add `{needs}` or remove `{trick}`"),
            Self::TrainSize { .. } => "train on larger images".to_owned(),
            _ => return None,
        })
    }
}

/// A problem at a path of the recipe, before the path has been looked up.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) problem: Box<Problem>,
    pub(crate) at: String,
    /// The path of the other side of a contradiction.
    pub(crate) also: Option<String>,
}

impl Fault {
    pub(crate) fn with(self, other: Option<String>) -> Self {
        Self { also: other, ..self }
    }

    /// This fault, its path starting at what holds `path`.
    pub(crate) fn inside(self, path: &str) -> Self {
        let at = match self.at.as_str() {
            "" => path.to_owned(),
            entry if entry.starts_with('[') => format!("{path}{entry}"),
            field => format!("{path}.{field}"),
        };
        Self { at, ..self }
    }
}

impl From<trickbag_schedules::Error> for Fault {
    fn from(error: trickbag_schedules::Error) -> Self {
        Problem::Schedule(error).at("")
    }
}

fn did_you_mean(found: &str, legal: &[impl AsRef<str>]) -> String {
    nearest(found, legal).map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}

fn subject(owner: &Option<String>) -> String {
    owner.as_ref().map_or("expected".to_owned(), |owner| format!("`{owner}` needs"))
}

fn counted(given: &[&str]) -> String {
    if given.is_empty() { "none".to_owned() } else { quoted(given) }
}
