//! An optimiser at work: its update and the state that it carries from step to step.

use dfdx::prelude::Device;
use trickbag_ops::{Descent, Vector};
use trickbag_param_groups::{Group, Training};

use crate::optimizer::Step;
use crate::vectors::{check_len, check_like, zeros_like};
use crate::{Error, Optimizer, Slot};

/// An optimiser and what it remembers of each parameter, in `f32`.
#[derive(Debug, Clone)]
pub struct State<D: Device<f32>> {
    optimizer: Optimizer,
    steps: u64,
    slots: Vec<Slot<D>>,
}

impl<D: Descent> State<D> {
    /// The state before the first step: all zeros.
    ///
    /// # Errors
    ///
    /// Those of [`Optimizer::validate`], and [`Error::Ops`] where the device has no room.
    pub fn new(optimizer: Optimizer, parameters: &[Vector<f32, D>]) -> Result<Self, Error> {
        optimizer.validate()?;
        let slot = |&name| Ok(Slot { name, values: zeros_like(parameters)? });
        let slots = optimizer.rule().slots().iter().map(slot).collect::<Result<_, Error>>()?;
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

    /// Sets the share of the last update that the next steps keep, for a momentum on a schedule:
    /// SGD's, LARS's and RMSprop's `momentum`, the first of Adam's `betas`.
    ///
    /// It is not part of what is saved: call it before every step.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a momentum outside `[0, 1)`; [`Error::MadeWithoutMomentum`].
    pub fn set_momentum(&mut self, momentum: f64) -> Result<(), Error> {
        let optimizer = self.optimizer.with_momentum(momentum)?;
        if optimizer.rule().slots().len() > self.slots.len() {
            return Err(Error::MadeWithoutMomentum(momentum));
        }
        self.optimizer = optimizer;
        Ok(())
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
            slot.restore(&mut saved)?;
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
        check_like("gradients", &gradients, parameters)?;
        check_len(|| "groups".into(), groups.len(), parameters.len())?;
        for slot in &self.slots {
            check_like(slot.name, &slot.values, parameters)?;
        }
        self.steps += 1;
        let each = parameters.iter_mut().zip(gradients).zip(groups).enumerate();
        for (index, ((parameter, gradient), group)) in each {
            if group.training == Training::Trainable {
                let slots = self.slots.iter_mut().map(|slot| &mut slot.values[index]).collect();
                let step = Step {
                    lr: lr * group.lr_multiplier,
                    lr_share: lr / self.optimizer.lr(),
                    weight_decay: group.weight_decay,
                    adaptation: group.lars,
                    number: self.steps,
                };
                self.optimizer.update(parameter, gradient, slots, step)?;
            }
        }
        Ok(())
    }
}
