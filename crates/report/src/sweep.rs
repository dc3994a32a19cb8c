//! A search for the learning rate: the loss while the rate rises from step to step.

use crate::table::Table;
use crate::{Axis, Curve, plot};

/// Share of the past in the smoothed loss. fastai and Lightning take 0.98, whose mean reaches back
/// 50 steps, half of a usual sweep and thus orders of magnitude of the rate.
const PAST: f64 = 0.9;

/// The sweep ends where the smoothed loss is so many times its best, as in fastai and Lightning.
const TOO_MUCH: f64 = 4.0;

/// Points at the start and at the end that are not suggested, as in Lightning: the mean has hardly
/// begun at the one, and the other is where the training breaks.
const SKIPPED: [usize; 2] = [10, 1];

/// Columns and lines of the drawn curve.
const AREA: [usize; 2] = [72, 14];

/// The loss at learning rates that rise by equal factors (Smith, "Cyclical learning rates for training
/// neural networks", arXiv 1506.01186, section 3.3).
///
/// Convention: the loss is smoothed by an exponential mean that is divided by `1 - 0.9^t`, so that its
/// start is not drawn to zero (Gugger, "How do you find a good learning rate", 2018). The suggestion
/// is where the smoothed loss falls most from one step to the next, thus for one factor of the rate,
/// as in fastai's version 1 and in earlier Lightning. Today's Lightning divides by the difference of the
/// rates, which favours small ones.
///
/// ```
/// use trickbag_report::{Sweep, sweep_rates};
///
/// let mut sweep = Sweep::default();
/// for (step, rate) in sweep_rates(1e-4, 1.0, 50).into_iter().enumerate() {
///     let loss = 2.0 - 1.0 / (1.0 + (-(step as f64 - 25.0)).exp()); // a step down in the middle
///     sweep.push(rate, loss);
/// }
/// assert!(!sweep.is_over());
/// let found = sweep.suggestion().ok_or("the loss did not fall")?;
/// assert!((0.01..0.03).contains(&found));
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sweep {
    points: Vec<SweepPoint>,
    mean: f64,
}

/// One step of a sweep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SweepPoint {
    /// The learning rate of the update.
    pub learning_rate: f64,
    /// The loss before it.
    pub loss: f64,
    /// The smoothed loss.
    pub smoothed: f64,
}

/// `count` rates from `from` to `to`, each the same factor above the one before.
pub fn sweep_rates(from: f64, to: f64, count: usize) -> Vec<f64> {
    let last = count.saturating_sub(1).max(1) as f64;
    (0..count).map(|step| from * (to / from).powf(step as f64 / last)).collect()
}

impl Sweep {
    /// Adds a step: its learning rate and the loss before its update.
    pub fn push(&mut self, learning_rate: f64, loss: f64) {
        self.mean = PAST * self.mean + (1.0 - PAST) * loss;
        let count = self.points.len() as i32 + 1;
        let smoothed = self.mean / (1.0 - PAST.powi(count));
        self.points.push(SweepPoint { learning_rate, loss, smoothed });
    }

    /// Whether the loss is so far above its best that higher rates tell nothing more.
    pub fn is_over(&self) -> bool {
        let losses = || self.points.iter().map(|point| point.smoothed);
        let best = losses().fold(f64::INFINITY, f64::min);
        losses().next_back().is_some_and(|loss| !loss.is_finite() || loss > TOO_MUCH * best)
    }

    /// The steps so far.
    pub fn points(&self) -> &[SweepPoint] {
        &self.points
    }

    /// The learning rate at which the smoothed loss falls fastest; none if it never falls or if there
    /// are fewer than 14 steps.
    pub fn suggestion(&self) -> Option<f64> {
        let [first, last] = SKIPPED;
        let kept = self.points.get(first..self.points.len().saturating_sub(last))?;
        let slopes = kept.windows(3).map(|near| {
            let slope = (near[2].smoothed - near[0].smoothed) / 2.0;
            (slope, near[1].learning_rate)
        });
        let falling = slopes.filter(|(slope, _)| *slope < 0.0);
        falling.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, learning_rate)| learning_rate)
    }

    /// The smoothed loss, drawn over the learning rate. Ends with a line end.
    pub fn plot(&self) -> String {
        let points = self.points.iter().map(|point| [point.learning_rate, point.smoothed]);
        let curve = Curve { mark: '•', points: points.collect() };
        let mut curves = vec![curve];
        if let Some(point) = self.suggestion().and_then(|rate| self.at(rate)) {
            curves.push(Curve { mark: '|', points: vec![[point.learning_rate, point.smoothed]] });
        }
        plot(&curves, Axis::Logarithmic, "learning rate", AREA)
    }

    fn at(&self, learning_rate: f64) -> Option<&SweepPoint> {
        self.points.iter().find(|point| point.learning_rate == learning_rate)
    }

    /// The steps as comma-separated values: `learning_rate,loss,smoothed`.
    pub fn csv(&self) -> String {
        let row = |point: &SweepPoint| {
            [point.learning_rate, point.loss, point.smoothed]
                .map(|value| value.to_string())
                .to_vec()
        };
        let titles = &["learning_rate", "loss", "smoothed"];
        Table { titles, rows: self.points.iter().map(row).collect() }.csv()
    }
}
