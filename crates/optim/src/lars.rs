//! LARS: stochastic gradient descent with a rate for each layer.

use std::slice;

use serde::{Deserialize, Serialize};
use trickbag_ops::{Descent, Vector};
use trickbag_param_groups::Lars as Adaptation;

use crate::Error;
use crate::optimizer::{Rule, Slots, Step};
use crate::range::positive;
use crate::sgd::{check_momentum, descent, velocity};
use crate::vectors::norm;

/// Keeps the ratio finite where gradient and decay are tiny.
const EPS: f64 = 1e-8;

/// Layer-wise adaptive rate scaling (You, Gitman and Ginsburg, arXiv 1708.03888): SGD in which
/// each layer's step is in proportion to its weights, for large batches.
///
/// Convention (timm): gradient and decay, `g + weight_decay * p`, are multiplied by the ratio
/// `trust_coefficient * |p| / (|g| + weight_decay * |p| + 1e-8)` before they enter the momentum; the
/// learning rate stays outside. (optax puts it inside.) The ratio is 1 where a norm is 0, and for
/// parameters whose group says [`Lars::Excluded`](trickbag_param_groups::Lars): biases and norm
/// parameters, as [`Rule::no_lars`](trickbag_param_groups::Rule::no_lars) has it. timm adapts
/// wherever there is weight decay instead.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lars {
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
    /// How far a layer may move for its size (the paper's eta); positive.
    #[serde(default = "default_trust")]
    pub trust_coefficient: f64,
}

impl Rule for Lars {
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
        check_momentum(self.momentum, self.nesterov)?;
        positive("trust_coefficient", self.trust_coefficient)
    }

    fn update<D: Descent>(
        &self,
        parameter: &mut Vector<f32, D>,
        mut gradient: Vector<f32, D>,
        slots: Slots<'_, D>,
        step: Step,
    ) -> Result<(), Error> {
        let ratio = match step.adaptation {
            Adaptation::Included => self.ratio(parameter, &gradient, step.weight_decay)?,
            Adaptation::Excluded => 1.0,
        };
        gradient.try_axpy(ratio, parameter, ratio * step.weight_decay).map_err(Error::device)?;
        let step = descent(step.lr, self.momentum, self.nesterov, 0.0);
        Ok(D::sgd(parameter, gradient, slots.into_iter().next(), step)?)
    }
}

impl Lars {
    fn ratio<D: Descent>(
        &self,
        parameter: &Vector<f32, D>,
        gradient: &Vector<f32, D>,
        weight_decay: f64,
    ) -> Result<f64, Error> {
        let [p, g] = [parameter, gradient].map(|vector| norm(slice::from_ref(vector)));
        let (p, g) = (p?, g?);
        Ok(if p > 0.0 && g > 0.0 {
            self.trust_coefficient * p / (g + weight_decay * p + EPS)
        } else {
            1.0
        })
    }
}

fn default_trust() -> f64 {
    0.001
}
