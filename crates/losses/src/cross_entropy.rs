//! Cross entropy between logits and target distributions.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use serde::{Deserialize, Serialize};
use trickbag_ops::{Backend, Matrix, Tensors, Vector};

use crate::Error;

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
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return Err(Error::Smoothing(self.label_smoothing));
        }
        let off = self.label_smoothing / classes as f64;
        let on = (1.0 - self.label_smoothing + off) as f32;
        let mut targets = vec![off as f32; labels.len() * classes];
        for (sample, (row, &label)) in targets.chunks_mut(classes).zip(labels).enumerate() {
            *row.get_mut(label as usize).ok_or(Error::Label { sample, label, classes })? = on;
        }
        dev.try_tensor_from_vec(targets, (labels.len(), classes)).map_err(Error::device)
    }
}

/// A loss in `f32`, and the way back to the logits that it came from.
#[derive(Debug)]
pub struct Loss<E: Dtype, D: Backend<E>, T> {
    value: f32,
    logits: Matrix<E, D, T>,
    /// Of the loss with respect to the logits.
    gradient: Matrix<f32, D>,
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
    let log_p = z.try_log_softmax::<Axis<1>>().map_err(Error::device)?;
    let negative = targets.clone().try_mul(log_p.clone()).and_then(|t| t.try_negate());
    let losses: Vector<f32, D> =
        negative.and_then(|t| t.try_sum::<_, Axis<1>>()).map_err(Error::device)?;
    let value = losses.try_mul(share.clone()).and_then(|l| l.try_sum::<(), _>());
    let value = value.map_err(Error::device)?.as_vec()[0];
    // d loss / d logits = share · (softmax · Σ target - target)
    let mass: Vector<f32, D> = targets.clone().try_sum::<_, Axis<1>>().map_err(Error::device)?;
    let mass = mass.try_broadcast_like::<_, Axis<1>>(&shape).map_err(Error::device)?;
    let gradient = log_p
        .try_exp()
        .and_then(|p| p.try_mul(mass))
        .and_then(|p| p.try_sub(targets.clone()))
        .map_err(Error::device)?;
    let share = share.try_broadcast_like::<_, Axis<1>>(&shape).map_err(Error::device)?;
    let gradient = gradient.try_mul(share).map_err(Error::device)?;
    Ok(Loss { value, logits, gradient })
}

impl<E: Dtype, D: Backend<E>, T: Tape<E, D>> Loss<E, D, T> {
    /// The loss: a non-negative number, or NaN where the logits are not finite.
    pub fn value(&self) -> f32 {
        self.value
    }

    /// A scalar on the logits' tape whose value and gradient are `scale` times the loss's.
    ///
    /// # Errors
    ///
    /// [`Error::Ops`] for a failing device.
    pub fn scaled(self, scale: f32) -> Result<Tensor<(), E, D, T>, Error> {
        let gradient = self.gradient.try_mul(scale).map_err(Error::device)?;
        Ok(<D as Tensors<E>>::scalar(self.logits, scale * self.value, gradient)?)
    }
}

/// The share of each sample in the mean: its weight over the sum of the weights.
fn shares<D: Device<f32>>(
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

fn check<S: Shape>(what: &'static str, found: &S, expected: &S) -> Result<(), Error> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::Shape {
            what,
            found: found.concrete().into(),
            expected: expected.concrete().into(),
        }),
    }
}
