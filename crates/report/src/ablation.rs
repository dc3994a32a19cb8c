//! What each variant of a recipe came to: the table of an ablation, as numbers and as text.

use crate::table::Table;
use crate::{Difference, EpochRecord, Error, RunFacts, Sample, json_file, quantity, write_atomic};
use serde::Serialize;
use std::path::Path;

/// Runs of one variant of a recipe that differ in their seeds only.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// What the table calls it.
    pub name: String,
    /// One run for each seed.
    pub runs: Vec<VariantRun>,
}

/// A run that an ablation counts.
#[derive(Debug, Clone, PartialEq)]
pub struct VariantRun {
    /// What was run, and on what.
    pub facts: RunFacts,
    /// Where it lies.
    pub folder: String,
    /// The records of its epochs.
    pub epochs: Vec<EpochRecord>,
    /// How it ended.
    pub ending: Ending,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All epochs are done.
    Finished,
    /// The loss of this update, counted from 1, was no longer a number.
    Diverged(u64),
}

/// The result of an ablation.
///
/// The first variant is the reference: differences are to its accuracy. A variant of which a run
/// diverged has no difference, since the seeds that survived are a selection.
///
/// Convention: the accuracy that counts is that of the last epoch. The best one of several would be
/// chosen with the validation images and favours long trainings and noisy ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ablation {
    /// The recipe's name.
    pub recipe: String,
    /// How the variants were chosen.
    pub mode: String,
    /// The seeds, in the order of the first variant's runs.
    pub seeds: Vec<u64>,
    /// The accuracy whose time is measured, 0 to 1; none where nothing says which.
    pub target_top1: Option<f64>,
    /// Wall-clock seconds of training and evaluation, times the threads on a CPU, of all runs
    /// together. Epochs that a divergence cut off are not in it.
    pub device_seconds: f64,
    /// The variants.
    pub rows: Vec<AblationRow>,
}

/// The result of one variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AblationRow {
    /// What the table calls it.
    pub variant: String,
    /// Validation accuracy after the last epoch, over the seeds that did not diverge.
    pub top1: Option<Sample>,
    /// Its distance from the reference.
    pub difference: Option<Difference>,
    /// Training seconds of an epoch, without evaluation.
    pub seconds_per_epoch: Option<f64>,
    /// How many runs came to the target.
    pub reached: usize,
    /// Their mean training seconds up to the end of the first epoch that reached it.
    pub seconds_to_target: Option<f64>,
    /// How many runs diverged.
    pub diverged: usize,
    /// The single runs.
    pub runs: Vec<AblationRun>,
}

/// The result of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AblationRun {
    /// Its seed.
    pub seed: u64,
    /// Where it lies.
    pub folder: String,
    /// How it ended.
    pub ending: Ending,
    /// Validation accuracy after the last epoch; none for a run that diverged.
    pub top1: Option<f64>,
}

impl Ablation {
    /// The table of `variants`, the first of which is the reference, each with one run for each seed.
    ///
    /// Times are taken to `target_top1`, or to the mean accuracy of the reference if it is not given.
    pub fn new(recipe: &str, mode: &str, target_top1: Option<f64>, variants: &[Variant]) -> Self {
        let reference = variants.first();
        let target = target_top1.or(reference.and_then(Variant::top1).map(|sample| sample.mean));
        let rows = variants.iter().enumerate();
        let rows =
            rows.map(|(place, variant)| variant.row(target, reference.filter(|_| place > 0)));
        let runs = variants.iter().flat_map(|variant| &variant.runs);
        Self {
            recipe: recipe.to_owned(),
            mode: mode.to_owned(),
            seeds: reference.map_or(vec![], Variant::seeds),
            target_top1: target,
            device_seconds: runs.map(VariantRun::device_seconds).sum(),
            rows: rows.collect(),
        }
    }

    /// Writes `table.md`, `table.csv` and `table.json` into `folder`, each in place of an earlier one
    /// or not at all.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        write_atomic(&folder.join("table.md"), (ablation_page(self) + "\n").as_bytes())?;
        write_atomic(&folder.join("table.csv"), ablation_csv(self).as_bytes())?;
        json_file::write(&folder.join("table.json"), self)
    }
}

impl Variant {
    fn seeds(&self) -> Vec<u64> {
        self.runs.iter().map(|run| run.facts.seed).collect()
    }

    fn top1(&self) -> Option<Sample> {
        Sample::of(&self.runs.iter().filter_map(VariantRun::top1).collect::<Vec<_>>())
    }

    fn diverged(&self) -> usize {
        self.runs.iter().filter(|run| run.ending != Ending::Finished).count()
    }

    fn row(&self, target: Option<f64>, reference: Option<&Self>) -> AblationRow {
        let times: Vec<f64> = self.runs.iter().filter_map(|run| run.seconds_to(target?)).collect();
        let epochs = self.runs.iter().flat_map(|run| &run.epochs);
        let seconds: Vec<f64> = epochs.map(|epoch| epoch.seconds).collect();
        AblationRow {
            variant: self.name.clone(),
            top1: self.top1(),
            difference: reference.and_then(|reference| self.difference(reference)),
            seconds_per_epoch: Sample::of(&seconds).map(|sample| sample.mean),
            reached: times.len(),
            seconds_to_target: Sample::of(&times).map(|sample| sample.mean),
            diverged: self.diverged(),
            runs: self.runs.iter().map(VariantRun::result).collect(),
        }
    }

    fn difference(&self, reference: &Self) -> Option<Difference> {
        let whole = self.diverged() + reference.diverged() == 0;
        whole.then_some(self.top1()?.minus(&reference.top1()?))
    }
}

