//! The training loop: a [`Plan`](trickbag_recipe::Plan) in, records and checkpoints out.
//!
//! A [`Trainer`] owns the order of things in a step and nothing else: what the learning rate, the
//! loss or the parameter groups are was decided by the plan. It knows no trick by name. It trains alone,
//! or [among](Trainer::among) ranks.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//!
//! use dfdx::prelude::Cpu;
//! use trickbag_data::{Dataset, Keep, Source};
//! use trickbag_recipe::{Document, Plan};
//! use trickbag_trainer::{Outcome, Trainer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recipe = r#"Recipe(
//!     name: "tiny", seed: 1, data: Mnist10k, model: ResNet(depth: 8, stem: Cifar, width: 2),
//!     batch_size: 64, epochs: 8, optimizer: Sgd(lr: 0.1),
//! )"#;
//! let dataset = Dataset::open(&Source::Mnist10k, Keep::Decoded)?;
//! let plan = Plan::new(&Document::new("tiny.ron", recipe)?, dataset.facts())?;
//!
//! let folder = tempfile::tempdir()?;
//! let mut trainer = Trainer::<f32, _>::new(&plan, Cpu::default())?;
//! let stop = AtomicBool::new(true); // after the step under way
//! let outcome = trainer.run(&dataset, folder.path(), &stop, &mut |_record| Ok(()))?;
//! assert_eq!(outcome, Outcome::Stopped);
//! assert!(folder.path().join("last.safetensors").is_file());
//! # Ok(())
//! # }
//! ```

mod checkpoint;
mod error;
mod evaluate;
mod groups;
mod ranks;
mod statistics;
mod teacher;
mod trainer;
mod units;
mod update;

pub use checkpoint::{BEST, LAST, MODEL};
pub use error::Error;
pub use evaluate::Score;
pub use trainer::{Outcome, Trainer};
