//! What can be wrong with a schedule, a duration or a scaling.

use crate::duration::Duration;

/// Why a schedule, duration or scaling was refused, and what to do about it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value is negative or not finite.
    #[error("{schedule}: `{field}` is {value}; give a finite number that is not negative")]
    Value {
        /// The schedule, as it is written.
        schedule: &'static str,
        /// The argument.
        field: &'static str,
        /// What was found.
        value: f64,
    },
    /// A factor of a decay is outside (0, 1].
    #[error(
        "{schedule}: `{field}` is {value}; give a number above 0 and at most 1, or use Linear or \
         OneCycle for a value that grows"
    )]
    Decay {
        /// The schedule, as it is written.
        schedule: &'static str,
        /// The argument.
        field: &'static str,
        /// What was found.
        value: f64,
    },
    /// The power of a polynomial is not above 0, or not finite.
    #[error("Polynomial: `power` is {power}; give a finite number above 0")]
    Power {
        /// What was found.
        power: f64,
    },
    /// A length is zero.
    #[error("{schedule}: 0 steps in `{field}`; give at least 1, or leave the {schedule} out")]
    NoSteps {
        /// The schedule, as it is written.
        schedule: &'static str,
        /// The argument.
        field: &'static str,
    },
    /// The multiplier of warm restarts is zero.
    #[error(
        "WarmRestarts: `multiplier` is 0; give 1 for periods of equal length, 2 to double them"
    )]
    Multiplier,
    /// Milestones are not in order.
    #[error(
        "MultiStep: milestone {first} is followed by {second}; sort the milestones and name each \
         step once"
    )]
    Milestones {
        /// The milestone before.
        first: u64,
        /// The milestone that should be larger.
        second: u64,
    },
    /// A list of parts or milestones holds nothing.
    #[error("{schedule}: the list is empty; give at least one, or leave the {schedule} out")]
    Empty {
        /// The schedule, as it is written.
        schedule: &'static str,
    },
    /// A product may exceed what a number can hold.
    #[error("Product: the largest values of its parts multiply to more than f64 holds; lower them")]
    Overflow,
    /// A duration is negative, not finite, too long to count, or a fraction above 1.
    #[error("{duration:?} is no duration; expected {expected}")]
    Duration {
        /// What was found.
        duration: Duration,
        /// What would have been legal.
        expected: &'static str,
    },
    /// A base learning rate cannot be scaled.
    #[error(
        "scaling: the base learning rate is {base_lr}; give a finite number that is not \
         negative"
    )]
    BaseLr {
        /// What was found.
        base_lr: f64,
    },
    /// The base batch of a scaling is zero.
    #[error(
        "scaling: the base batch is 0 images; give the batch that the base learning rate \
         was chosen for"
    )]
    BaseBatch,
}
