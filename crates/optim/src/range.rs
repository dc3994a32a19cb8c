//! Checks of settings against their ranges.

use crate::Error;

pub(crate) fn positive(field: &'static str, found: f64) -> Result<(), Error> {
    rule(found > 0.0 && found.is_finite(), field, found, "a positive number")
}

pub(crate) fn not_negative(field: &'static str, found: f64) -> Result<(), Error> {
    rule(found >= 0.0 && found.is_finite(), field, found, "0 or a positive number")
}

pub(crate) fn share(field: &'static str, found: f64) -> Result<(), Error> {
    rule((0.0..1.0).contains(&found), field, found, "a number from 0 up to, but not including, 1")
}

pub(crate) fn at_least_one(field: &'static str, found: u64) -> Result<(), Error> {
    rule(found >= 1, field, found as f64, "1 or a greater whole number")
}

pub(crate) fn rule(
    holds: bool,
    field: &'static str,
    found: f64,
    expected: &'static str,
) -> Result<(), Error> {
    match holds {
        true => Ok(()),
        false => Err(Error::Setting { field, found, expected }),
    }
}
