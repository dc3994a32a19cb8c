//! The operators of a bench and their shares of the time.

use std::fmt;

use serde::Serialize;
use trickbag_ops::Profile;

/// One line for each operator, pass and shape; the longest first.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Operators(Vec<Operator>);

#[derive(Debug, Serialize)]
struct Operator {
    name: String,
    calls_per_step: f64,
    ms_per_step: f64,
    /// Of the time that all operators took.
    share: f64,
    /// None where memory is what counts.
    gflop_per_second: Option<f64>,
}

impl Operators {
    /// Of so many steps.
    pub(crate) fn new(profile: &Profile, steps: usize) -> Self {
        let steps = steps as f64;
        let total: f64 = profile.values().map(|spent| spent.time.as_secs_f64()).sum();
        let operator = |(name, spent): (&String, &trickbag_ops::Spent)| {
            let seconds = spent.time.as_secs_f64();
            let rate = (spent.macs > 0).then(|| 2e-9 * spent.macs as f64 / seconds);
            Operator {
                name: name.clone(),
                calls_per_step: spent.calls as f64 / steps,
                ms_per_step: 1e3 * seconds / steps,
                share: seconds / total,
                gflop_per_second: rate,
            }
        };
        let mut operators: Vec<_> = profile.iter().map(operator).collect();
        operators.sort_by(|a, b| b.ms_per_step.total_cmp(&a.ms_per_step));
        Self(operators)
    }
}

impl fmt::Display for Operators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|operator| operator.name.len()).max().unwrap_or(0);
        let (operator, ms, share, rate) = ("operator", "ms/step", "share", "GFLOP/s");
        write!(f, "{operator:width$}  {:>5}  {ms:>8}  {share:>6}  {rate:>7}", "calls")?;
        for Operator { name, calls_per_step, ms_per_step, share, gflop_per_second } in &self.0 {
            write!(f, "\n{name:width$}  {calls_per_step:>5.0}  {ms_per_step:>8.2}")?;
            write!(f, "  {:>5.1}%", 100.0 * share)?;
            if let Some(rate) = gflop_per_second {
                write!(f, "  {rate:>7.0}")?;
            }
        }
        let total: f64 = self.0.iter().map(|operator| operator.ms_per_step).sum();
        write!(f, "\n{:width$}  {:>5}  {total:>8.2}", "all", "")
    }
}
