//! `trickbag explain`: what a recipe resolves to and how long it may take, or the card of a trick.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::anyhow;
use serde::Serialize;
use trickbag_kernels::Isa;
use trickbag_precision::Policy;
use trickbag_recipe::tricks::{CARDS, Card, card, nearest_card};
use trickbag_recipe::{Explanation, Layers, Plan};

use crate::bench::peak;
use crate::command::{Explain, read};
use crate::failure::{Failure, Input};
use crate::output::print;

/// Prints a page on what was asked for.
pub(crate) fn explain(options: &Explain, isa: Isa) -> Result<ExitCode, Failure> {
    let page = match &options.subject {
        None => listed(),
        Some(subject) => match trick_name(subject) {
            Some(name) => of_trick(name, options)?,
            None => of_recipe(subject, options, isa)?,
        },
    };
    print(page.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// A single word is a trick, unless there is a file of that name.
fn trick_name(subject: &Path) -> Option<&str> {
    let name = subject.to_str()?;
    let word = name.chars().all(|c| c.is_ascii_alphanumeric());
    (word && !subject.exists()).then_some(name)
}

fn of_trick(name: &str, options: &Explain) -> Result<String, Failure> {
    let card = card(name).ok_or_else(|| unknown(name)).input()?;
    match options.json {
        true => Ok(serde_json::to_string_pretty(card)?),
        false => Ok(card.to_string()),
    }
}

fn unknown(name: &str) -> anyhow::Error {
    let nearest = nearest_card(name).map(|card| format!("; did you mean `{}`?", card.name));
    let names: Vec<&str> = CARDS.iter().map(|card| card.name).collect();
    anyhow!(
        "there is no file and no trick `{name}`{}\nthe tricks are {}",
        nearest.unwrap_or_default(),
        names.join(", ")
    )
}

fn listed() -> String {
    let width = CARDS.iter().map(|card| card.name.len()).max().unwrap_or(0);
    let line = |Card { name, slot, .. }: &Card| format!("{name:<width$}  {slot}\n");
    CARDS.iter().map(line).collect()
}

fn of_recipe(recipe: &Path, options: &Explain, isa: Isa) -> Result<String, Failure> {
    let document = read(recipe, &options.set)?;
    let plan = Plan::new(&document, &document.facts().input()?).input()?;
    let layers = if options.layers { Layers::All } else { Layers::Blocks };
    let explanation = plan.explain(&document).with_layers(layers);
    let time = Time::of(&plan, peak::flops_per_second(isa));
    match options.json {
        true => Ok(serde_json::to_string_pretty(&Page { explanation, time })?),
        false => Ok(format!("{explanation}\n{time}")),
    }
}

#[derive(Serialize)]
struct Page<'a> {
    #[serde(flatten)]
    explanation: Explanation<'a>,
    time: Time,
}

/// An estimate of a run's time on this processor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Time {
    seconds: f64,
    /// Two for each multiply-add of the convolutions and the head: three forward passes for an
    /// image of training, one for an image of validation.
    operations: f64,
    /// Of all threads in `f32`, measured.
    peak_gflop_per_second: f64,
    /// Assumed.
    share_of_peak: f64,
}

impl Time {
    fn of(plan: &Plan, peak: f64) -> Self {
        let trained = plan.total_steps as f64 * plan.batch_size as f64;
        let validated = plan.epochs as f64 * plan.facts.val_len as f64;
        let operations = 2.0 * plan.macs as f64 * (3.0 * trained + validated);
        let share_of_peak = usual_share(plan.precision);
        let seconds = operations / (peak * share_of_peak);
        Self { seconds, operations, peak_gflop_per_second: peak / 1e9, share_of_peak }
    }
}

/// Of training steps, by docs/speed.md: 1.01 for ResNet-20, 1.37 for ResNet-18 on small images and
/// 0.83 for ResNet-50 in `F32`; 1.13, 1.75 and about 1.2 in `Bf16`, on a processor that has it. (Minimal
/// filtering does with fewer operations than are counted.) `F16` is computed in `f32`, so its share is
/// assumed to be the same. All of `recipes/mnist.ron` came to 0.74.
fn usual_share(precision: Policy) -> f64 {
    match precision {
        Policy::F32 | Policy::F16 => 1.0,
        Policy::Bf16 => 1.3,
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, operations, peak_gflop_per_second, share_of_peak } = self;
        let (percent, tera) = (100.0 * share_of_peak, operations / 1e12);
        writeln!(f, "time")?;
        writeln!(f, "  about {} on this processor, an estimate:", in_words(*seconds))?;
        writeln!(
            f,
            "  {tera:.1} TFLOP, three forward passes for an image of training, one of validation,"
        )?;
        writeln!(
            f,
            "  at {percent:.0} % of the {peak_gflop_per_second:.0} GFLOP/s in F32 that it does just now;"
        )?;
        write!(f, "  ResNets reach 70 to 140 % in F32, and loading images may take longer")
    }
}

fn in_words(seconds: f64) -> String {
    const MINUTE: f64 = 60.0;
    const HOUR: f64 = 60.0 * MINUTE;
    const DAY: f64 = 24.0 * HOUR;
    match seconds {
        s if s < 2.0 * MINUTE => format!("{s:.0} s"),
        s if s < 2.0 * HOUR => format!("{:.0} min", s / MINUTE),
        s if s < 2.0 * DAY => format!("{:.0} h", s / HOUR),
        s => format!("{:.0} days", s / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_round() {
        for (seconds, words) in
            [(7.4, "7 s"), (119.0, "119 s"), (150.0, "2 min"), (9000.0, "2 h"), (1e6, "12 days")]
        {
            assert_eq!(in_words(seconds), words);
        }
    }

    #[test]
    fn only_single_words_without_a_file_are_tricks() {
        for (subject, expected) in [
            ("Warmup", Some("Warmup")),
            ("warmpu", Some("warmpu")),
            ("mnist.ron", None),
            ("recipes/mnist", None),
            ("src", None), // a folder here
        ] {
            assert_eq!(trick_name(Path::new(subject)), expected, "{subject}");
        }
    }
}
