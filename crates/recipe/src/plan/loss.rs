//! What a training minimises.

use std::path::PathBuf;

use serde::Serialize;
use trickbag_losses::{BinaryCrossEntropy, Distillation};
use trickbag_models::Network;

/// What a training minimises, given the targets.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub enum Loss {
    /// The cross entropy over all classes.
    #[default]
    AllClasses,
    /// The binary cross entropy of each class.
    EachClass(BinaryCrossEntropy),
    /// The cross entropy, and the divergence from a teacher's answers.
    Taught {
        /// Temperature and weight.
        settings: Distillation,
        /// Who answers.
        teacher: Teacher,
    },
}

/// A trained network that another one learns from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Teacher {
    /// Its network, for the same images and classes.
    #[serde(skip)]
    pub network: Network,
    /// The safetensors file that holds its values.
    pub checkpoint: PathBuf,
}

impl Loss {
    pub(super) fn in_words(&self) -> &'static str {
        match self {
            Self::AllClasses => "cross entropy",
            Self::EachClass(_) => "binary cross entropy of each class",
            Self::Taught { .. } => "cross entropy, and divergence from a teacher",
        }
    }
}
