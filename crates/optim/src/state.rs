//! An optimiser at work: its update and the state that it carries from step to step.

use dfdx::prelude::*;
use trickbag_ops::{Descent, Momentum, SgdStep, Vector};
use trickbag_param_groups::{Group, Training};

use crate::{AdamW, Error, Optimizer, Sgd};

/// An optimiser and what it remembers of each parameter, in `f32`.
#[derive(Debug, Clone)]
pub struct State<D: Device<f32>> {
    optimizer: Optimizer,
    steps: u64,
    slots: Vec<Slot<D>>,
}

/// One remembered value per parameter, such as the momentum.
#[derive(Debug, Clone)]
pub struct Slot<D: Device<f32>> {
    /// PyTorch's name: `momentum_buffer`, `exp_avg` or `exp_avg_sq`.
    pub name: &'static str,
    /// In the order and of the shapes of the parameters.
    pub values: Vec<Vector<f32, D>>,
}

impl<D: Descent> State<D> {
    /// The state before the first step: all zeros.
    ///
    /// # Errors
    ///
    /// Those of [`Optimizer::validate`], and [`Error::Ops`] where the device has no room.
    pub fn new(optimizer: Optimizer, parameters: &[Vector<f32, D>]) -> Result<Self, Error> {
        optimizer.validate()?;
        let names: &[&str] = match optimizer {
            Optimizer::Sgd(Sgd { momentum: 0.0, .. }) => &[],
            Optimizer::Sgd(_) => &["momentum_buffer"],
            Optimizer::AdamW(_) => &["exp_avg", "exp_avg_sq"],
        };
        let zeros = |p: &Vector<f32, D>| p.device().try_zeros_like(p.shape());
        let slot = |name: &&'static str| -> Result<_, Error> {
            let values = parameters.iter().map(zeros).collect::<Result<_, _>>();
            Ok(Slot { name, values: values.map_err(Error::device)? })
        };
        let slots = names.iter().map(slot).collect::<Result<_, _>>()?;
        Ok(Self { optimizer, steps: 0, slots })
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// What to save, together with [`steps`](Self::steps).
    pub fn slots(&self) -> &[Slot<D>] {
        &self.slots
    }

    /// Puts saved values back: for each slot, by its name, the values of each parameter.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] where `saved` has not exactly the values that the parameters need, and
    /// whatever `saved` returns.
    pub fn restore<F: From<Error>>(
        &mut self,
        steps: u64,
        mut saved: impl FnMut(&'static str, usize) -> Result<Vec<f32>, F>,
    ) -> Result<(), F> {
        for slot in &mut self.slots {
            for (index, value) in slot.values.iter_mut().enumerate() {
                let found = saved(slot.name, index)?;
                let what = || format!("saved values of {} {index}", slot.name);
                check(what, found.len(), value.shape().0)?;
                value.copy_from(&found);
            }
        }
        self.steps = steps;
        Ok(())
    }

    /// Updates the parameters: one step with learning rate `lr`, each parameter by its group.
    ///
    /// Frozen parameters keep their values and state.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] for lists that do not belong to the parameters, before anything is
    /// updated; [`Error::Ops`] for a failing device.
    pub fn update(
        &mut self,
        parameters: &mut [Vector<f32, D>],
        gradients: Vec<Vector<f32, D>>,
        groups: &[Group],
        lr: f64,
    ) -> Result<(), Error> {
        check(|| "gradients".into(), gradients.len(), parameters.len())?;
        check(|| "groups".into(), groups.len(), parameters.len())?;
        for slot in &self.slots {
            check(|| slot.name.into(), slot.values.len(), parameters.len())?;
        }
        self.steps += 1;
        let each = parameters.iter_mut().zip(gradients).zip(groups).enumerate();
        for (index, ((parameter, gradient), group)) in each {
            if group.training == Training::Trainable {
                let lr = lr * group.lr_multiplier;
                let step = Step { lr, decay: group.weight_decay, number: self.steps };
                let slots = self.slots.iter_mut().map(|slot| &mut slot.values[index]);
                match &self.optimizer {
                    Optimizer::Sgd(sgd) => sgd.update(parameter, gradient, slots, step),
                    Optimizer::AdamW(adamw) => {
                        adamw.update(parameter, &gradient, slots, step).map_err(Error::device)
                    }
                }?;
            }
        }
        Ok(())
    }
}

/// The numbers of one parameter's update.
#[derive(Clone, Copy)]
struct Step {
    lr: f64,
    decay: f64,
    /// From 1.
    number: u64,
}

impl Sgd {
    fn update<'a, D: Descent>(
        &self,
        parameter: &mut Vector<f32, D>,
        gradient: Vector<f32, D>,
        mut slots: impl Iterator<Item = &'a mut Vector<f32, D>>,
        Step { lr, decay, .. }: Step,
    ) -> Result<(), Error> {
        let step = SgdStep {
            lr: lr as f32,
            momentum: self.momentum as f32,
            kind: if self.nesterov { Momentum::Nesterov } else { Momentum::Classical },
            weight_decay: decay as f32,
        };
        Ok(D::sgd(parameter, gradient, slots.next(), step)?)
    }
}

impl AdamW {
    fn update<'a, D: Device<f32>>(
        &self,
        parameter: &mut Vector<f32, D>,
        gradient: &Vector<f32, D>,
        mut slots: impl Iterator<Item = &'a mut Vector<f32, D>>,
        Step { lr, decay, number }: Step,
    ) -> Result<(), D::Err> {
        let (Some(mean), Some(square)) = (slots.next(), slots.next()) else {
            return Ok(());
        };
        let (beta1, beta2) = self.betas;
        mean.try_axpy(beta1, gradient, 1.0 - beta1)?;
        square.try_axpy(beta2, &gradient.clone().try_square()?, 1.0 - beta2)?;
        let correction = |beta: f64| 1.0 - beta.powf(number as f64);
        let root = square.clone().try_sqrt()?.try_div(correction(beta2).sqrt() as f32)?;
        let direction = mean.clone().try_div(root.try_add(self.eps as f32)?)?;
        parameter.try_axpy(1.0 - lr * decay, &direction, -lr / correction(beta1))
    }
}

fn check(what: impl FnOnce() -> String, found: usize, expected: usize) -> Result<(), Error> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::Mismatch { what: what(), found, expected }),
    }
}
