//! Rules that map a parameter's kind, name and depth to weight decay, learning-rate multiplier and frozen state.
#![allow(missing_docs)] // stub
use serde::{Deserialize, Serialize};
/// What a parameter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind { ConvWeight, LinearWeight, Bias, NormScale, NormShift }
/// A parameter as rules see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter { pub name: String, pub kind: Kind, /** 0 for the stem, counting residual blocks, the head last. */ pub depth: usize }
