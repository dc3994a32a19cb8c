//! Sharpness-aware minimisation: the gradient is taken at the worst place nearby.

use serde::{Deserialize, Serialize};
use trickbag_ops::{Descent, Vector};

use crate::Error;
use crate::range::{at_least_one, positive};
use crate::vectors::{check_like, finite_norm};

/// Keeps a gradient of zero from dividing by zero.
const EPS: f64 = 1e-12;

/// Sharpness-aware minimisation (Foret et al., arXiv 2010.01412): an update has two passes over its
/// batch. The first gives gradients at the parameters, [`perturb`](Self::perturb) climbs along them,
/// and the gradients of the second pass, taken up there, go to the optimiser, which updates the
/// parameters themselves.
///
/// Convention: the climb follows the gradients of the loss, without weight decay, which is the
/// optimiser's. The running statistics of batch norm are those of the first pass, so the second is
/// given a copy that is thrown away. With data-parallel workers or micro-batches each takes its own
/// climb (the paper's m-sharpness).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sam {
    /// Length of the climb, the norm over all parameters; positive, in the paper 0.05 to 0.2.
    pub rho: f64,
    /// Every so-manieth update has the second pass, the others are plain; at least 1.
    #[serde(default = "one")]
    pub every: u64,
}

impl Sam {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the first setting out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        positive("rho", self.rho)?;
        at_least_one("every", self.every)
    }

    /// Whether the update after `done` others has the second pass: the last of each `every`, as in
    /// Composer.
    pub fn applies(&self, done: u64) -> bool {
        (done + 1).is_multiple_of(self.every)
    }

    /// The parameters where the second pass takes its gradients: `p + rho * g / (|g| + 1e-12)`, with
    /// the norm over all gradients.
    ///
    /// Frozen parameters must not count: see [`without_frozen`](crate::without_frozen).
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use trickbag_optim::Sam;
    ///
    /// let dev = Cpu::default();
    /// let parameters = [dev.tensor_from_vec(vec![1.0, 2.0], (2,))];
    /// let gradients = [dev.tensor_from_vec(vec![30.0, 40.0], (2,))];
    /// let climbed = Sam { rho: 0.5, every: 1 }.perturb(&parameters, &gradients)?;
    /// assert_eq!(climbed[0].as_vec(), [1.3, 2.4]);
    /// # Ok::<(), trickbag_optim::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::GradientNorm`] for gradients that are not finite, [`Error::Mismatch`] for lists that
    /// do not belong together, [`Error::Ops`] for a failing device.
    pub fn perturb<D: Descent>(
        &self,
        parameters: &[Vector<f32, D>],
        gradients: &[Vector<f32, D>],
    ) -> Result<Vec<Vector<f32, D>>, Error> {
        check_like("gradients", gradients, parameters)?;
        let length = self.rho / (finite_norm(gradients)? + EPS);
        let mut climbed = parameters.to_vec();
        for (parameter, gradient) in climbed.iter_mut().zip(gradients) {
            parameter.try_axpy(1.0, gradient, length).map_err(Error::device)?;
        }
        Ok(climbed)
    }
}

fn one() -> u64 {
    1
}
