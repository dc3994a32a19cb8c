//! Cross entropy between logits and target distributions.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use serde::{Deserialize, Serialize};
use trickbag_ops::{Backend, Matrix, Vector};

use crate::{Error, Loss};

/// Settings of the cross entropy, and the targets that follow from them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossEntropy {
    /// Probability that is spread evenly over all classes, in `[0, 1)`.
    #[serde(default)]
    pub label_smoothing: f64,
}

impl CrossEntropy {
    /// Target distributions `(batch, classes)` of hard labels.
    ///
    /// With smoothing `eps` and `K` classes every class gets `eps / K`, and the true one `1 - eps`
    /// on top (PyTorch, timm, gluon and optax; the equation of the Bag of Tricks paper writes
    /// `eps / (K - 1)` for the others). Szegedy et al., arXiv 1512.00567.
    ///
    /// # Errors
    ///
    /// [`Error::Label`] for a label that is no class, [`Error::Smoothing`] for a smoothing outside
    /// `[0, 1)`, [`Error::Ops`] for a failing device.
    pub fn targets<D: Device<f32>>(
        &self,
        labels: &[u32],
        classes: usize,
        dev: &D,
    ) -> Result<Matrix<f32, D>, Error> {
        let rows = self.target_rows(labels, classes)?;
        dev.try_tensor_from_vec(rows, (labels.len(), classes)).map_err(Error::device)
    }

    /// The same target distributions, row after row, in the host's memory: what
    /// [`Mix::targets`](crate::Mix::targets) mixes.
    ///
    /// # Errors
    ///
    /// [`Error::Label`] and [`Error::Smoothing`].
    pub fn target_rows(&self, labels: &[u32], classes: usize) -> Result<Vec<f32>, Error> {
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return Err(Error::Smoothing(self.label_smoothing));
        }
        let off = self.label_smoothing / classes as f64;
        let on = (1.0 - self.label_smoothing + off) as f32;
        let mut targets = vec![off as f32; labels.len() * classes];
        for (sample, (row, &label)) in targets.chunks_mut(classes).zip(labels).enumerate() {
            *row.get_mut(label as usize).ok_or(Error::Label { sample, label, classes })? = on;
        }
        Ok(targets)
    }
}

/// Mean over the batch of `-Σ target · log softmax(logits)`, each sample weighted.
///
/// `logits` and `targets` are `(batch, classes)`; rows of `targets` are distributions, hard,
/// smoothed or mixed. With `weights` `(batch,)` the mean is `Σ wᵢ lossᵢ / Σ wᵢ`. The value and the
/// gradient are computed in `f32`.
///
/// # Errors
///
/// [`Error::Shape`] for operands that do not match the logits, [`Error::Weights`] for weights whose
/// sum is not finite and positive, [`Error::Ops`] for a failing device.
pub fn cross_entropy<E: Dtype, D: Backend<E>, T: Tape<E, D>>(
    logits: Matrix<E, D, T>,
    targets: &Matrix<f32, D>,
    weights: Option<&Vector<f32, D>>,
) -> Result<Loss<E, D, T>, Error> {
    let shape = *logits.shape();
    check("targets", targets.shape(), &shape)?;
    let share = shares::<D>(weights, shape.0, logits.device())?;
    let z = <D as Backend<E>>::to_f32(logits.retaped::<NoneTape>())?;
    let (value, gradient) = of_rows(z, targets, share).map_err(Error::device)?;
    Ok(Loss { value, logits, gradient })
}

/// `Σ shareᵢ · -Σ target · log softmax(zᵢ)` over the rows `i`, and its gradient.
pub(crate) fn of_rows<D: Device<f32>>(
    z: Matrix<f32, D>,
    targets: &Matrix<f32, D>,
    share: Vector<f32, D>,
) -> Result<(f32, Matrix<f32, D>), D::Err> {
    let shape = *z.shape();
    let log_p = z.try_log_softmax::<Axis<1>>()?;
    let negative = targets.clone().try_mul(log_p.clone())?.try_negate()?;
    let losses: Vector<f32, D> = negative.try_sum::<_, Axis<1>>()?;
    let value = losses.try_mul(share.clone())?.try_sum::<(), _>()?.as_vec()[0];
    // d loss / d z = share · (softmax · Σ target - target)
    let mass: Vector<f32, D> = targets.clone().try_sum::<_, Axis<1>>()?;
    let mass = mass.try_broadcast_like::<_, Axis<1>>(&shape)?;
    let gradient = log_p.try_exp()?.try_mul(mass)?.try_sub(targets.clone())?;
    let share = share.try_broadcast_like::<_, Axis<1>>(&shape)?;
    Ok((value, gradient.try_mul(share)?))
}

/// The share of each sample in the mean: its weight over the sum of the weights.
pub(crate) fn shares<D: Device<f32>>(
    weights: Option<&Vector<f32, D>>,
    batch: usize,
    dev: &D,
) -> Result<Vector<f32, D>, Error> {
    let weights = match weights {
        None => vec![1.0; batch],
        Some(weights) => {
            check("weights", weights.shape(), &(batch,))?;
            weights.as_vec()
        }
    };
    let sum: f32 = weights.iter().sum();
    if sum <= 0.0 || !sum.is_finite() {
        return Err(Error::Weights(sum));
    }
    let shares = weights.into_iter().map(|w| w / sum).collect();
    dev.try_tensor_from_vec(shares, (batch,)).map_err(Error::device)
}

pub(crate) fn check<S: Shape>(what: &'static str, found: &S, expected: &S) -> Result<(), Error> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::Shape {
            what,
            found: found.concrete().into(),
            expected: expected.concrete().into(),
        }),
    }
}
