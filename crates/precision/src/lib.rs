//! Number formats for training: which format computes, which remembers, and dynamic loss scaling.
#![allow(missing_docs)] // stub
use serde::{Deserialize, Serialize};
/// The number format that computes; parameters and optimiser state are always f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy { #[default] F32, Bf16, F16 }
