//! Stochastic gradient descent.

use dfdx::prelude::TryMul;
use serde::{Deserialize, Serialize};
use trickbag_ops::{Descent, Momentum, SgdStep, Vector};

use crate::Error;
use crate::optimizer::{Rule, Slots, Step};
use crate::range::share;

/// Stochastic gradient descent with momentum.
///
/// Convention (PyTorch): `v = momentum * v + g`, then `p -= lr * v`, or with Nesterov
/// `p -= lr * (g + momentum * v)`. Keras and Sutskever et al. fold the learning rate into `v`,
/// which differs when it changes. Weight decay is of three kinds, see [`Decay`].
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
    /// Weight decay; not negative.
    #[serde(default)]
    pub weight_decay: f64,
    /// How weight decay acts.
    #[serde(default, skip_serializing_if = "Decay::is_coupled")]
    pub decay: Decay,
}

/// How weight decay acts on a parameter `p`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decay {
    /// `weight_decay * p` is added to the gradient and so passes through the momentum: the L2
    /// penalty, as PyTorch's SGD has it.
    #[default]
    Coupled,
    /// `p -= lr * weight_decay * p` beside the step, as AdamW has it (Loshchilov and Hutter,
    /// arXiv 1711.05101).
    Decoupled,
    /// `p -= weight_decay * p * (lr / lr_max)` beside the step: the decay follows the schedule's
    /// shape, but not the height of the rate, nor a group's multiplier of it. Here `lr_max` is the
    /// `lr` of the optimiser's settings, so a plan that scales the rate scales it there too.
    /// Composer's `DecoupledSGDW`; a fitting decay is smaller by a factor of about `lr`.
    Independent,
}

impl Decay {
    /// The default is left out of recipes, so that their hash is what it was.
    fn is_coupled(&self) -> bool {
        *self == Self::Coupled
    }
}

impl Rule for Sgd {
    fn lr(&self) -> f64 {
        self.lr
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn momentum(&self) -> f64 {
        self.momentum
    }

    fn slots(&self) -> &'static [&'static str] {
        velocity(self.momentum)
    }

    fn validate(&self) -> Result<(), Error> {
        check_momentum(self.momentum, self.nesterov)
    }

    fn update<D: Descent>(
        &self,
        parameter: &mut Vector<f32, D>,
        gradient: Vector<f32, D>,
        slots: Slots<'_, D>,
        step: Step,
    ) -> Result<(), Error> {
        let (coupled, shrinkage) = match self.decay {
            Decay::Coupled => (step.weight_decay, 0.0),
            Decay::Decoupled => (0.0, step.lr * step.weight_decay),
            Decay::Independent => (0.0, step.lr_share * step.weight_decay),
        };
        if shrinkage > 0.0 {
            let shrunk = parameter.clone().try_mul((1.0 - shrinkage) as f32);
            *parameter = shrunk.map_err(Error::device)?;
        }
        let step = descent(step.lr, self.momentum, self.nesterov, coupled);
        Ok(D::sgd(parameter, gradient, slots.into_iter().next(), step)?)
    }
}

/// What an optimiser with this momentum remembers.
pub(crate) fn velocity(momentum: f64) -> &'static [&'static str] {
    if momentum > 0.0 { &["momentum_buffer"] } else { &[] }
}

pub(crate) fn check_momentum(momentum: f64, nesterov: bool) -> Result<(), Error> {
    share("momentum", momentum)?;
    match nesterov && momentum == 0.0 {
        true => Err(Error::NesterovWithoutMomentum),
        false => Ok(()),
    }
}

pub(crate) fn descent(lr: f64, momentum: f64, nesterov: bool, weight_decay: f64) -> SgdStep {
    SgdStep {
        lr: lr as f32,
        momentum: momentum as f32,
        kind: if nesterov { Momentum::Nesterov } else { Momentum::Classical },
        weight_decay: weight_decay as f32,
    }
}
