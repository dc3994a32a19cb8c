//! How far along a curve a step is, and how a curve's line bends.

use std::f64::consts::FRAC_PI_2;

use crate::curve::Shape;

/// The share of a curve that lies behind a step and the share before it. Both are kept, because one
/// minus the other loses the digits of a small value near an end.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    done: f64,
    left: f64,
}

impl Progress {
    pub(crate) fn of(step: u64, steps: u64) -> Self {
        Self::within(step.min(steps).into(), steps.into())
    }

    /// Within the cycle of warm restarts that `step` falls into.
    ///
    /// Cycle `n` starts at `period * (1 + m + ... + m^(n-1))` for the multiplier `m`. Whole numbers
    /// throughout, so that no rounded logarithm puts a step into its neighbour's cycle; 128 bits,
    /// because the last cycle may be longer than 64 count.
    pub(crate) fn in_cycle(step: u64, period: u64, multiplier: u64) -> Self {
        if multiplier == 1 {
            return Self::of(step % period, period);
        }
        let [step, period, multiplier] = [step, period, multiplier].map(u128::from);
        let cycle = (step / period * (multiplier - 1) + 1).ilog(multiplier);
        let power = multiplier.pow(cycle);
        let start = period * ((power - 1) / (multiplier - 1));
        Self::within(step - start, period * power)
    }

    fn within(step: u128, steps: u128) -> Self {
        let length = steps as f64;
        Self { done: step as f64 / length, left: (steps - step) as f64 / length }
    }

    pub(crate) fn polynomial(self, power: f64) -> Self {
        let left = self.left.powf(power);
        Self { done: 1.0 - left, left }
    }

    /// `(1 + cos(pi*x)) / 2 = sin^2(pi/2 * (1 - x))`, whose right side keeps its digits near 0.
    pub(crate) fn cosine(self) -> Self {
        let share = |x: f64| (FRAC_PI_2 * x).sin().powi(2);
        Self { done: share(self.done), left: share(self.left) }
    }

    pub(crate) fn shaped(self, shape: Shape) -> Self {
        match shape {
            Shape::Linear => self,
            Shape::Cosine => self.cosine(),
        }
    }

    /// Between `from` and `to`: exact at both ends, and rounding never leaves their range.
    pub(crate) fn line(self, from: f64, to: f64) -> f64 {
        (from * self.left + to * self.done).clamp(from.min(to), from.max(to))
    }
}
