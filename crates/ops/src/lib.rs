//! The image operators that [dfdx] 0.13 lacks on stable Rust: convolution, batch norm, pooling and
//! what gates and branches need, forward and backward, taking part in dfdx's tape.
//!
//! Plain dfdx code goes around them: an operator takes a tensor with whatever tape it has and
//! returns one, and `loss.backward()` yields the gradients of everything that came before.
//!
//! ```
//! use dfdx::prelude::*;
//! use trickbag_ops::{Activation, Affine, Backend, FeatureMap, Vector, Window};
//!
//! let dev = Cpu::default();
//! let images: FeatureMap<f32, Cpu> = dev.sample_normal_like(&(8, 16, 16, 3));
//! let filter: FeatureMap<f32, Cpu> = dev.sample_normal_like(&(3, 3, 3, 4));
//! let scale: Vector<f32, Cpu> = dev.ones_like(&(4,));
//! let shift: Vector<f32, Cpu> = dev.zeros_like(&(4,));
//!
//! let x = images.leaky_traced();
//! let x = Backend::conv2d(x, &filter, &Window::square(3).padding(1), 1)?;
//! let affine = Affine { scale: &scale, shift: &shift, eps: 1e-5, activation: Activation::Relu };
//! let (x, _statistics) = Backend::batch_norm(x, &affine, None)?;
//! let x = Backend::global_avg_pool(x)?; // (8, 4): plain dfdx from here on
//! let gradients = x.square().mean().backward();
//! assert_eq!(gradients.get(&filter).shape(), &(3, 3, 3, 4));
//! # Ok::<(), trickbag_ops::Error>(())
//! ```
//!
//! # Layout
//!
//! Feature maps are `(batch, height, width, channels)`, filters `(kernel height, kernel width,
//! input channels / groups, output channels)`, linear weights `(inputs, outputs)`. Shapes are
//! run-time `usize` throughout.
//!
//! # Forms
//!
//! [`Backend`] has one method per operator, in two forms:
//!
//! - The **composed form** in [`composed`] is dfdx's own operators, on any dfdx device and number
//!   format. It is what CUDA runs, keeping nothing but inputs and outputs for the backward pass.
//! - The **fast form** replaces it on the CPU in `f32`, [`Bf16`] and dfdx's `f16` and calls [`trickbag_kernels`].
//!
//! Tests hold one against the other. Code that is generic over the number format asks for
//! [`Backend<E>`](Backend), not for dfdx's `Device<E>`, which no other crate's format can be;
//! [`Tensors`] has what else it needs.
//!
//! The gradient of an operator's *output* is consumed by its backward pass, which frees it early: only
//! gradients of tensors that no operator produced can be read afterwards.

mod backend;
mod bf16;
mod blur;
mod buffers;
pub mod composed;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod descent;
mod error;
mod joint;
mod pointwise;
mod profile;
mod tensors;
mod widen;

pub use backend::{
    Affine, Backend, BatchStatistics, FeatureMap, Filter, Flow, Matrix, Normalised, Synchronised,
    Vector,
};
pub use bf16::Bf16;
#[cfg(feature = "cuda")]
pub use cuda::{cuda, cuda_memory};
pub use descent::Descent;
pub use error::Error;
pub use pointwise::Pointwise;
pub use profile::{Profile, Spent, profile};
pub use tensors::Tensors;
pub use trickbag_kernels::{
    Activation, AvgPool, Divisor, ImageShape, Momentum, Packed, Rounding, SgdStep, Window,
};
pub use widen::Widen;
