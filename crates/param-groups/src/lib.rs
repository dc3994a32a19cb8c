//! Rules that map a parameter's kind, name and depth to weight decay, learning-rate multiplier,
//! frozen state and LARS exclusion.
//!
//! A model lists its parameters ([`Parameter`]), a recipe lists [`Rule`]s, and [`resolve`] turns both
//! into a [`Table`] that says for every parameter which [`Group`] of settings it has. The table prints
//! itself, so that nobody has to guess what a rule caught. The crate knows no tensor library.
//!
//! ```
//! use trickbag_param_groups::{Group, Kind, Parameter, Rule, resolve};
//!
//! let parameters = [
//!     Parameter::new("conv1.weight", Kind::ConvWeight, 0),
//!     Parameter::new("bn1.weight", Kind::NormScale, 0),
//!     Parameter::new("bn1.bias", Kind::NormShift, 0),
//!     Parameter::new("fc.weight", Kind::LinearWeight, 1),
//!     Parameter::new("fc.bias", Kind::Bias, 1),
//! ];
//! let rules = [Rule::no_decay([Kind::Bias, Kind::NormScale, Kind::NormShift])];
//! let table = resolve(&rules, Group::with_decay(5e-4), &parameters)?;
//!
//! let expected = "
//! weight_decay  lr_multiplier  training   lars      parameters
//! 0.0005        1              Trainable  Included  2
//!     conv1.weight, fc.weight
//! 0             1              Trainable  Included  3
//!     bn1.weight, bn1.bias, fc.bias
//! ";
//! assert_eq!(table.to_string(), expected.trim_start());
//! # Ok::<(), trickbag_param_groups::Error>(())
//! ```
//!
//! # Which rule wins
//!
//! The first match wins, *property by property*: a rule decides only what it sets, and leaves the
//! rest to the rules after it and at last to the defaults. So a rule that takes the decay from biases
//! and one that slows the early layers down compose; if the first match won outright, the biases of
//! the early layers would need rules of their own.

mod error;
mod group;
mod parameter;
mod rule;
mod table;

pub use error::Error;
pub use group::{Group, Lars, Settings, Training};
pub use parameter::{Kind, Parameter};
pub use rule::{Depths, Rule};
pub use table::{Row, Table, resolve};
