//! What two programs took for the same work, round by round, and the ratios of their medians.

use std::fmt;

use anyhow::Context;
use serde_json::{Value, json};

use super::program::{Mode, Trial, median_ms};

/// Both programs over all rounds.
pub(crate) struct Comparison {
    pub(crate) trickbag: Side,
    pub(crate) pytorch: Side,
    /// PyTorch's modes, and the one of the rounds.
    pub(crate) trials: Vec<Trial>,
    pub(crate) mode: Mode,
    /// What both programs were capped to.
    pub(crate) isa: Option<String>,
}

/// One program over all rounds.
pub(crate) struct Side {
    /// What the program said in the last round.
    last: Value,
    /// Milliseconds of a step: the median of each round.
    rounds_ms: Vec<f64>,
    /// Bytes, the most of any round.
    peak_rss: Option<u64>,
}

/// The median of a few numbers, and the ends of their range.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    lowest: f64,
    median: f64,
    highest: f64,
}

impl Side {
    /// What one program said, round by round.
    pub(crate) fn new(rounds: &[Value]) -> anyhow::Result<Self> {
        let peaks = rounds.iter().filter_map(|round| round["peak_rss_bytes"].as_u64());
        Ok(Self {
            last: rounds.last().context("there was no round")?.clone(),
            rounds_ms: rounds.iter().map(median_ms).collect::<Result<_, _>>()?,
            peak_rss: peaks.max(),
        })
    }

    fn ms(&self) -> Spread {
        Spread::of(&self.rounds_ms)
    }

    /// What the work itself took: peak memory above that of the program with its libraries.
    fn grown(&self) -> Option<u64> {
        self.peak_rss?.checked_sub(self.last["start_rss_bytes"].as_u64()?)
    }

    fn json(&self) -> Value {
        json!({
            "version": self.last["version"],
            "ms": self.ms().json(),
            "rounds_ms": self.rounds_ms,
            "images_per_second": self.images_per_second(),
            "start_rss_bytes": self.last["start_rss_bytes"],
            "peak_rss_bytes": self.peak_rss,
        })
    }

    fn images_per_second(&self) -> Option<f64> {
        Some(self.last["batch"].as_f64()? / self.ms().median * 1e3)
    }
}

impl Comparison {
    /// The path of a file for the numbers: the processor and the work, for instance
    /// `amd-epyc-25-1-avx2/step-resnet20-32-b128-f32-2-threads.json`.
    pub(crate) fn path(&self) -> String {
        let field = |name: &str| text(&self.trickbag.last[name]);
        let cap = self.isa.as_ref().map_or(String::new(), |isa| format!("-{isa}"));
        format!(
            "{}/{}-{}-{}-b{}-{}-{}-threads{cap}.json",
            processor_name(&self.trickbag.last["processor"]),
            field("work"),
            field("model"),
            field("image"),
            field("batch"),
            field("precision"),
            field("threads"),
        )
    }

    /// All that is printed and the times of each round.
    pub(crate) fn json(&self) -> Value {
        let said = &self.trickbag.last;
        let trials = self.trials.iter().map(
            |Trial { mode, ms }| json!({ "layout": mode.layout, "engine": mode.engine, "ms": ms }),
        );
        json!({
            "work": said["work"],
            "model": said["model"],
            "image": said["image"],
            "batch": said["batch"],
            "precision": said["precision"],
            "threads": said["threads"],
            "capped_to": self.isa,
            "processor": said["processor"],
            "trickbag": self.trickbag.json(),
            "pytorch": self.pytorch.json(),
            "pytorch_mode": { "layout": self.mode.layout, "engine": self.mode.engine },
            "pytorch_trials": trials.collect::<Vec<_>>(),
            "speedup": self.speedup().json(),
            "memory_ratio": ratio(self.trickbag.peak_rss, self.pytorch.peak_rss),
            "memory_above_start_ratio": ratio(self.trickbag.grown(), self.pytorch.grown()),
        })
    }

    /// PyTorch's time over Trickbag's, above 1 where Trickbag is faster: the ratio of the medians,
    /// and the range of the rounds' own ratios.
    fn speedup(&self) -> Spread {
        let (ours, theirs) = (&self.trickbag, &self.pytorch);
        let pairs = theirs.rounds_ms.iter().zip(&ours.rounds_ms);
        let ratios: Vec<f64> = pairs.map(|(theirs, ours)| theirs / ours).collect();
        Spread { median: theirs.ms().median / ours.ms().median, ..Spread::of(&ratios) }
    }
}

impl Spread {
    /// Of one number or more.
    fn of(numbers: &[f64]) -> Self {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        let median = (sorted[last / 2] + sorted[last.div_ceil(2)]) / 2.0;
        Self { lowest: sorted[0], median, highest: sorted[last] }
    }

