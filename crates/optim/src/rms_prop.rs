//! RMSprop: gradients over a running root mean square.

use dfdx::prelude::*;
use serde::{Deserialize, Serialize};
use trickbag_ops::{Descent, Vector};

use crate::Error;
use crate::optimizer::{Rule, Slots, Step, exactly};
use crate::range::{positive, share};

/// RMSprop (Tieleman and Hinton 2012, lecture 6.5 of "Neural Networks for Machine Learning").
///
/// Convention (PyTorch): `s = alpha * s + (1 - alpha) * g²` from 0, `eps` is added *after* the root,
/// and the learning rate stays outside the momentum: `v = momentum * v + g / (sqrt(s) + eps)`,
/// `p -= lr * v`. TensorFlow, and timm's `RMSpropTF` after it, add `eps` before the root, start `s`
/// from 1 and fold the rate into `v`. Weight decay is coupled: added to the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RmsProp {
    /// Learning rate; positive.
    pub lr: f64,
    /// Share of the mean square that is kept, in `[0, 1)`.
    #[serde(default = "default_alpha")]
    pub alpha: f64,
    /// Added to the root of the mean square; positive.
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// Share of the last update that is kept, in `[0, 1)`.
    #[serde(default)]
    pub momentum: f64,
    /// L2 penalty; not negative.
    #[serde(default)]
    pub weight_decay: f64,
}

impl Rule for RmsProp {
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
        if self.momentum > 0.0 { &["square_avg", "momentum_buffer"] } else { &["square_avg"] }
    }

    fn validate(&self) -> Result<(), Error> {
        share("alpha", self.alpha)?;
        positive("eps", self.eps)?;
        share("momentum", self.momentum)
    }

    fn update<D: Descent>(
        &self,
        parameter: &mut Vector<f32, D>,
        mut gradient: Vector<f32, D>,
        mut slots: Slots<'_, D>,
        step: Step,
    ) -> Result<(), Error> {
        let velocity = if slots.len() > 1 { slots.pop() } else { None };
        let [square] = exactly(slots)?;
        let update = || {
            gradient.try_axpy(1.0, parameter, step.weight_decay)?;
            square.try_axpy(self.alpha, &gradient.clone().try_square()?, 1.0 - self.alpha)?;
            let root = square.clone().try_sqrt()?.try_add(self.eps as f32)?;
            let direction = gradient.try_div(root)?;
            let Some(velocity) = velocity else {
                return parameter.try_axpy(1.0, &direction, -step.lr);
            };
            velocity.try_axpy(self.momentum, &direction, 1.0)?;
            parameter.try_axpy(1.0, velocity, -step.lr)
        };
        update().map_err(Error::device)
    }
}

fn default_alpha() -> f64 {
    0.99
}

fn default_eps() -> f64 {
    1e-8
}
