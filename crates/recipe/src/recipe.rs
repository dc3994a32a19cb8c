//! What a recipe file says, word for word.

use std::fmt;

use ron::extensions::Extensions;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use trickbag_data::{Augment, Normalize, Source};
use trickbag_models::Architecture;
use trickbag_optim::Optimizer;

use crate::lint::Allow;
use crate::tricks::Trick;

/// A recipe as it is written: nothing in it has been resolved or checked against the data.
///
/// A [`Document`](crate::Document) reads it from RON and knows the line of every value;
/// [`Plan::new`](crate::Plan::new) makes it something that can be trained.
///
/// `Display` writes the canonical text: one line of RON that holds every default, with the tricks
/// in the order in which they act. It reads back as an equal recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What runs of this recipe are filed under: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Where all randomness of a run comes from.
    pub seed: u64,
    /// Where the images come from.
    pub data: Source,
    /// Channel means and standard deviations; the usual ones of the data when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize: Option<Normalize>,
    /// Random changes of the training images, in this order.
    #[serde(default)]
    pub augment: Vec<Augment>,
    /// The network.
    pub model: Architecture,
    /// Images of one update.
    pub batch_size: usize,
    /// Passes over the training images.
    pub epochs: u64,
    /// How gradients change parameters, with the learning rate before any trick.
    pub optimizer: Optimizer,
    /// What is added to the baseline. The order has no meaning.
    #[serde(default)]
    pub tricks: Vec<Trick>,
    /// Lint rules that do not apply, each with its reason. They change nothing in a training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Allow>,
}

impl Recipe {
    /// SHA-256 of the canonical text in hexadecimal: the same for recipes that say the same,
    /// whatever their comments, white space, order of fields and tricks, spelled-out defaults, and
    /// `allow`.
    pub fn hash(&self) -> String {
        let trained = Self { allow: Vec::new(), ..self.clone() };
        Sha256::digest(trained.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.clone();
        sorted.tricks.sort_by_key(|trick| (trick.card().slot, trick.card().name));
        f.write_str(&options().to_string(&sorted).map_err(|_| fmt::Error)?)
    }
}

/// How recipes are spelled: `Sgd(lr: 0.1)` means `Sgd((lr: 0.1))`, and a bare `16` means `Some(16)`.
pub(crate) fn options() -> ron::Options {
    let spelling = Extensions::UNWRAP_VARIANT_NEWTYPES | Extensions::IMPLICIT_SOME;
    ron::Options::default().with_default_extension(spelling)
}
