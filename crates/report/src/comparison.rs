//! Runs beside each other: what differs in their settings, what came of them, and their curves.

use crate::summary::Totals;
use crate::table::Table;
use crate::{Axis, Curve, Ending, EpochRecord, plot, quantity};

/// Columns and lines of a drawn curve.
const AREA: [usize; 2] = [72, 14];

/// A run in a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedRun {
    /// Where it lies.
    pub folder: String,
    /// Its settings, each with its value.
    pub settings: Vec<(String, String)>,
    /// The records of its epochs.
    pub epochs: Vec<EpochRecord>,
    /// How it ended, if it has.
    pub ending: Option<Ending>,
}

/// Runs beside each other, called A, B and so on: a table of the settings that differ, one of the
/// results, and the curves of validation accuracy and loss. Ends with a line end.
pub fn comparison_page(runs: &[ComparedRun]) -> String {
    let legend = (0..).zip(runs).map(|(place, run)| format!("{}  {}\n", letter(place), run.folder));
    let accuracy = curves(runs, |epoch| 100.0 * epoch.val_top1);
    let loss = curves(runs, |epoch| epoch.val_loss);
    format!(
        "{}\n{}\n\n{}\n\ntop-1 in % on the validation images\n\n{}\nloss on the validation images\n\n{}",
        legend.collect::<String>(),
        differences(runs),
        results(runs),
        plot(&accuracy, Axis::Linear, "epoch", AREA),
        plot(&loss, Axis::Linear, "epoch", AREA),
    )
}

/// The name of a run: A to Z, and then a to z; more than that are not told apart.
fn letter(place: usize) -> char {
    ('A'..='Z').chain('a'..='z').nth(place).unwrap_or('?')
}

fn curves(runs: &[ComparedRun], value: impl Fn(&EpochRecord) -> f64) -> Vec<Curve> {
    let curve = |(place, run): (usize, &ComparedRun)| Curve {
        mark: letter(place),
        points: run.epochs.iter().map(|epoch| [epoch.epoch as f64, value(epoch)]).collect(),
    };
    (0..).zip(runs).map(curve).collect()
}

fn differences(runs: &[ComparedRun]) -> String {
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in runs.iter().flat_map(|run| &run.settings) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let values = |name: &String| runs.iter().map(|run| run.setting(name)).collect::<Vec<_>>();
    let rows = names.into_iter().map(|name| (name, values(name)));
    let rows = rows.filter(|(_, values)| values.iter().any(|value| *value != values[0]));
    let rows = rows.map(|(name, values)| [vec![name.clone()], values].concat());
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return "The settings are the same.".to_owned();
    }
    let letters: Vec<String> = (0..).zip(runs).map(|(place, _)| letter(place).into()).collect();
    let titles: Vec<&str> =
        ["setting"].into_iter().chain(letters.iter().map(String::as_str)).collect();
    Table { titles: &titles, rows }.markdown()
}

fn results(runs: &[ComparedRun]) -> String {
    let titles = &["run", "state", "epochs", "top-1 in %", "best", "loss", "training", "images/s"];
    let rows = (0..).zip(runs).map(|(place, run)| {
        let mut row = vec![letter(place).into(), run.state(), run.epochs.len().to_string()];
        row.extend(match Totals::of(&run.epochs) {
            Some(totals) => totals.cells(),
            None => ["-"; 5].map(String::from),
        });
        row
    });
    Table { titles, rows: rows.collect() }.markdown()
}

impl ComparedRun {
    fn setting(&self, name: &str) -> String {
        let found = self.settings.iter().find(|(setting, _)| setting == name);
        found.map_or("-".to_owned(), |(_, value)| value.clone())
    }

    fn state(&self) -> String {
        match self.ending {
            Some(Ending::Finished) => "finished".to_owned(),
            Some(Ending::Diverged(step)) => format!("diverged at step {step}"),
            None => "unfinished".to_owned(),
        }
    }
}

impl Totals<'_> {
    fn cells(&self) -> [String; 5] {
        [
            format!("{:.2}", 100.0 * self.last.val_top1),
            format!("{:.2}", 100.0 * self.best.val_top1),
            quantity::loss(self.last.val_loss),
            quantity::seconds(self.train_seconds),
            format!("{:.0}", self.images_per_second),
        ]
    }
}

/// The records of all epochs as comma-separated values, with the folder of their run.
pub fn comparison_csv(runs: &[ComparedRun]) -> String {
    let titles = &[
        "run",
        "epoch",
        "step",
        "train_loss",
        "train_top1",
        "val_loss",
        "val_top1",
        "learning_rate",
        "seconds",
        "eval_seconds",
        "images_per_second",
    ];
    let rows = runs.iter().flat_map(|run| {
        run.epochs.iter().map(|epoch| {
            let numbers = [
                epoch.train_loss,
                epoch.train_top1,
                epoch.val_loss,
                epoch.val_top1,
                epoch.learning_rate,
                epoch.seconds,
                epoch.eval_seconds,
                epoch.images_per_second,
            ];
            let mut row = vec![run.folder.clone(), epoch.epoch.to_string(), epoch.step.to_string()];
            row.extend(numbers.iter().map(f64::to_string));
            row
        })
    });
    Table { titles, rows: rows.collect() }.csv()
}
