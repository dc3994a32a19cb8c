//! LAMB: Adam with a rate for each layer.

use std::slice;

use serde::{Deserialize, Serialize};
use trickbag_ops::{Descent, Vector};
use trickbag_param_groups::Lars as Adaptation;

use crate::Error;
use crate::adamw::{Adam, default_betas};
use crate::optimizer::{Rule, Slots, Step};
use crate::vectors::norm;

/// Layer-wise adaptive moments (You et al., arXiv 1904.00962): Adam in which each layer's step is in
/// proportion to its weights, for large batches.
///
/// Convention (timm): `u = m / (sqrt(s) + eps) + weight_decay * p` with both moments bias-corrected,
/// then `p -= lr * |p| / |u| * u`. The ratio is 1 where a norm is 0, and for parameters whose group
/// says [`Lars::Excluded`](trickbag_param_groups::Lars): biases and norm parameters. timm adapts
/// wherever there is weight decay instead. timm also clips the global norm of the gradients to 1
/// inside the optimiser; here that is [`Clip::Norm`](crate::Clip::Norm).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lamb {
    /// Learning rate; positive.
    pub lr: f64,
    /// Shares of the two moments that are kept, each in `[0, 1)`.
    #[serde(default = "default_betas")]
    pub betas: (f64, f64),
    /// Added to the root of the second moment; positive.
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// Decay, part of what the ratio scales; not negative.
    #[serde(default = "default_weight_decay")]
    pub weight_decay: f64,
}

impl Rule for Lamb {
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
        let mut update = self.adam().direction(gradient, slots, step.number)?;
        update.try_axpy(1.0, parameter, step.weight_decay).map_err(Error::device)?;
        let ratio = match step.adaptation {
            Adaptation::Included => ratio(parameter, &update)?,
            Adaptation::Excluded => 1.0,
        };
        parameter.try_axpy(1.0, &update, -step.lr * ratio).map_err(Error::device)
    }
}

impl Lamb {
    fn adam(&self) -> Adam {
        Adam { betas: self.betas, eps: self.eps }
    }
}

fn ratio<D: Descent>(parameter: &Vector<f32, D>, update: &Vector<f32, D>) -> Result<f64, Error> {
    let [p, u] = [parameter, update].map(|vector| norm(slice::from_ref(vector)));
    let (p, u) = (p?, u?);
    Ok(if p > 0.0 && u > 0.0 { p / u } else { 1.0 })
}

fn default_eps() -> f64 {
    1e-6
}

fn default_weight_decay() -> f64 {
    0.01
}
