//! Optimisers on [dfdx] tensors: SGD with Nesterov momentum and AdamW, by parameter group, with
//! state that can be saved.
//!
//! dfdx's own optimisers have one setting for all parameters and hide their state; these take a
//! [`Group`](trickbag_param_groups::Group) for each parameter and the learning rate of each step.
//!
//! ```
//! use dfdx::prelude::*;
//! use trickbag_ops::Vector;
//! use trickbag_optim::{Optimizer, Sgd, State};
//! use trickbag_param_groups::Group;
//!
//! let dev = Cpu::default();
//! let mut parameters: Vec<Vector<f32, Cpu>> = vec![dev.tensor_from_vec(vec![1.0, -2.0], (2,))];
//! let sgd = Sgd { lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.0 };
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

mod error;
mod settings;
mod state;

pub use error::Error;
pub use settings::{AdamW, Optimizer, Sgd};
pub use state::{Slot, State};
