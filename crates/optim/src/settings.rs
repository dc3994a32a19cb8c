//! Settings of the optimisers: what a recipe's `optimizer` line says.

use serde::{Deserialize, Serialize};

use crate::Error;

/// An optimiser and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// Adam with decoupled weight decay.
    AdamW(AdamW),
}

/// Stochastic gradient descent with momentum.
///
/// Convention (PyTorch): `v = momentum * v + g`, then `p -= lr * v`, or with Nesterov
/// `p -= lr * (g + momentum * v)`. Keras and Sutskever et al. fold the learning rate into `v`,
/// which differs when it changes. Weight decay is *coupled*: `weight_decay * p` is added to the
/// gradient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    /// Learning rate; positive.
    pub lr: f64,
    /// Share of the last update that is kept, in `[0, 1)`.
    #[serde(default)]
    pub momentum: f64,
    /// Whether to look ahead by one momentum step (Nesterov).
    #[serde(default)]
    pub nesterov: bool,
    /// L2 penalty; not negative.
    #[serde(default)]
    pub weight_decay: f64,
}

/// Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101).
///
/// Convention (PyTorch): `p -= lr * weight_decay * p`, then Adam's step with both moments
/// bias-corrected and `eps` added to the corrected root.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamW {
    /// Learning rate; positive.
    pub lr: f64,
    /// Shares of the two moments that are kept, each in `[0, 1)`.
    #[serde(default = "default_betas")]
    pub betas: (f64, f64),
    /// Added to the root of the second moment; positive.
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// Decay, scaled by the learning rate; not negative.
    #[serde(default = "default_weight_decay")]
    pub weight_decay: f64,
}

impl Optimizer {
    /// The learning rate before any schedule.
    pub fn lr(&self) -> f64 {
        match self {
            Self::Sgd(sgd) => sgd.lr,
            Self::AdamW(adamw) => adamw.lr,
        }
    }

    /// The weight decay of parameters that no rule treats otherwise.
    pub fn weight_decay(&self) -> f64 {
        match self {
            Self::Sgd(sgd) => sgd.weight_decay,
            Self::AdamW(adamw) => adamw.weight_decay,
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the first setting out of its range;
    /// [`Error::NesterovWithoutMomentum`].
    pub fn validate(&self) -> Result<(), Error> {
        positive("lr", self.lr())?;
        let decay = self.weight_decay();
        rule(decay >= 0.0 && decay.is_finite(), "weight_decay", decay, "0 or a positive number")?;
        match self {
            Self::Sgd(Sgd { momentum, nesterov, .. }) => {
                share("momentum", *momentum)?;
                match *nesterov && *momentum == 0.0 {
                    true => Err(Error::NesterovWithoutMomentum),
                    false => Ok(()),
                }
            }
            Self::AdamW(AdamW { betas, eps, .. }) => {
                share("betas", betas.0)?;
                share("betas", betas.1)?;
                positive("eps", *eps)
            }
        }
    }
}

fn default_betas() -> (f64, f64) {
    (0.9, 0.999)
}

fn default_eps() -> f64 {
    1e-8
}

fn default_weight_decay() -> f64 {
    0.01
}

fn positive(field: &'static str, found: f64) -> Result<(), Error> {
    rule(found > 0.0 && found.is_finite(), field, found, "a positive number")
}

fn share(field: &'static str, found: f64) -> Result<(), Error> {
    rule((0.0..1.0).contains(&found), field, found, "a number from 0 up to, but not including, 1")
}

fn rule(holds: bool, field: &'static str, found: f64, expected: &'static str) -> Result<(), Error> {
    match holds {
        true => Ok(()),
        false => Err(Error::Setting { field, found, expected }),
    }
}
