//! The ResNet family on dfdx tensors, with torchvision's parameter names, counts and initialisation.
#![allow(missing_docs)] // stub
mod architecture;
pub use architecture::{Architecture, ResNet, Stem, Variant, ZeroGamma};
