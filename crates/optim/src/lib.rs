//! Optimisers on [dfdx] tensors by parameter group, with state that can be saved, and what stands
//! between a gradient and an update: clipping, accumulation, averages of weights.
//!
//! dfdx's own optimisers have one setting for all parameters and hide their state; these take a
//! [`Group`](trickbag_param_groups::Group) for each parameter and the learning rate of each step.
//! Parameters and gradients are lists of flat vectors in one order; nothing here knows a network.
//!
//! ```
//! use dfdx::prelude::*;
//! use trickbag_ops::Vector;
//! use trickbag_optim::{Decay, Optimizer, Sgd, State};
//! use trickbag_param_groups::Group;
//!
//! let dev = Cpu::default();
//! let mut parameters: Vec<Vector<f32, Cpu>> = vec![dev.tensor_from_vec(vec![1.0, -2.0], (2,))];
//! let sgd =
//!     Sgd { lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.0, decay: Decay::Coupled };
//! let mut state = State::new(Optimizer::Sgd(sgd), &parameters)?;
//! let groups = [Group::with_decay(0.0)];
//!
//! for step in 0..100 {
//!     let loss = parameters[0].leaky_trace().square().sum();
//!     let gradients = vec![loss.backward().get(&parameters[0])];
//!     state.update(&mut parameters, gradients, &groups, 0.1)?;
//! }
//! assert!(parameters[0].as_vec().iter().all(|p| p.abs() < 1e-3));
//! # Ok::<(), trickbag_optim::Error>(())
//! ```
//!
//! # An update with everything
//!
//! 1. Backward passes, in `f32` and unscaled; [`without_frozen`].
//! 2. [`Sam`]: the gradients again, at perturbed parameters.
//! 3. [`Accumulator`]: the mean over the micro-batches, by samples.
//! 4. [`Clip`]: once for the update.
//! 5. [`State`]: one of [`Sgd`], [`AdamW`], [`RmsProp`], [`Lars`], [`Lamb`].
//! 6. [`SlowWeights`] pull the parameters back ([`Lookahead`]).
//! 7. [`Average`] follows them ([`WeightAverage`]).
//!
//! Each is useful without the others. What lasts from step to step is [`State`], [`SlowWeights`] and
//! [`Average`]: each gives its [`Slot`]s to be saved and takes them back to the bit.

mod accumulator;
mod adamw;
mod average;
mod clip;
mod error;
mod frozen;
mod lamb;
mod lars;
mod lookahead;
mod optimizer;
mod range;
mod rms_prop;
mod sam;
mod sgd;
mod slot;
mod state;
mod vectors;

pub use accumulator::Accumulator;
pub use adamw::AdamW;
pub use average::{Average, Averaged, DecayWarmup, Ema, Swa, WeightAverage};
pub use clip::{Clip, Units};
pub use error::Error;
pub use frozen::without_frozen;
pub use lamb::Lamb;
pub use lars::Lars;
pub use lookahead::{Lookahead, SlowWeights};
pub use optimizer::Optimizer;
pub use rms_prop::RmsProp;
pub use sam::Sam;
pub use sgd::{Decay, Sgd};
pub use slot::Slot;
pub use state::State;
pub use vectors::norm;
