//! Durations with units, and the clock that turns them into steps.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A length of training, with its unit.
///
/// ```
/// use trickbag_schedules::{Clock, Duration};
///
/// let clock = Clock { steps_per_epoch: 1251, total_steps: 150_120 };
/// assert_eq!(Duration::Epochs(5.0).resolve(&clock)?, 6255);
/// assert_eq!(Duration::Fraction(0.05).resolve(&clock)?, 7506);
/// assert_eq!(Duration::Steps(500).resolve(&clock)?, 500);
///
/// let error = Duration::Fraction(5.0).resolve(&clock).unwrap_err();
/// assert_eq!(error.to_string(), "Fraction(5.0) is no duration; expected a number from 0 to 1");
/// # Ok::<(), trickbag_schedules::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Duration {
    /// Passes over the training set; not negative, parts of an epoch allowed.
    Epochs(f64),
    /// Updates.
    Steps(u64),
    /// A share of the whole run, from 0 to 1.
    Fraction(f64),
}

/// The lengths that give a [`Duration`] its meaning, both in updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Updates in one pass over the training set.
    pub steps_per_epoch: u64,
    /// Updates in the whole run.
    pub total_steps: u64,
}

impl Duration {
    /// The number of updates, rounded to the nearest; a half rounds up.
    ///
    /// A duration may exceed the run, and a short one may round to no steps.
    ///
    /// # Errors
    ///
    /// [`Error::Duration`] for epochs that are negative, not finite or more than 2^53 steps, and for
    /// a fraction outside 0 to 1.
    pub fn resolve(&self, clock: &Clock) -> Result<u64, Error> {
        match *self {
            Self::Steps(steps) => Ok(steps),
            Self::Epochs(epochs) if epochs >= 0.0 => {
                self.rounded(epochs * clock.steps_per_epoch as f64)
            }
            Self::Fraction(share) if (0.0..=1.0).contains(&share) => {
                self.rounded(share * clock.total_steps as f64)
            }
            Self::Epochs(_) => self.refused("a finite number that is not negative"),
            Self::Fraction(_) => self.refused("a number from 0 to 1"),
        }
    }

    fn rounded(&self, steps: f64) -> Result<u64, Error> {
        const LAST_WHOLE: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
        if steps <= LAST_WHOLE {
            Ok(steps.round() as u64)
        } else {
            self.refused("at most 2^53 steps")
        }
    }

    fn refused(&self, expected: &'static str) -> Result<u64, Error> {
        Err(Error::Duration { duration: *self, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Clock = Clock { steps_per_epoch: 10, total_steps: 1001 };

    #[test]
    fn durations_resolve_to_the_nearest_step() {
        let cases = [
            (Duration::Steps(0), 0),
            (Duration::Steps(u64::MAX), u64::MAX),
            (Duration::Epochs(0.0), 0),
            (Duration::Epochs(0.04), 0),
            (Duration::Epochs(0.05), 1),
            (Duration::Epochs(2.34), 23),
            (Duration::Epochs(2.35), 24),
            (Duration::Epochs(1000.0), 10_000),
            (Duration::Fraction(0.0), 0),
            (Duration::Fraction(0.5), 501),
            (Duration::Fraction(1.0), 1001),
        ];
        for (duration, steps) in cases {
            assert_eq!(duration.resolve(&CLOCK), Ok(steps), "{duration:?}");
        }
    }

    #[test]
    fn impossible_durations_say_what_would_be_legal() {
        let cases = [
            (Duration::Epochs(-1.0), "a finite number that is not negative"),
            (Duration::Epochs(f64::NAN), "a finite number that is not negative"),
            (Duration::Epochs(f64::INFINITY), "at most 2^53 steps"),
            (Duration::Epochs(1e300), "at most 2^53 steps"),
            (Duration::Fraction(-0.1), "a number from 0 to 1"),
            (Duration::Fraction(1.1), "a number from 0 to 1"),
            (Duration::Fraction(f64::NAN), "a number from 0 to 1"),
        ];
        for (duration, legal) in cases {
            match duration.resolve(&CLOCK) {
                Err(Error::Duration { expected, .. }) => assert_eq!(expected, legal),
                other => panic!("{duration:?} gave {other:?}"),
            }
        }
    }
}
