//! The curves behind a schedule: their written form and their formulas.

use serde::{Deserialize, Serialize};

use crate::progress::Progress;
use crate::schedule::Schedule;

/// The line between two values of a one-cycle schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    /// Straight.
    Linear,
    /// Half a cosine, flat at both ends.
    Cosine,
}

/// A schedule as it is written down; [`Schedule`] is one that has been checked, and its
/// constructors document each formula.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Schedule", deny_unknown_fields)]
pub(crate) enum Curve {
    Constant(f64),
    Linear { from: f64, to: f64, steps: u64 },
    Polynomial { from: f64, to: f64, power: f64, steps: u64 },
    Cosine { from: f64, to: f64, steps: u64 },
    Exponential { from: f64, rate: f64, steps: u64 },
    Step { from: f64, factor: f64, every: u64 },
    MultiStep { from: f64, factor: f64, milestones: Vec<u64> },
    OneCycle { shape: Shape, from: f64, peak: f64, to: f64, rise: u64, fall: u64 },
    WarmRestarts { from: f64, to: f64, period: u64, multiplier: u64 },
    Warmup { from: f64, steps: u64, then: Box<Schedule> },
    Sequence { parts: Vec<(Schedule, u64)>, last: Box<Schedule> },
    Product(Vec<Schedule>),
}

impl Curve {
    pub(crate) fn at(&self, step: u64) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Linear { from, to, steps } => Progress::of(step, *steps).line(*from, *to),
            Self::Polynomial { from, to, power, steps } => {
                Progress::of(step, *steps).polynomial(*power).line(*from, *to)
            }
            Self::Cosine { from, to, steps } => {
                Progress::of(step, *steps).cosine().line(*from, *to)
            }
            Self::Exponential { from, rate, steps } => {
                from * rate.powf(step as f64 / *steps as f64)
            }
            Self::Step { from, factor, every } => from * factor.powf((step / every) as f64),
            Self::MultiStep { from, factor, milestones } => {
                let passed = milestones.partition_point(|milestone| *milestone <= step);
                from * factor.powf(passed as f64)
            }
            Self::OneCycle { shape, from, peak, to, rise, fall } => {
                if step < *rise {
                    Progress::of(step, *rise).shaped(*shape).line(*from, *peak)
                } else {
                    Progress::of(step - rise, *fall).shaped(*shape).line(*peak, *to)
                }
            }
            Self::WarmRestarts { from, to, period, multiplier } => {
                Progress::in_cycle(step, *period, *multiplier).cosine().line(*from, *to)
            }
            Self::Warmup { from, steps, then } => {
                if step < *steps {
                    Progress::of(step, *steps).line(*from, then.at(0))
                } else {
                    then.at(step - steps)
                }
            }
            Self::Sequence { parts, last } => sequence(parts, last, step),
            Self::Product(parts) => parts.iter().map(|part| part.at(step)).product(),
        }
    }

    pub(crate) fn upper_bound(&self) -> f64 {
        match self {
            Self::Warmup { from, then, .. } => from.max(then.upper_bound()),
            Self::Sequence { parts, last } => {
                parts.iter().map(|(part, _)| part.upper_bound()).fold(last.upper_bound(), f64::max)
            }
            Self::Product(parts) => parts.iter().map(Schedule::upper_bound).product(),
            _ => self.values().into_iter().map(|(_, value)| value).fold(0.0, f64::max),
        }
    }

    /// The values that the curve itself names and moves between, with their argument's name.
    pub(crate) fn values(&self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Constant(value) => vec![("value", *value)],
            Self::Linear { from, to, .. }
            | Self::Polynomial { from, to, .. }
            | Self::Cosine { from, to, .. }
            | Self::WarmRestarts { from, to, .. } => vec![("from", *from), ("to", *to)],
            Self::OneCycle { from, peak, to, .. } => {
                vec![("from", *from), ("peak", *peak), ("to", *to)]
            }
            Self::Exponential { from, .. }
            | Self::Step { from, .. }
            | Self::MultiStep { from, .. }
            | Self::Warmup { from, .. } => vec![("from", *from)],
            Self::Sequence { .. } | Self::Product(_) => vec![],
        }
    }
}

fn sequence(parts: &[(Schedule, u64)], last: &Schedule, mut step: u64) -> f64 {
    for (part, steps) in parts {
        if step < *steps {
            return part.at(step);
        }
        step -= steps;
    }
    last.at(step)
}
