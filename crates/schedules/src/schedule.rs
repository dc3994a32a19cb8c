//! The schedule: what a user constructs, composes and evaluates.

use serde::{Deserialize, Serialize};

use crate::curve::{Curve, Shape};
use crate::error::Error;
use crate::legality;

/// A number as a pure function of the step.
///
/// Step `t` counts the updates already made, so the first update of a run uses `at(0)`. Every value
/// is finite and not negative, for every step up to [`u64::MAX`]; a schedule with an end keeps its
/// last value after it. Constructors refuse values that are negative or not finite, lengths of zero
/// steps, and whatever else would break this.
///
/// ```
/// use trickbag_schedules::Schedule;
///
/// let lr = Schedule::step(0.1, 0.1, 30)?; // a tenth every 30 steps
/// assert_eq!(lr.at(29), 0.1);
/// assert!((lr.at(30) - 0.01).abs() < 1e-12);
/// # Ok::<(), trickbag_schedules::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Curve", into = "Curve")]
pub struct Schedule(Curve);

impl Schedule {
    /// The value at `step`, the number of updates already made.
    pub fn at(&self, step: u64) -> f64 {
        self.0.at(step)
    }

    /// A number that no step exceeds: the largest value for all but sequences that leave a part
    /// before its peak, and products.
    pub fn upper_bound(&self) -> f64 {
        self.0.upper_bound()
    }

    /// `value` at every step. In RON: `Constant(0.1)`.
    pub fn constant(value: f64) -> Result<Self, Error> {
        Curve::Constant(value).try_into()
    }

    /// A straight line: `from + (to - from) * t/T` for `T = steps`, then `to`.
    pub fn linear(from: f64, to: f64, steps: u64) -> Result<Self, Error> {
        Curve::Linear { from, to, steps }.try_into()
    }

    /// `to + (from - to) * (1 - t/T)^power` for `T = steps`, then `to`; `power` is above 0.
    pub fn polynomial(from: f64, to: f64, power: f64, steps: u64) -> Result<Self, Error> {
        Curve::Polynomial { from, to, power, steps }.try_into()
    }

    /// Half a cosine: `0.5 * (1 + cos(pi*t/T)) * (from - to) + to` for `T = steps`, then `to`
    /// (SGDR, arXiv 1608.03983, without restarts; Bag of Tricks, arXiv 1812.01187, section 5.1).
    ///
    /// Convention: closed form, clamped after `T`, and `T` is the number of updates *after* the
    /// warmup. Recursive forms overshoot beyond `T`, and a `T` that is off by one is the classic
    /// slip.
    ///
    /// ```
    /// # use trickbag_schedules::Schedule;
    /// let lr = Schedule::cosine(0.4, 0.0, 100)?;
    /// assert_eq!([lr.at(0), lr.at(100), lr.at(101)], [0.4, 0.0, 0.0]);
    /// assert!((lr.at(50) - 0.2).abs() < 1e-12);
    /// # Ok::<(), trickbag_schedules::Error>(())
    /// ```
    pub fn cosine(from: f64, to: f64, steps: u64) -> Result<Self, Error> {
        Curve::Cosine { from, to, steps }.try_into()
    }

    /// Smooth geometric decay without end: `from * rate^(t/steps)`, `rate` in (0, 1].
    pub fn exponential(from: f64, rate: f64, steps: u64) -> Result<Self, Error> {
        Curve::Exponential { from, rate, steps }.try_into()
    }

    /// Multiplied by `factor`, in (0, 1], after every `every` steps.
    pub fn step(from: f64, factor: f64, every: u64) -> Result<Self, Error> {
        Curve::Step { from, factor, every }.try_into()
    }

    /// Multiplied by `factor`, in (0, 1], at each of `milestones`: the step of a milestone is the
    /// first with the new value. Milestones rise strictly and are above 0.
    ///
    /// ```
    /// # use trickbag_schedules::{Error, Schedule};
    /// let lr = Schedule::multi_step(8.0, 0.5, vec![30, 60, 90])?;
    /// assert_eq!([0, 29, 30, 60, 90].map(|t| lr.at(t)), [8.0, 8.0, 4.0, 2.0, 1.0]);
    ///
    /// let error = Schedule::multi_step(0.1, 0.1, vec![60, 30]).unwrap_err();
    /// assert_eq!(error, Error::Milestones { first: 60, second: 30 });
    /// # Ok::<(), Error>(())
    /// ```
    pub fn multi_step(from: f64, factor: f64, milestones: Vec<u64>) -> Result<Self, Error> {
        Curve::MultiStep { from, factor, milestones }.try_into()
    }

