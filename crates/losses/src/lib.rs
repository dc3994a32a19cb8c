//! Classification losses on [dfdx] tensors: cross entropy with hard labels, label smoothing, soft
//! targets and per-sample weights, binary cross entropy and distillation; and mixup and CutMix, which
//! make the images and targets of a batch what such losses take.
//!
//! A loss is always computed in `f32`, whatever number format the logits have, and is stable for
//! huge logits. [`Loss::scaled`] continues the tape of the logits, so that `backward` works as
//! everywhere in dfdx.
//!
//! ```
//! use dfdx::prelude::*;
//! use trickbag_losses::{CrossEntropy, cross_entropy};
//! use trickbag_ops::Matrix;
//!
//! let dev = Cpu::default();
//! let logits: Matrix<f32, Cpu> = dev.tensor_from_vec(vec![2.0, 0.5, -1.0, 0.0, 0.0, 3.0], (2, 3));
//! let smoothed = CrossEntropy { label_smoothing: 0.1 };
//! let targets = smoothed.targets(&[0, 2], 3, &dev)?;
//!
//! let loss = cross_entropy(logits.leaky_trace(), &targets, None)?;
//! assert!((loss.value() - 0.3431).abs() < 1e-3);
//! let gradients = loss.scaled(1.0)?.backward();
//! assert!(gradients.get(&logits)[[0, 0]] < 0.0); // raise the logit of the true class
//! # Ok::<(), trickbag_losses::Error>(())
//! ```

mod binary_cross_entropy;
mod cross_entropy;
mod distillation;
mod error;
mod loss;
mod mixing;

pub use binary_cross_entropy::{BinaryCrossEntropy, Reduction, binary_cross_entropy};
pub use cross_entropy::{CrossEntropy, cross_entropy};
pub use distillation::{Distillation, distillation};
pub use error::Error;
pub use loss::Loss;
pub use mixing::{CutMix, Mix, MixUp, Mixing, Patch};
