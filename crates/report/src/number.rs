//! Floats in JSON, which has no NaN and no infinities: a diverged loss is written as `"NaN"`,
//! `"Infinity"` or `"-Infinity"`, as in the JSON mapping of protocol buffers.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    Number::from(*value).serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Number::deserialize(deserializer).map(f64::from)
}

/// The same for numbers that a record may lack.
pub(crate) mod option {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(Number::from).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Number>::deserialize(deserializer)?.map(f64::from))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = r#"expected a number, "NaN", "Infinity" or "-Infinity""#)]
enum Number {
    Finite(f64),
    NonFinite(NonFinite),
}

#[derive(Serialize, Deserialize)]
enum NonFinite {
    NaN,
    Infinity,
    #[serde(rename = "-Infinity")]
    NegativeInfinity,
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        if value.is_nan() {
            Number::NonFinite(NonFinite::NaN)
        } else if value == f64::INFINITY {
            Number::NonFinite(NonFinite::Infinity)
        } else if value == f64::NEG_INFINITY {
            Number::NonFinite(NonFinite::NegativeInfinity)
        } else {
            Number::Finite(value)
        }
    }
}

impl From<Number> for f64 {
    fn from(number: Number) -> Self {
        match number {
            Number::Finite(value) => value,
            Number::NonFinite(NonFinite::NaN) => f64::NAN,
            Number::NonFinite(NonFinite::Infinity) => f64::INFINITY,
            Number::NonFinite(NonFinite::NegativeInfinity) => f64::NEG_INFINITY,
        }
    }
}
