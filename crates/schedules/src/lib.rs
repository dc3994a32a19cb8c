//! Learning-rate and hyper-parameter schedules as pure functions of the step.
//!
//! A [`Schedule`] maps the number of updates already made to a number: a learning rate, a momentum,
//! the strength of an augmentation. It is closed form and holds no state, so a run that is resumed
//! at step 70,000 asks for step 70,000 and gets what an unbroken run gets; nothing needs to be
//! saved. The crate knows no tensor library.
//!
//! ```
//! use trickbag_schedules::{Schedule, linear_scaling, plot};
//!
//! // ResNet-50 at batch 1024: 5 epochs of warmup, then cosine, in 120 epochs of 1251 updates.
//! let (total, warmup) = (120 * 1251, 5 * 1251);
//! let peak = linear_scaling(0.1, 1024, 256)?;
//! let lr = Schedule::cosine(peak, 0.0, total - warmup)?.with_warmup(warmup, 0.0)?;
//!
//! assert_eq!(lr.at(0), 0.0);
//! assert_eq!(lr.at(warmup), 0.4);
//! assert_eq!(lr.at(total), 0.0);
//! assert!(plot(&lr, total, 60, 8).starts_with("0.4 ┤"));
//! # Ok::<(), trickbag_schedules::Error>(())
//! ```
//!
//! # Writing a schedule down
//!
//! Schedules are [serde](https://serde.rs) types: a schedule is written as its constructor with
//! named arguments, and reading one checks it as the constructor does.
//!
//! ```
//! # use trickbag_schedules::Schedule;
//! let lr: Schedule = ron::from_str("Cosine(from: 0.4, to: 0.0, steps: 100)")?;
//! assert_eq!(lr, Schedule::cosine(0.4, 0.0, 100)?);
//!
//! let error = ron::from_str::<Schedule>("Cosine(from: 0.4, to: 0.0, steps: 0)").unwrap_err();
//! assert!(error.to_string().contains("give at least 1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Units
//!
//! Schedules count updates ("steps"), never epochs. A [`Duration`] carries its unit and becomes
//! a number of steps once, when the length of an epoch and of the run are known ([`Clock`]).

mod curve;
mod duration;
mod error;
mod legality;
mod plot;
mod progress;
mod scaling;
mod schedule;

pub use curve::Shape;
pub use duration::{Clock, Duration};
pub use error::Error;
pub use plot::plot;
pub use scaling::{linear_scaling, sqrt_scaling};
pub use schedule::Schedule;
