//! Image operators on plain NHWC slices of `f32`, multithreaded and vectorised.

mod band;
mod channels;
mod column_sums;
mod conv;
mod correlate;
mod error;
mod frame;
mod global_pool;
mod image;
mod isa;
mod lanes;
mod lattice;
mod linear;
mod norm;
mod norm_rows;
mod pool;
mod stencil;
mod tile;
mod weight_gradient;
mod window;

pub use conv::Conv;
pub use error::{Axis, Error};
pub use global_pool::{global_avg_pool, global_avg_pool_backward};
pub use image::ImageShape;
pub use isa::Isa;
pub use linear::Linear;
pub use norm::{
    Activation, BatchStats, NormGradients, Statistics, batch_norm, batch_norm_backward,
    batch_norm_stats,
};
pub use pool::{AvgPool, Divisor, MaxPool, Rounding};
pub use window::Window;