    fn json(&self) -> Value {
        json!({ "lowest": self.lowest, "median": self.median, "highest": self.highest })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |name: &str| text(&self.trickbag.last[name]);
        let (work, model, precision) = (said("work"), said("model"), said("precision"));
        let (image, batch, threads) = (said("image"), said("batch"), said("threads"));
        let processor = &self.trickbag.last["processor"];
        let features = processor["features"].as_array().into_iter().flatten().map(text);
        let features = features.collect::<Vec<_>>().join(" ");
        writeln!(f, "\n{work} of {model} in {precision}: batch {batch}, {image}x{image} pixels")?;
        writeln!(f, "  {}: {features}; {threads} threads", text(&processor["name"]))?;
        if let Some(isa) = &self.isa {
            writeln!(f, "  both capped to {isa}")?;
        }
        writeln!(f, "  trickbag {}", self.trickbag)?;
        writeln!(f, "  pytorch {}, {}", self.pytorch, self.mode)?;
        let Spread { lowest, median, highest } = self.speedup();
        write!(f, "  speed {median:.2} times PyTorch's, rounds {lowest:.2} to {highest:.2}")?;
        let peak = ratio(self.trickbag.peak_rss, self.pytorch.peak_rss);
        let grown = ratio(self.trickbag.grown(), self.pytorch.grown());
        match peak.zip(grown) {
            Some((peak, grown)) => {
                write!(f, "\n  memory {peak:.2} times PyTorch's, {grown:.2} times above the start")
            }
            None => Ok(()),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { lowest, median, highest } = self.ms();
        let (version, memory) = (text(&self.last["version"]), megabytes(self.peak_rss));
        let start = megabytes(self.last["start_rss_bytes"].as_u64());
        write!(f, "{version}: {median:.2} ms, rounds {lowest:.2} to {highest:.2}; ")?;
        write!(f, "{memory} at most, {start} at the start")
    }
}

/// Trickbag's bytes over PyTorch's.
fn ratio(ours: Option<u64>, theirs: Option<u64>) -> Option<f64> {
    Some(ours? as f64 / theirs? as f64)
}

/// Name, family, model and last feature, in small letters and numbers with hyphens between.
fn processor_name(processor: &Value) -> String {
    let last_feature = processor["features"].as_array().and_then(|features| features.last());
    let parts = [&processor["name"], &processor["family"], &processor["model"]];
    let known = parts.into_iter().chain(last_feature).filter(|part| !part.is_null());
    let words = known.map(text).collect::<Vec<_>>().join(" ").to_lowercase();
    let words = words.replace("(r)", "").replace("(tm)", "");
    let words: Vec<_> =
        words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "unknown".into() } else { words.join("-") }
}

/// A text or a number as it is read, without quotes.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

fn megabytes(bytes: Option<u64>) -> String {
    bytes.map_or("unknown".into(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_medians_and_ranges() {
        let check = |numbers: &[f64], lowest, median, highest| {
            assert_eq!(Spread::of(numbers), Spread { lowest, median, highest }, "{numbers:?}");
        };
        check(&[3.0], 3.0, 3.0, 3.0);
        check(&[4.0, 1.0], 1.0, 2.5, 4.0);
        check(&[9.0, 1.0, 2.0], 1.0, 2.0, 9.0);
        check(&[4.0, 3.0, 2.0, 1.0], 1.0, 2.5, 4.0);
    }

    #[test]
    fn processors_are_told_apart() {
        let check = |processor: Value, name: &str| assert_eq!(processor_name(&processor), name);
        check(
            json!({"name": "AMD EPYC", "family": 25, "model": 1, "features": ["fma", "avx2"]}),
            "amd-epyc-25-1-avx2",
        );
        check(
            json!({"name": "Intel(R) Xeon(R) Processor", "features": ["amx_bf16"]}),
            "intel-xeon-processor-amx-bf16",
        );
        check(json!({"name": "../5/..", "family": null, "features": []}), "5");
        check(json!({"name": "", "features": []}), "unknown");
    }

    #[test]
    fn a_speedup_is_a_ratio_of_medians_within_the_ratios_of_rounds() {
        let check = |ours: &[f64], theirs: &[f64], lowest, median, highest| {
            let side = |rounds_ms: &[f64]| Side {
                last: Value::Null,
                rounds_ms: rounds_ms.to_vec(),
                peak_rss: None,
            };
            let comparison = Comparison {
                trickbag: side(ours),
                pytorch: side(theirs),
                trials: vec![],
                mode: super::super::program::MODES[0],
                isa: None,
            };
            assert_eq!(comparison.speedup(), Spread { lowest, median, highest });
        };
        check(&[2.0], &[3.0], 1.5, 1.5, 1.5);
        check(&[1.0, 2.0, 4.0], &[4.0, 4.0, 4.0], 1.0, 2.0, 4.0);
    }
}
