//! Binary cross entropy: each class is a question of its own.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use serde::{Deserialize, Serialize};
use trickbag_ops::{Backend, Matrix};

use crate::cross_entropy::check;
use crate::{Error, Loss};

/// Settings of [`binary_cross_entropy`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinaryCrossEntropy {
    /// Targets above this become 1 and all others 0, so that an image mixed of two classes *is*
    /// both; in `[0, 1)`. Left out, targets stay as they are. (Wightman et al., "ResNet strikes
    /// back", arXiv 2110.00476; timm's settings for it have 0.2.)
    #[serde(default)]
    pub target_threshold: Option<f64>,
    /// How the losses of the classes become one.
    #[serde(default)]
    pub reduction: Reduction,
}

/// How the losses of a sample's classes become one; over the batch the mean is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reduction {
    /// Their mean (PyTorch's and timm's default): the loss, and with it the fitting learning rate,
    /// does not grow with the number of classes.
    #[default]
    Mean,
    /// Their sum (timm's `sum_classes`).
    SumClasses,
}

/// Mean over the batch, and mean or sum over the classes, of
/// `-target · log σ(logit) - (1 - target) · log(1 - σ(logit))`.
///
/// `logits` and `targets` are `(batch, classes)`; targets are in `[0, 1]`, hard, smoothed or mixed.
/// The value and the gradient are computed in `f32`, stable for huge logits.
///
/// Convention: targets are smoothed as for the cross entropy, with eps/K on every class (timm).
///
/// ```
/// use dfdx::prelude::*;
/// use trickbag_losses::{BinaryCrossEntropy, binary_cross_entropy};
/// use trickbag_ops::Matrix;
///
/// let dev = Cpu::default();
/// let logits: Matrix<f32, Cpu> = dev.tensor_from_vec(vec![0.0, 0.0, 0.0, 0.0], (1, 4));
/// let mixed: Matrix<f32, Cpu> = dev.tensor_from_vec(vec![0.7, 0.0, 0.3, 0.0], (1, 4));
/// let strict = BinaryCrossEntropy { target_threshold: Some(0.2), ..Default::default() };
/// let loss = binary_cross_entropy(logits.leaky_trace(), &mixed, strict)?;
/// assert!((loss.value() - 2.0_f32.ln()).abs() < 1e-6);
/// let gradient = loss.scaled(1.0)?.backward().get(&logits);
/// assert_eq!(gradient.as_vec(), [-0.125, 0.125, -0.125, 0.125]); // both classes are true
/// # Ok::<(), trickbag_losses::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Shape`] for targets that do not match the logits, [`Error::Setting`] for a threshold
/// outside `[0, 1)`, [`Error::Ops`] for a failing device.
pub fn binary_cross_entropy<E: Dtype, D: Backend<E>, T: Tape<E, D>>(
    logits: Matrix<E, D, T>,
    targets: &Matrix<f32, D>,
    settings: BinaryCrossEntropy,
) -> Result<Loss<E, D, T>, Error> {
    settings.validate()?;
    let shape = *logits.shape();
    check("targets", targets.shape(), &shape)?;
    let z = <D as Backend<E>>::to_f32(logits.retaped::<NoneTape>())?;
    let divisor = match settings.reduction {
        Reduction::Mean => shape.0 * shape.1,
        Reduction::SumClasses => shape.0,
    };
    let computed = settings.targets(targets).and_then(|t| of_elements(z, t, 1.0 / divisor as f32));
    let (value, gradient) = computed.map_err(Error::device)?;
    Ok(Loss { value, logits, gradient })
}

impl BinaryCrossEntropy {
    /// Checks the threshold.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for one outside `[0, 1)`.
    pub fn validate(&self) -> Result<(), Error> {
        match self.target_threshold {
            Some(found) if !(0.0..1.0).contains(&found) => Err(Error::Setting {
                field: "target_threshold",
                found,
                expected: "a number from 0 up to, but not including, 1",
            }),
            _ => Ok(()),
        }
    }

    fn targets<D: Device<f32>>(&self, targets: &Matrix<f32, D>) -> Result<Matrix<f32, D>, D::Err> {
        let Some(threshold) = self.target_threshold else {
            return Ok(targets.clone());
        };
        let (dev, shape) = (targets.device(), targets.shape());
        let (ones, zeros) = (dev.try_ones_like(shape)?, dev.try_zeros_like(shape)?);
        targets.try_gt(threshold as f32)?.try_choose(ones, zeros)
    }
}

/// `share` times the sum of `max(z, 0) - z · target + log(1 + exp(-|z|))`, and its gradient,
/// `share · (σ(z) - target)`.
fn of_elements<D: Device<f32>>(
    z: Matrix<f32, D>,
    targets: Matrix<f32, D>,
    share: f32,
) -> Result<(f32, Matrix<f32, D>), D::Err> {
    let tail = z.clone().try_abs()?.try_negate()?.try_exp()?.try_add(1.0)?.try_ln()?;
    let product = z.clone().try_mul(targets.clone())?;
    let losses = z.clone().try_relu()?.try_sub(product)?.try_add(tail)?;
    let value = losses.try_mul(share)?.try_sum::<(), _>()?.as_vec()[0];
    let gradient = z.try_sigmoid()?.try_sub(targets)?.try_mul(share)?;
    Ok((value, gradient))
}
