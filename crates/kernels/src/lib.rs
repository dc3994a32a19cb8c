//! Image operators on plain slices: convolution, batch normalisation, pooling and fully connected
//! layers, forward and backward, and the update of gradient descent, on the CPU, multithreaded and
//! vectorised.
//!
//! Images are (batch, height, width, channels), contiguous, of `f32`, [`bf16`] or [`struct@f16`]:
//! see [`Element`].
//! Nothing here knows a tensor library; a slice goes in, a slice comes out. The forward passes
//! overwrite their output. The backward passes *add* to the gradients that they are given, as
//! automatic differentiation wants it; where that costs time, [`Write`] makes them overwrite.
//!
//! ```
//! use trickbag_kernels::{Activation, Conv, FixedNorm, ImageShape, Window, batch_norm};
//!
//! # fn main() -> Result<(), trickbag_kernels::Error> {
//! let images = ImageShape { batch: 8, height: 32, width: 32, channels: 3 };
//! let stem = Conv::new(images, 16, Window::square(3).padding(1), 1)?;
//! let x = vec![0.5; images.len()];
//! let weight = vec![0.1; stem.weight_len()];
//! let mut features = vec![0.0; stem.output().len()];
//! let stats = stem.forward_with_stats(&x, &weight, &mut features)?;
//!
//! let norm = FixedNorm {
//!     stats: &stats,
//!     scale: &[1.0; 16],
//!     shift: &[0.0; 16],
//!     eps: 1e-5,
//!     residual: None,
//!     activation: Activation::Relu,
//! };
//! let y = batch_norm(&features, norm)?;
//! # Ok(())
//! # }
//! ```
//!
//! - **Checked**: geometry is validated when an operator is made, lengths when it is called; an
//!   [`Error`] says what was found and what was expected. Nothing panics on what a caller can cause.
//! - **Deterministic**: work is divided by shapes alone and partial sums are added in a fixed order,
//!   so the bits of a result do not depend on the number of rayon's threads.
//! - **Precise**: sums are kept in `f32` and rounded to 16 bits once. Statistics, and the scale and
//!   shift of batch normalisation, are always `f32`.
//! - **Fast**: AVX-512 or AVX2 is chosen at run time, see [`Isa`]. Convolution keeps tiles of sums in
//!   registers and reads the images where they lie: nothing is unrolled into columns, and products
//!   with padding are never computed. In `bf16` it multiplies tiles with AMX, for which images are copied with
//!   zeros around them that are multiplied, too, or pairs with AVX512-BF16 on AMD's processors; on others
//!   every number is widened once, as it is in `f16`, and multiplied as `f32`. Where it pays, which it does
//!   not beside AMX, 3x3 with stride 1 goes through Winograd's minimal filtering F(4x4, 3x3), with a quarter
//!   of the products. What is packed or transformed of a weight that no longer changes can be kept, see [`Packed`].
//!   `examples/speed.rs` measures all operators.
//! - **Threads** are those of rayon's current pool. A program whose main thread calls one operator after the other is
//!   faster with that thread in the pool: `ThreadPoolBuilder::new().use_current_thread().build_global()`. For 200 us after
//!   an operator the others stay awake and wait for the next.

mod amx;
mod avg_pool;
mod band;
mod channels;
mod column_sums;
mod conv;
mod convert;
mod correlate;
mod correlate_tiles;
mod direction;
mod element;
mod error;
mod few_pixels;
mod frame;
mod fresh;
mod global_pool;
mod image;
mod isa;
mod lanes;
mod linear;
mod max_pool;
mod memory;
mod moments;
mod norm;
mod norm_backward;
mod norm_rows;
mod packed;
mod plain;
mod plan;
mod pool;
mod scratch;
mod sgd;
mod stencil;
mod tasks;
mod totals;
mod transpose;
mod vectors;
mod weight_gradient;
mod weight_tiles;
mod window;
mod winograd;
mod write;

pub use avg_pool::{AvgPool, Divisor};
pub use conv::Conv;
pub use convert::convert;
pub use element::Element;
pub use error::{Axis, Error};
pub use global_pool::{global_avg_pool, global_avg_pool_backward};
pub use half::{bf16, f16};
pub use image::ImageShape;
pub use isa::Isa;
pub use linear::Linear;
pub use max_pool::MaxPool;
pub use norm::{
    Activation, BatchStats, FixedNorm, batch_norm, batch_norm_stats, batch_norm_with_bits,
};
pub use norm_backward::{NormFlow, NormGradients, Passed, Statistics, batch_norm_backward};
pub use packed::Packed;
pub use pool::Rounding;
pub use sgd::{Momentum, SgdStep, sgd};
pub use window::Window;
pub use write::Write;