    /// From `from` up to `peak` in `rise` steps, down to `to` in `fall` steps, then `to`.
    ///
    /// With [`Shape::Linear`] this is the triangle, with [`Shape::Cosine`] the usual one-cycle
    /// policy (arXiv 1708.07120). PyTorch's `OneCycleLR(max_lr, total_steps, pct_start, div_factor,
    /// final_div_factor)` is `rise = pct_start*total_steps - 1`, `fall = total_steps - 1 - rise`,
    /// `from = max_lr/div_factor`, `to = from/final_div_factor`.
    pub fn one_cycle(
        shape: Shape,
        from: f64,
        peak: f64,
        to: f64,
        rise: u64,
        fall: u64,
    ) -> Result<Self, Error> {
        Curve::OneCycle { shape, from, peak, to, rise, fall }.try_into()
    }

    /// Cosines from `from` to `to` that start anew (SGDR, arXiv 1608.03983): the first lasts
    /// `period` steps, each later one `multiplier` (at least 1) times as long as the one before.
    ///
    /// Convention, as PyTorch's `CosineAnnealingWarmRestarts`: the last step of a period is one short
    /// of `to`, and the next step is back at `from`.
    pub fn warm_restarts(from: f64, to: f64, period: u64, multiplier: u64) -> Result<Self, Error> {
        Curve::WarmRestarts { from, to, period, multiplier }.try_into()
    }

    /// A linear ramp from `from` to this schedule's first value, and then this schedule.
    ///
    /// Convention: step `t` of `steps`, counted from 0, has `from + (target - from) * t/steps`, which
    /// is `target * t/steps` from 0 (gluon's ResNet logs); it moves with every update, never with
    /// the epoch. The clock of this schedule starts when the warmup has ended. Others start
    /// elsewhere: Goyal et al. (arXiv 1706.02677) from the rate before linear scaling, torchvision
    /// from 0.01 times the rate, timm from 1e-5; `from` says so.
    ///
    /// In RON: `Warmup(from: 0.0, steps: 5, then: Constant(0.1))`.
    ///
    /// ```
    /// # use trickbag_schedules::Schedule;
    /// let lr = Schedule::linear(1.0, 0.0, 4)?.with_warmup(4, 0.0)?;
    /// let values: Vec<f64> = (0..=8).map(|t| lr.at(t)).collect();
    /// assert_eq!(values, [0.0, 0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25, 0.0]);
    /// # Ok::<(), trickbag_schedules::Error>(())
    /// ```
    pub fn with_warmup(self, steps: u64, from: f64) -> Result<Self, Error> {
        Curve::Warmup { from, steps, then: Box::new(self) }.try_into()
    }

    /// Schedules one after another, each with its number of steps and a clock that starts with it,
    /// and then `last`, which has no end.
    ///
    /// In RON: `Sequence(parts: [(Constant(0.1), 50)], last: Constant(0.01))`.
    ///
    /// ```
    /// # use trickbag_schedules::Schedule;
    /// let fall = Schedule::linear(1.0, 0.0, 2)?;
    /// let saw = Schedule::sequence(vec![(fall.clone(), 2), (fall.clone(), 2)], fall)?;
    /// assert_eq!([0, 1, 2, 3, 4, 5, 6].map(|t| saw.at(t)), [1.0, 0.5, 1.0, 0.5, 1.0, 0.5, 0.0]);
    /// # Ok::<(), trickbag_schedules::Error>(())
    /// ```
    pub fn sequence(parts: Vec<(Schedule, u64)>, last: Schedule) -> Result<Self, Error> {
        Curve::Sequence { parts, last: Box::new(last) }.try_into()
    }

    /// The product of `parts` at every step. In RON: `Product([Constant(0.5), Constant(0.1)])`.
    pub fn product(parts: Vec<Schedule>) -> Result<Self, Error> {
        Curve::Product(parts).try_into()
    }

    /// This schedule times `factor` at every step.
    ///
    /// ```
    /// # use trickbag_schedules::Schedule;
    /// let head = Schedule::linear(0.5, 0.0, 10)?.scaled(10.0)?;
    /// assert_eq!(head.at(0), 5.0);
    /// # Ok::<(), trickbag_schedules::Error>(())
    /// ```
    pub fn scaled(self, factor: f64) -> Result<Self, Error> {
        Self::product(vec![Self::constant(factor)?, self])
    }
}

impl TryFrom<Curve> for Schedule {
    type Error = Error;

    fn try_from(curve: Curve) -> Result<Self, Error> {
        legality::check(&curve)?;
        Ok(Self(curve))
    }
}

impl From<Schedule> for Curve {
    fn from(schedule: Schedule) -> Self {
        schedule.0
    }
}
