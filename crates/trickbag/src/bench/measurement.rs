//! The result of a bench: fields of JSON, and a table for people.

use std::fmt;

use serde::Serialize;

use super::options::{Pass, Work};
use super::processor::Processor;
use super::profiled::Operators;
use super::quartiles::Quartiles;

/// What was timed, where, and how fast it was.
#[derive(Debug, Serialize)]
pub(crate) struct Measurement {
    pub(crate) program: &'static str,
    pub(crate) version: &'static str,
    #[serde(flatten)]
    pub(crate) work: Work,
    pub(crate) device: String,
    pub(crate) threads: usize,
    /// The best instruction set that was allowed.
    pub(crate) isa: String,
    pub(crate) processor: Processor,
    #[serde(flatten)]
    pub(crate) speed: Speed,
    /// Peak memory before the network was made.
    pub(crate) start_rss_bytes: Option<u64>,
    pub(crate) peak_rss_bytes: Option<u64>,
    /// Of the last training step.
    pub(crate) loss: Option<f32>,
    /// Where the time went, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operators: Option<Operators>,
}

/// The times, and what follows from their median.
#[derive(Debug, Serialize)]
pub(crate) struct Speed {
    pub(crate) images_per_second: f64,
    /// Milliseconds of a step.
    pub(crate) ms: Quartiles,
    /// Two operations for each multiply-add of the convolutions and the head; a training step
    /// counts three forward passes.
    pub(crate) gflop_per_second: f64,
    /// Of the processor; unknown for other devices.
    pub(crate) peak_gflop_per_second: Option<f64>,
    pub(crate) share_of_peak: Option<f64>,
    /// Milliseconds of each step, in order.
    pub(crate) step_ms: Vec<f64>,
}

impl Speed {
    /// `macs` are the multiply-adds of one image's forward pass, `peak`, where it is known, is in operations a second.
    pub(crate) fn new(work: &Work, macs: u64, peak: Option<f64>, seconds: &[f64]) -> Self {
        let passes = match work.pass {
            Pass::Step => 3.0,
            Pass::Infer => 1.0,
        };
        let step_ms: Vec<f64> = seconds.iter().map(|seconds| seconds * 1e3).collect();
        let ms = Quartiles::of(&step_ms);
        let images_per_second = work.batch as f64 / ms.median * 1e3;
        let reached = images_per_second * passes * 2.0 * macs as f64;
        Self {
            images_per_second,
            ms,
            gflop_per_second: reached / 1e9,
            peak_gflop_per_second: peak.map(|peak| peak / 1e9),
            share_of_peak: peak.map(|peak| reached / peak),
            step_ms,
        }
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { work, speed, processor, device, threads, isa, .. } = self;
        let Work { image, batch, .. } = work;
        let Quartiles { lower, median, upper } = speed.ms;
        let steps = speed.step_ms.len();
        let plural = if *threads == 1 { "" } else { "s" };
        write!(f, "{work}: batch {batch}, {image}x{image} pixels, ")?;
        writeln!(f, "{threads} thread{plural}, {isa}")?;
        writeln!(f, "  device       {device}")?;
        writeln!(f, "  images/s     {:.1}", speed.images_per_second)?;
        writeln!(f, "  ms per step  {median:.2}, half of {steps} from {lower:.2} to {upper:.2}")?;
        write!(f, "  GFLOP/s      {:.1}", speed.gflop_per_second)?;
        if let (Some(peak), Some(share)) = (speed.peak_gflop_per_second, speed.share_of_peak) {
            write!(f, ", {:.1} % of {peak:.0} in f32", 100.0 * share)?;
        }
        writeln!(f)?;
        let [start, most] = [self.start_rss_bytes, self.peak_rss_bytes].map(megabytes);
        writeln!(f, "  peak memory  {most}, {start} before the network was made")?;
        write!(f, "  processor    {}: {}", processor.name, processor.features.join(" "))?;
        match &self.operators {
            Some(operators) => write!(f, "\n\n{operators}"),
            None => Ok(()),
        }
    }
}

fn megabytes(bytes: Option<u64>) -> String {
    bytes.map_or("unknown".into(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6))
}

#[cfg(test)]
mod tests {
    use super::super::model::Model;
    use super::super::options::Precision;
    use super::*;

    #[test]
    fn speeds_follow_from_the_median() {
        let check = |pass, images_per_second, gflop_per_second, share_of_peak| {
            let (model, precision) = (Model::Resnet20, Precision::F32);
            let work = Work { pass, model, image: 32, batch: 10, precision };
            let speed = Speed::new(&work, 1_000_000, Some(24e9), &[0.01, 0.04, 0.01]);
            assert_eq!(speed.step_ms, [10.0, 40.0, 10.0]);
            assert_eq!(speed.images_per_second, images_per_second);
            assert_eq!(speed.gflop_per_second, gflop_per_second);
            assert_eq!(speed.share_of_peak, Some(share_of_peak));
        };
        check(Pass::Step, 1000.0, 6.0, 0.25);
        check(Pass::Infer, 1000.0, 2.0, 2.0 / 24.0);
    }
}
