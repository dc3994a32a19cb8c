//! Adam with decoupled weight decay, and the direction that all of Adam's kind share.

use dfdx::prelude::*;
use serde::{Deserialize, Serialize};
use trickbag_ops::{Descent, Vector};

use crate::Error;
use crate::optimizer::{Rule, Slots, Step, exactly};
use crate::range::{positive, share};

/// Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101); without a decay it
/// is Adam.
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

impl Rule for AdamW {
    fn lr(&self) -> f64 {
        self.lr
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn momentum(&self) -> f64 {
        self.betas.0
    }

    fn slots(&self) -> &'static [&'static str] {
        Adam::SLOTS
    }

    fn validate(&self) -> Result<(), Error> {
        self.adam().validate()
    }

    fn update<D: Descent>(
        &self,
        parameter: &mut Vector<f32, D>,
        gradient: Vector<f32, D>,
        slots: Slots<'_, D>,
        step: Step,
    ) -> Result<(), Error> {
        let direction = self.adam().direction(gradient, slots, step.number)?;
        let kept = 1.0 - step.lr * step.weight_decay;
        parameter.try_axpy(kept, &direction, -step.lr).map_err(Error::device)
    }
}

impl AdamW {
    fn adam(&self) -> Adam {
        Adam { betas: self.betas, eps: self.eps }
    }
}

/// Adam's direction: the mean of the gradients over the root of the mean of their squares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adam {
    pub(crate) betas: (f64, f64),
    pub(crate) eps: f64,
}

impl Adam {
    pub(crate) const SLOTS: &'static [&'static str] = &["exp_avg", "exp_avg_sq"];

    pub(crate) fn validate(&self) -> Result<(), Error> {
        share("betas", self.betas.0)?;
        share("betas", self.betas.1)?;
        positive("eps", self.eps)
    }

    /// Both moments bias-corrected, `eps` added to the corrected root; `number` counts from 1.
    pub(crate) fn direction<D: Descent>(
        &self,
        gradient: Vector<f32, D>,
        slots: Slots<'_, D>,
        number: u64,
    ) -> Result<Vector<f32, D>, Error> {
        let [mean, square] = exactly(slots)?;
        let (beta1, beta2) = self.betas;
        let correction = |beta: f64| 1.0 - beta.powf(number as f64);
        // The mean's correction is folded into its divisor, which saves a pass.
        let scale = (correction(beta1) / correction(beta2).sqrt()) as f32;
        let eps = (correction(beta1) * self.eps) as f32;
        let direction = || {
            mean.try_axpy(beta1, &gradient, 1.0 - beta1)?;
            square.try_axpy(beta2, &gradient.try_square()?, 1.0 - beta2)?;
            let root = square.clone().try_sqrt()?.try_mul(scale)?.try_add(eps)?;
            mean.clone().try_div(root)
        };
        direction().map_err(Error::device)
    }
}

pub(crate) fn default_betas() -> (f64, f64) {
    (0.9, 0.999)
}

fn default_eps() -> f64 {
    1e-8
}

fn default_weight_decay() -> f64 {
    0.01
}
