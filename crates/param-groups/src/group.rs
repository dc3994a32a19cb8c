//! The settings of parameters: complete ones (a group) and partial ones (what a rule sets).

use serde::{Deserialize, Serialize};

/// How the optimiser treats a parameter; parameters with equal settings form a group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The decay itself, not a multiplier of the optimiser's; finite, not negative.
    pub weight_decay: f64,
    /// Times the scheduled learning rate; finite, not negative.
    pub lr_multiplier: f64,
    /// Whether it is updated at all.
    pub training: Training,
    /// Whether LARS and LAMB adapt its rate.
    pub lars: Lars,
}

impl Group {
    /// The usual defaults: the given decay, the scheduled rate, trained, adapted by LARS.
    pub fn with_decay(weight_decay: f64) -> Self {
        Self {
            weight_decay,
            lr_multiplier: 1.0,
            training: Training::Trainable,
            lars: Lars::Included,
        }
    }

    /// The first property that is negative or not finite.
    pub(crate) fn illegal(&self) -> Option<(&'static str, f64)> {
        [("weight_decay", self.weight_decay), ("lr_multiplier", self.lr_multiplier)]
            .into_iter()
            .find(|(_, value)| !value.is_finite() || *value < 0.0)
    }
}

/// Whether a parameter is updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Training {
    /// Updated at every step.
    Trainable,
    /// Kept as it is: neither gradient nor decay moves it.
    Frozen,
}

/// Whether LARS, or LAMB, adapts a parameter's learning rate to its norm.
///
/// Convention: bias and norm parameters are excluded, that is, their ratio is 1 (LARS,
/// arXiv 1708.03888, as timm has it; LAMB, arXiv 1904.00962, likewise).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lars {
    /// Adapted.
    Included,
    /// The ratio is 1.
    Excluded,
}

/// What a rule sets; `None` leaves a property to later rules and the defaults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// See [`Group::weight_decay`].
    pub weight_decay: Option<f64>,
    /// See [`Group::lr_multiplier`].
    pub lr_multiplier: Option<f64>,
    /// See [`Group::training`].
    pub training: Option<Training>,
    /// See [`Group::lars`].
    pub lars: Option<Lars>,
}

impl Settings {
    /// These settings, and `later` ones where these say nothing.
    pub(crate) fn or(self, later: Settings) -> Settings {
        Settings {
            weight_decay: self.weight_decay.or(later.weight_decay),
            lr_multiplier: self.lr_multiplier.or(later.lr_multiplier),
            training: self.training.or(later.training),
            lars: self.lars.or(later.lars),
        }
    }

    /// These settings, completed by `defaults`.
    pub(crate) fn complete(self, defaults: Group) -> Group {
        Group {
            weight_decay: self.weight_decay.unwrap_or(defaults.weight_decay),
            lr_multiplier: self.lr_multiplier.unwrap_or(defaults.lr_multiplier),
            training: self.training.unwrap_or(defaults.training),
            lars: self.lars.unwrap_or(defaults.lars),
        }
    }
}
