//! Lookahead: slow weights that follow the optimiser's fast ones.

use dfdx::prelude::*;
use serde::{Deserialize, Serialize};
use trickbag_ops::Vector;

use crate::range::{at_least_one, rule};
use crate::vectors::{check_like, lerp};
use crate::{Error, Slot};

/// Lookahead (Zhang et al., arXiv 1907.08610): every `every` updates slow weights take a step
/// `slow += alpha * (fast - slow)`, and the fast ones, which the optimiser updates, go back to them.
///
/// Convention (the paper): the slow weights start as the initial parameters. timm starts them at the
/// first synchronisation instead, which then does nothing. The optimiser's momentum is kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookahead {
    /// How far the slow weights go towards the fast ones, above 0 and at most 1; the paper has 0.5.
    pub alpha: f64,
    /// Updates from one synchronisation to the next (the paper's k); at least 1.
    pub every: u64,
}

impl Lookahead {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the first setting out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        let fits = self.alpha > 0.0 && self.alpha <= 1.0;
        rule(fits, "alpha", self.alpha, "a number above 0, at most 1")?;
        at_least_one("every", self.every)
    }
}

/// Lookahead at work: the slow weights, and when they move.
///
/// ```
/// use dfdx::prelude::*;
/// use trickbag_optim::{Lookahead, SlowWeights};
///
/// let mut parameters = vec![Cpu::default().tensor_from_vec(vec![0.0], (1,))];
/// let mut slow = SlowWeights::new(Lookahead { alpha: 0.5, every: 2 }, &parameters)?;
/// for _ in 0..2 {
///     parameters[0] = parameters[0].clone() + 1.0; // the optimiser's update
///     slow.update(&mut parameters)?;
/// }
/// assert_eq!(parameters[0].as_vec(), [1.0]); // half-way back from 2
/// # Ok::<(), trickbag_optim::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SlowWeights<D: Device<f32>> {
    settings: Lookahead,
    updates: u64,
    slots: [Slot<D>; 1],
}

impl<D: Device<f32>> SlowWeights<D> {
    /// Slow weights that start as the parameters.
    ///
    /// # Errors
    ///
    /// Those of [`Lookahead::validate`], and [`Error::Ops`] where the device has no room.
    pub fn new(settings: Lookahead, parameters: &[Vector<f32, D>]) -> Result<Self, Error> {
        settings.validate()?;
        let slots = [Slot { name: "slow", values: parameters.to_vec() }];
        Ok(Self { settings, updates: 0, slots })
    }

    /// Sets how far the slow weights go from here on, for an alpha on a schedule; 0 puts the
    /// parameters back to the slow weights. It is not part of what is saved.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for an alpha outside `[0, 1]`.
    pub fn set_alpha(&mut self, alpha: f64) -> Result<(), Error> {
        rule((0.0..=1.0).contains(&alpha), "alpha", alpha, "a number from 0 to 1")?;
        self.settings.alpha = alpha;
        Ok(())
    }

    /// Takes note of an update of the parameters, and synchronises where it is time to.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] for another list of parameters; [`Error::Ops`] for a failing device.
    pub fn update(&mut self, parameters: &mut [Vector<f32, D>]) -> Result<(), Error> {
        let [slow_weights] = &mut self.slots;
        check_like("slow weights", &slow_weights.values, parameters)?;
        self.updates += 1;
        if self.updates.is_multiple_of(self.settings.every) {
            for (slow, fast) in slow_weights.values.iter_mut().zip(parameters) {
                lerp(slow, fast, self.settings.alpha)?;
                fast.clone_from(slow);
            }
        }
        Ok(())
    }

    /// Updates seen so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// What to save, together with [`updates`](Self::updates).
    pub fn slots(&self) -> &[Slot<D>] {
        &self.slots
    }

    /// Puts saved values back: by the slot's name, the slow weights of each parameter.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] where `saved` has not exactly the values that the parameters need, and
    /// whatever `saved` returns.
    pub fn restore<F: From<Error>>(
        &mut self,
        updates: u64,
        mut saved: impl FnMut(&'static str, usize) -> Result<Vec<f32>, F>,
    ) -> Result<(), F> {
        for slot in &mut self.slots {
            slot.restore(&mut saved)?;
        }
        self.updates = updates;
        Ok(())
    }
}
