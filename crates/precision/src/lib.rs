//! Number formats for training: which format computes, which one remembers, and loss scaling.
//!
//! Parameters, optimiser state, batch-norm statistics and losses are `f32`, always. The
//! [`Policy`] names the format of activations and gradients. [`LossScaler`] keeps `f16` gradients
//! out of the range where they become zero or infinite; it is a pure state machine.
//!
//! ```
//! use trickbag_precision::{LossScaler, StepOutcome};
//!
//! let scaler = LossScaler::default();
//! assert_eq!(scaler.scale(), 65536.0);
//! let scaler = scaler.after(StepOutcome::Overflow)?;
//! assert_eq!(scaler.scale(), 32768.0);
//! # Ok::<(), trickbag_precision::Error>(())
//! ```
//!
//! With dfdx tensors, [`working_copy`] casts the parameters to the format that computes and
//! [`backward`] brings the gradients back as unscaled `f32`:
//!
//! ```
//! use dfdx::prelude::*;
//! use trickbag_ops::Vector;
//! use trickbag_precision::{backward, working_copy};
//!
//! let dev = Cpu::default();
//! let parameters: Vec<Vector<f32, Cpu>> = vec![dev.tensor_from_vec(vec![3.0, -1.0], (2,))];
//! let working = working_copy::<f64, Cpu>(&parameters)?;
//! let scale = 1024.0;
//! let loss = working[0].leaky_trace().square().sum() * f64::from(scale);
//! let gradients = backward(loss, &working, scale)?;
//! assert_eq!(gradients[0].as_vec(), [6.0, -2.0]);
//! # Ok::<(), trickbag_precision::Error>(())
//! ```

mod backward;
mod error;
mod loss_scaler;
mod policy;

pub use backward::{backward, working_copy};
pub use error::Error;
pub use loss_scaler::{LossScaler, LossScaling, ScalerSettings, StepOutcome};
pub use policy::Policy;
