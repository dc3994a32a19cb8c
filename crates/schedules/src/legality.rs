//! What makes a curve legal: the rules that keep every value finite and not negative.

use crate::curve::Curve;
use crate::error::Error;

/// Checks a curve's own arguments; schedules inside it have been checked before.
pub(crate) fn check(curve: &Curve) -> Result<(), Error> {
    let schedule = name(curve);
    for (field, value) in curve.values() {
        if !value.is_finite() || value < 0.0 {
            return Err(Error::Value { schedule, field, value });
        }
    }
    if let Some((field, _)) = lengths(curve).into_iter().find(|(_, steps)| *steps == 0) {
        return Err(Error::NoSteps { schedule, field });
    }
    match curve {
        Curve::Polynomial { power, .. } => check_power(*power),
        Curve::Exponential { rate, .. } => check_decay(schedule, "rate", *rate),
        Curve::Step { factor, .. } => check_decay(schedule, "factor", *factor),
        Curve::MultiStep { factor, milestones, .. } => {
            check_decay(schedule, "factor", *factor)?;
            check_milestones(milestones)
        }
        Curve::WarmRestarts { multiplier: 0, .. } => Err(Error::Multiplier),
        Curve::Sequence { parts, .. } if parts.is_empty() => Err(Error::Empty { schedule }),
        Curve::Product(parts) if parts.is_empty() => Err(Error::Empty { schedule }),
        Curve::Product(_) if curve.upper_bound().is_infinite() => Err(Error::Overflow),
        _ => Ok(()),
    }
}

fn name(curve: &Curve) -> &'static str {
    match curve {
        Curve::Constant(_) => "Constant",
        Curve::Linear { .. } => "Linear",
        Curve::Polynomial { .. } => "Polynomial",
        Curve::Cosine { .. } => "Cosine",
        Curve::Exponential { .. } => "Exponential",
        Curve::Step { .. } => "Step",
        Curve::MultiStep { .. } => "MultiStep",
        Curve::OneCycle { .. } => "OneCycle",
        Curve::WarmRestarts { .. } => "WarmRestarts",
        Curve::Warmup { .. } => "Warmup",
        Curve::Sequence { .. } => "Sequence",
        Curve::Product(_) => "Product",
    }
}

fn lengths(curve: &Curve) -> Vec<(&'static str, u64)> {
    match curve {
        Curve::Linear { steps, .. }
        | Curve::Polynomial { steps, .. }
        | Curve::Cosine { steps, .. }
        | Curve::Exponential { steps, .. }
        | Curve::Warmup { steps, .. } => vec![("steps", *steps)],
        Curve::Step { every, .. } => vec![("every", *every)],
        Curve::OneCycle { rise, fall, .. } => vec![("rise", *rise), ("fall", *fall)],
        Curve::WarmRestarts { period, .. } => vec![("period", *period)],
        Curve::MultiStep { milestones, .. } => {
            milestones.iter().map(|milestone| ("milestones", *milestone)).collect()
        }
        Curve::Sequence { parts, .. } => parts.iter().map(|(_, steps)| ("parts", *steps)).collect(),
        Curve::Constant(_) | Curve::Product(_) => vec![],
    }
}

fn check_power(power: f64) -> Result<(), Error> {
    if power.is_finite() && power > 0.0 { Ok(()) } else { Err(Error::Power { power }) }
}

fn check_decay(schedule: &'static str, field: &'static str, value: f64) -> Result<(), Error> {
    if value > 0.0 && value <= 1.0 { Ok(()) } else { Err(Error::Decay { schedule, field, value }) }
}

fn check_milestones(milestones: &[u64]) -> Result<(), Error> {
    if milestones.is_empty() {
        return Err(Error::Empty { schedule: "MultiStep" });
    }
    match milestones.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(Error::Milestones { first: pair[0], second: pair[1] }),
        None => Ok(()),
    }
}
