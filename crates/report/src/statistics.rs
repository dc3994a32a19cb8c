//! What a few samples say about a mean, and about the difference of two means.

use puruspe::invbetai;
use serde::Serialize;

/// The mean and the spread of some numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    /// How many numbers.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, with `count - 1` in the denominator; none for a single number.
    pub sd: Option<f64>,
}

/// How far two means are apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// The second mean less the first.
    pub mean: f64,
    /// The ends of its 95 % confidence interval; none where the samples say nothing about their
    /// spread: with a single number, or when all numbers of both are equal.
    pub interval: Option<[f64; 2]>,
}

impl Sample {
    /// The sample of `values`, or nothing if there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        let mean = (count > 0).then(|| values.iter().sum::<f64>() / count as f64)?;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (count > 1).then(|| (squares / (count - 1) as f64).sqrt());
        Some(Self { count, mean, sd })
    }

    /// This mean less that of `reference`, with Welch's interval: neither equal spreads nor pairs are
    /// supposed.
    ///
    /// The interval is `d ± t s`, with `s² = s₁²/n₁ + s₂²/n₂`, and `t` the 97.5 % quantile of Student's
    /// distribution with `s⁴ / ((s₁²/n₁)²/(n₁-1) + (s₂²/n₂)²/(n₂-1))` degrees of freedom (Welch, "The
    /// generalization of Student's problem when several different population variances are involved",
    /// Biometrika 34, 1947).
    ///
    /// ```
    /// use trickbag_report::Sample;
    ///
    /// let baseline = Sample::of(&[0.901, 0.904, 0.899]).ok_or("empty")?;
    /// let trick = Sample::of(&[0.912, 0.909, 0.914]).ok_or("empty")?;
    /// let difference = trick.minus(&baseline);
    /// assert!((difference.mean - 0.0103).abs() < 1e-4);
    /// assert!(difference.is_shown());
    /// # Ok::<(), &str>(())
    /// ```
    pub fn minus(&self, reference: &Self) -> Difference {
        let mean = self.mean - reference.mean;
        Difference {
            mean,
            interval: self.half_width(reference).map(|half| [mean - half, mean + half]),
        }
    }

    fn half_width(&self, other: &Self) -> Option<f64> {
        let [of_self, of_other] = [self.squared_error()?, other.squared_error()?];
        let squared = of_self + of_other;
        let freedom = squared.powi(2)
            / (of_self.powi(2) / (self.count - 1) as f64
                + of_other.powi(2) / (other.count - 1) as f64);
        // Without any spread these are 0/0.
        (squared > 0.0).then(|| student(freedom) * squared.sqrt())
    }

    /// The squared standard error of the mean.
    fn squared_error(&self) -> Option<f64> {
        Some(self.sd?.powi(2) / self.count as f64)
    }
}

/// The 97.5 % quantile of Student's distribution: a share `I(ν/(ν+t²); ν/2, 1/2)` of it lies beyond
/// `±t`, where `I` is the regularised incomplete beta function (Abramowitz and Stegun, 26.5.27).
fn student(freedom: f64) -> f64 {
    let share = invbetai(0.05, freedom / 2.0, 0.5);
    (freedom * (1.0 - share) / share).sqrt()
}

impl Difference {
    /// Whether the interval leaves out zero. Without an interval nothing is shown.
    pub fn is_shown(&self) -> bool {
        self.interval.is_some_and(|[low, high]| low > 0.0 || high < 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By SciPy 1.17.1: `scipy.stats.t.ppf(0.975, ν)`.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        let check = |freedom, expected: f64| {
            let found = student(freedom);
            assert!((found / expected - 1.0).abs() < 1e-9, "{freedom}: {found:.12}");
        };
        check(1.0, 12.706204736175);
        check(1.3, 7.500529325562);
        check(2.0, 4.302652729749);
        check(2.5, 3.574654842004);
        check(4.0, 2.776445105198);
        check(10.0, 2.228138851986);
        check(30.0, 2.042272456301);
        check(1000.0, 1.962339080656);
    }
}
