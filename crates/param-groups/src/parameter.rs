//! A parameter as rules see it: what it is called, what it is for, how deep it sits.

use serde::{Deserialize, Serialize};

/// What a parameter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// The kernel of a convolution.
    ConvWeight,
    /// The matrix of a linear layer.
    LinearWeight,
    /// The bias of a convolution or linear layer.
    Bias,
    /// The scale of a normalisation layer (gamma; `weight` in PyTorch).
    NormScale,
    /// The shift of a normalisation layer (beta; `bias` in PyTorch).
    NormShift,
}

/// A parameter as rules see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Dotted path, unique in its model, as `layer1.0.conv1.weight`.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// 0 for the stem, counting residual blocks, the head last.
    pub depth: usize,
}

impl Parameter {
    /// A parameter from its parts.
    pub fn new(name: impl Into<String>, kind: Kind, depth: usize) -> Self {
        Self { name: name.into(), kind, depth }
    }
}
