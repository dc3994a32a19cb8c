//! Declarative training recipes in RON: tricks applied, units resolved, contradictions refused.
//!
//! A recipe says which data, which network, and which tricks from the literature:
//!
//! ```ron
//! Recipe(
//!     name: "cifar10-resnet20",
//!     seed: 1,
//!     data: ImageFolder(path: "data/cifar10", size: 32),
//!     augment: [PadCrop(4), HorizontalFlip],
//!     model: ResNet(depth: 20, stem: Cifar),
//!     batch_size: 128,
//!     epochs: 30,
//!     optimizer: Sgd(lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 5e-4),
//!     tricks: [
//!         LinearScaling(base_batch: 128),
//!         Warmup(epochs: 1),
//!         CosineAnnealing,
//!         LabelSmoothing(0.1),
//!         NoBiasDecay,
//!         NoNormDecay,
//!         ZeroGamma,
//!     ],
//! )
//! ```
//!
//! Three types lead from that text to numbers:
//!
//! - a [`Document`] is the text with the place of every value, and takes overrides such as
//!   `epochs=5`;
//! - a [`Recipe`] is what the text says, word for word;
//! - a [`Plan`] is what a run does, with every unit resolved and every trick applied.
//!
//! ```
//! use trickbag_recipe::{Document, Plan};
//!
//! let text = r#"Recipe(
//!     name: "digits",
//!     seed: 1,
//!     data: Mnist10k,
//!     model: ResNet(depth: 8, stem: Cifar),
//!     batch_size: 256,
//!     epochs: 10,
//!     optimizer: Sgd(lr: 0.1, momentum: 0.9),
//!     tricks: [LinearScaling(base_batch: 128), Warmup(epochs: 1), CosineAnnealing],
//! )"#;
//! let mut document = Document::new("recipes/digits.ron", text)?;
//! document.set("epochs=5")?;
//! let plan = Plan::new(&document, &document.facts()?)?;
//! assert_eq!(plan.total_steps, 5 * (8500 / 256));
//! assert_eq!(plan.learning_rate.upper_bound(), 0.2);
//! # Ok::<(), trickbag_recipe::Error>(())
//! ```
//!
//! # Tricks
//!
//! The recipe without `tricks` is the baseline: a constant learning rate, hard targets, weight
//! decay on every parameter. Each line of the list adds one trick, and removing it takes exactly
//! that trick away. The order of the lines has no meaning; lines that contradict each other are
//! refused. A trick whose settings all have defaults is written bare, as `CosineAnnealing` above.
//! [`tricks::card`] has a page on each: what it does, what it is worth, and when it hurts.
//!
//! # Lint
//!
//! A plan refuses what cannot be trained; [`lint`] warns of known mistakes in what can.
//!
//! # Messages
//!
//! Nothing is repaired silently. An [`Error`] says what was found, what was expected, where, and
//! what to do:
//!
//! ```text
//! recipes/digits.ron:9:14: unknown trick `WarmUp`; did you mean `Warmup`?
//!   |
//! 9 |     tricks: [WarmUp(epochs: 1)],
//!   |              ^^^^^^
//!   = help: write one of `LinearScaling`, `Warmup`, `CosineAnnealing`, ...
//! ```

mod document;
mod error;
pub mod lint;
mod nearest;
mod number;
mod paragraph;
mod plan;
mod problem;
mod recipe;
pub mod tricks;

pub use document::Document;
pub use error::{Error, Line, Place};
pub use plan::{AppliedTrick, Explanation, Layers, Loss, Memory, Plan, Teacher, Unfrozen};
pub use problem::Problem;
pub use recipe::Recipe;
