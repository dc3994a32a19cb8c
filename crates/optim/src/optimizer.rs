//! The optimisers to choose from: what a recipe's `optimizer` line says.

use serde::{Deserialize, Serialize};
use trickbag_ops::{Descent, Vector};
use trickbag_param_groups::Lars as Adaptation;

use crate::range::{not_negative, positive, share};
use crate::{AdamW, Error, Lamb, Lars, RmsProp, Sgd};

/// An optimiser and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// Adam with decoupled weight decay.
    AdamW(AdamW),
    /// Gradients over a running root mean square.
    RmsProp(RmsProp),
    /// SGD with a rate for each layer, for large batches.
    Lars(Lars),
    /// Adam with a rate for each layer, for large batches.
    Lamb(Lamb),
}

impl Optimizer {
    /// The learning rate before any schedule.
    pub fn lr(&self) -> f64 {
        self.rule().lr()
    }

    /// The weight decay of parameters that no rule treats otherwise.
    pub fn weight_decay(&self) -> f64 {
        self.rule().weight_decay()
    }

    /// The share of the last update that is kept, before any schedule: the momentum, or the first of
    /// Adam's betas.
    ///
    /// ```
    /// use trickbag_optim::{AdamW, Optimizer};
    ///
    /// let adamw = AdamW { lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.01 };
    /// assert_eq!(Optimizer::AdamW(adamw).momentum(), 0.9);
    /// ```
    pub fn momentum(&self) -> f64 {
        self.rule().momentum()
    }

    /// How many numbers it remembers of each number of a parameter.
    pub fn remembered(&self) -> usize {
        self.rule().slots().len()
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the first setting out of its range;
    /// [`Error::NesterovWithoutMomentum`].
    pub fn validate(&self) -> Result<(), Error> {
        let rule = self.rule();
        positive("lr", rule.lr())?;
        not_negative("weight_decay", rule.weight_decay())?;
        rule.validate()
    }

    /// The optimiser with another momentum; see [`State::set_momentum`](crate::State::set_momentum).
    pub(crate) fn with_momentum(mut self, momentum: f64) -> Result<Self, Error> {
        share("momentum", momentum)?;
        *match &mut self {
            Self::Sgd(Sgd { momentum, .. })
            | Self::RmsProp(RmsProp { momentum, .. })
            | Self::Lars(Lars { momentum, .. })
            | Self::AdamW(AdamW { betas: (momentum, _), .. })
            | Self::Lamb(Lamb { betas: (momentum, _), .. }) => momentum,
        } = momentum;
        Ok(self)
    }

    pub(crate) fn rule(&self) -> &dyn Rule {
        match self {
            Self::Sgd(sgd) => sgd,
            Self::AdamW(adamw) => adamw,
            Self::RmsProp(rms_prop) => rms_prop,
            Self::Lars(lars) => lars,
            Self::Lamb(lamb) => lamb,
        }
    }

    pub(crate) fn update<D: Descent>(
        &self,
        parameter: &mut Vector<f32, D>,
        gradient: Vector<f32, D>,
        slots: Slots<'_, D>,
        step: Step,
    ) -> Result<(), Error> {
        match self {
            Self::Sgd(sgd) => sgd.update(parameter, gradient, slots, step),
            Self::AdamW(adamw) => adamw.update(parameter, gradient, slots, step),
            Self::RmsProp(rms_prop) => rms_prop.update(parameter, gradient, slots, step),
            Self::Lars(lars) => lars.update(parameter, gradient, slots, step),
            Self::Lamb(lamb) => lamb.update(parameter, gradient, slots, step),
        }
    }
}

/// An optimiser's settings and its formula.
pub(crate) trait Rule {
    fn lr(&self) -> f64;

    fn weight_decay(&self) -> f64;

    fn momentum(&self) -> f64;

    /// What it remembers of each parameter.
    fn slots(&self) -> &'static [&'static str];

    /// Checks the settings that only this optimiser has.
    fn validate(&self) -> Result<(), Error>;

    /// One step of one parameter, whose remembered values come in the order of [`slots`](Self::slots).
    fn update<D: Descent>(
        &self,
        parameter: &mut Vector<f32, D>,
        gradient: Vector<f32, D>,
        slots: Slots<'_, D>,
        step: Step,
    ) -> Result<(), Error>
    where
        Self: Sized;
}

/// The remembered values of one parameter.
pub(crate) type Slots<'a, D> = Vec<&'a mut Vector<f32, D>>;

/// The numbers of one parameter's update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// The scheduled rate times the group's multiplier.
    pub(crate) lr: f64,
    /// The scheduled rate over the optimiser's own.
    pub(crate) lr_share: f64,
    pub(crate) weight_decay: f64,
    pub(crate) adaptation: Adaptation,
    /// From 1.
    pub(crate) number: u64,
}

/// Exactly `N` remembered values.
pub(crate) fn exactly<D: Descent, const N: usize>(
    slots: Slots<'_, D>,
) -> Result<[&mut Vector<f32, D>; N], Error> {
    slots.try_into().map_err(|slots: Slots<'_, D>| Error::Mismatch {
        what: "remembered values".into(),
        found: slots.len(),
        expected: N,
    })
}
