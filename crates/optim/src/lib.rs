//! SGD with Nesterov momentum and AdamW on dfdx tensors, by parameter group, with state that can be saved.
#![allow(missing_docs)] // stub
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Optimizer { Sgd(Sgd), AdamW(AdamW) }
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd { pub lr: f64, #[serde(default)] pub momentum: f64, #[serde(default)] pub nesterov: bool, #[serde(default)] pub weight_decay: f64 }
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamW { pub lr: f64, #[serde(default = "betas")] pub betas: (f64, f64), #[serde(default = "eps")] pub eps: f64, #[serde(default = "decay")] pub weight_decay: f64 }
fn betas() -> (f64, f64) { (0.9, 0.999) }
fn eps() -> f64 { 1e-8 }
fn decay() -> f64 { 0.01 }
