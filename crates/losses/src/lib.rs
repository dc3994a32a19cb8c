//! Classification losses on dfdx tensors: cross entropy with hard, smoothed and soft targets and per-sample weights.
#![allow(missing_docs)] // stub
use serde::{Deserialize, Serialize};
/// The loss of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossEntropy { pub label_smoothing: f64 }