impl VariantRun {
    fn top1(&self) -> Option<f64> {
        let last = self.epochs.last().filter(|_| self.ending == Ending::Finished);
        last.map(|epoch| epoch.val_top1)
    }

    fn seconds_to(&self, target: f64) -> Option<f64> {
        let reached = self.epochs.iter().position(|epoch| epoch.val_top1 >= target)?;
        Some(self.epochs[..=reached].iter().map(|epoch| epoch.seconds).sum())
    }

    fn device_seconds(&self) -> f64 {
        let seconds = self.epochs.iter().map(|epoch| epoch.seconds + epoch.eval_seconds);
        let at_once = if self.facts.device == "cpu" { self.facts.threads as f64 } else { 1.0 };
        at_once * seconds.sum::<f64>()
    }

    fn result(&self) -> AblationRun {
        let (seed, folder, ending) = (self.facts.seed, self.folder.clone(), self.ending);
        AblationRun { seed, folder, ending, top1: self.top1() }
    }
}

/// The table as papers print it, in Markdown, with what its columns mean. Without a last line end.
///
/// Where an interval spans zero it says "no difference shown", and of a single seed that it proves
/// nothing.
pub fn ablation_page(ablation: &Ablation) -> String {
    let Ablation { recipe, mode, rows, .. } = ablation;
    let reference = rows.first().map_or("", |row| &row.variant);
    let target = ablation.target_top1.map_or("-".into(), quantity::percent);
    let table = Table {
        titles: &[
            "variant",
            "top-1 in %",
            &format!("vs {reference}"),
            "95 % interval",
            "s/epoch",
            &format!("time to {target}"),
        ],
        rows: rows.iter().enumerate().map(|(place, row)| cells(row, place)).collect(),
    };
    let device = quantity::seconds(ablation.device_seconds);
    format!(
        "# Ablation of {recipe}: {mode}\n\n{}\n\n{}\n\nAll runs together took {device} of device time: \
         wall-clock time of training and evaluation, on a CPU times the threads.",
        explanation(ablation, reference),
        table.markdown()
    )
}

fn explanation(ablation: &Ablation, reference: &str) -> String {
    let seeds: Vec<String> = ablation.seeds.iter().map(u64::to_string).collect();
    let start = "Top-1 is the accuracy on the validation images after the last epoch";
    match seeds.as_slice() {
        [seed] => format!(
            "{start}, of one run with seed {seed}. One seed proves nothing: without a spread no \
             difference is shown. Train more seeds."
        ),
        _ => format!(
            "{start}: mean and standard deviation over the seeds {}. Differences to the {reference} are \
             in points, with Welch's 95 % confidence interval; where it spans zero, no difference is \
             shown. Times are of training, without evaluation.",
            seeds.join(", ")
        ),
    }
}

fn cells(row: &AblationRow, place: usize) -> Vec<String> {
    let seconds = row.seconds_per_epoch.map_or("-".into(), |seconds| format!("{seconds:.1}"));
    let (difference, interval) = match (&row.difference, row.diverged) {
        (_, diverged) if diverged > 0 => ("-".into(), of_runs("diverged", diverged, row)),
        (Some(difference), _) => (points(difference.mean), interval(difference)),
        (None, _) if place == 0 => (String::new(), String::new()),
        (None, _) => ("-".into(), "no reference".into()),
    };
    vec![row.variant.clone(), accuracy(row), difference, interval, seconds, time(row)]
}

fn accuracy(row: &AblationRow) -> String {
    match row.top1 {
        Some(Sample { mean, sd: Some(sd), .. }) => {
            format!("{:.2} ± {:.2}", 100.0 * mean, 100.0 * sd)
        }
        Some(Sample { mean, sd: None, .. }) => format!("{:.2}", 100.0 * mean),
        None => "-".into(),
    }
}

fn interval(difference: &Difference) -> String {
    let Some([low, high]) = difference.interval else { return "none: no spread".into() };
    let ends = format!("{} to {}", points(low), points(high));
    if difference.is_shown() { ends } else { format!("{ends}: no difference shown") }
}

fn time(row: &AblationRow) -> String {
    match row.seconds_to_target {
        None => "not reached".into(),
        Some(seconds) if row.reached == row.runs.len() => quantity::seconds(seconds),
        Some(_) => of_runs("reached by", row.reached, row),
    }
}

fn of_runs(what: &str, count: usize, row: &AblationRow) -> String {
    match row.runs.len() {
        1 => what.to_owned(),
        runs => format!("{what} {count} of {runs}"),
    }
}

fn points(fraction: f64) -> String {
    format!("{:+.2}", 100.0 * fraction)
}

/// The table as comma-separated values: fractions from 0 to 1, seconds, and empty fields for what is
/// not known.
pub fn ablation_csv(ablation: &Ablation) -> String {
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let row = |row: &AblationRow| {
        let end = |end: usize| number(row.difference.and_then(|found| Some(found.interval?[end])));
        vec![
            row.variant.clone(),
            row.runs.len().to_string(),
            row.diverged.to_string(),
            number(row.top1.map(|sample| sample.mean)),
            number(row.top1.and_then(|sample| sample.sd)),
            number(row.difference.map(|found| found.mean)),
            end(0),
            end(1),
            number(row.seconds_per_epoch),
            row.reached.to_string(),
            number(row.seconds_to_target),
        ]
    };
    let titles = &[
        "variant",
        "seeds",
        "diverged",
        "top1",
        "top1_sd",
        "difference",
        "difference_low",
        "difference_high",
        "seconds_per_epoch",
        "reached",
        "seconds_to_target",
    ];
    Table { titles, rows: ablation.rows.iter().map(row).collect() }.csv()
}
