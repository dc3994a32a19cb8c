//! Where the values of a plan come from: lines of the recipe, overrides, and tricks.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::Plan;
use crate::document::Document;
use crate::error::{Line, Place};
use crate::tricks::card;

/// A part of the recipe that has a say in a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    by: By,
    /// What says so; empty for a setting that the recipe leaves to its default.
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Setting(&'static str),
    Trick(&'static str),
}

impl Plan {
    /// Where the plan's field `field` comes from; nowhere for what the baseline has and no trick of
    /// the recipe changes.
    ///
    /// A trick has its say in the fields that its card names, which a test holds it to.
    pub(crate) fn origins(&self, field: &str, document: &Document) -> Vec<Origin> {
        let settings = settings(field).iter().map(|path| By::Setting(path));
        let tricks = self.tricks.iter().map(|trick| trick.name);
        let has_a_say = |name: &&str| card(name).is_some_and(|card| card.changes.contains(&field));
        settings
            .chain(tricks.filter(has_a_say).map(By::Trick))
            .map(|by| Origin { by, places: document.places(&by.path()) })
            .collect()
    }
}

/// Paths of the settings that a plan's field follows from, before any trick.
fn settings(field: &str) -> &'static [&'static str] {
    match field {
        "name" => &["name"],
        "seed" => &["seed"],
        "data" | "facts" => &["data"],
        "normalize" => &["normalize"],
        "augment" => &["augment"],
        "architecture" => &["model"],
        "network" | "macs" => &["model", "data"],
        "batch_size" | "micro_batch" => &["batch_size"],
        "epochs" => &["epochs"],
        "steps_per_epoch" => &["data", "batch_size"],
        "total_steps" => &["data", "batch_size", "epochs"],
        "optimizer" => &["optimizer"],
        "tricks" => &["tricks"],
        "learning_rate" => &["optimizer.lr"],
        "groups" => &["model", "optimizer.weight_decay"],
        _ => &[],
    }
}

impl By {
    fn path(self) -> String {
        match self {
            Self::Setting(path) => path.to_owned(),
            Self::Trick(name) => format!("tricks[{name}]"),
        }
    }
}

/// Lines and other origins, each once, as in `lines 7, 12, Warmup`; `baseline` where there is none.
#[derive(Default)]
pub(super) struct Names {
    lines: BTreeSet<usize>,
    others: Vec<String>,
}

impl Names {
    pub(super) fn of_origins<'a>(origins: impl IntoIterator<Item = &'a Origin>) -> Self {
        let mut names = Self::default();
        for origin in origins {
            match origin.by {
                By::Trick(name) => names.add(name),
                By::Setting(_) if origin.places.is_empty() => names.add("default"),
                By::Setting(_) => origin.places.iter().for_each(|place| names.add_place(place)),
            }
        }
        names
    }

    pub(super) fn of_places(places: &[Place]) -> Self {
        let mut names = Self::default();
        places.iter().for_each(|place| names.add_place(place));
        names
    }

    fn add_place(&mut self, place: &Place) {
        match place {
            Place::Line(Line { number, .. }) => drop(self.lines.insert(*number)),
            Place::Override(assignment) => {
                let key = assignment.split('=').next().unwrap_or(assignment);
                self.add(&format!("--set {}", key.trim()));
            }
            Place::File(origin) => self.add(origin),
        }
    }

    fn add(&mut self, name: &str) {
        if !self.others.iter().any(|other| other == name) {
            self.others.push(name.to_owned());
        }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.lines.iter().map(usize::to_string).collect();
        let lines = match &numbers[..] {
            [] => None,
            [line] => Some(format!("line {line}")),
            lines => Some(format!("lines {}", lines.join(", "))),
        };
        let all: Vec<String> = lines.into_iter().chain(self.others.iter().cloned()).collect();
        if all.is_empty() { f.write_str("baseline") } else { f.write_str(&all.join(", ")) }
    }
}

/// `{"path": "optimizer.lr", "places": ["recipes/mnist.ron:12:20"]}`.
impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields {
            path: String,
            places: Vec<String>,
        }
        let places = self.places.iter().map(Place::to_string).collect();
        Fields { path: self.by.path(), places }.serialize(serializer)
    }
}
