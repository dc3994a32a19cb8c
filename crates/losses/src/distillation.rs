//! Knowledge distillation: a network learns from labels and from a teacher's answers.

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use serde::{Deserialize, Serialize};
use trickbag_ops::{Backend, Matrix, Vector};

use crate::cross_entropy::{check, of_rows, shares};
use crate::{Error, Loss};

/// Settings of [`distillation`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distillation {
    /// What the logits of both networks are divided by, T; positive. The Bag of Tricks paper has 20.
    pub temperature: f64,
    /// Share of the teacher in the loss, w, from 0 to 1; the labels have the rest.
    pub weight: f64,
}

/// Mean over the batch of `(1 - w) · CE(targets, logits) + w · T² · KL(teacher ‖ student)`, where
/// teacher and student are the softmax of their logits divided by T.
///
/// `logits`, `targets` and `teacher_logits` are `(batch, classes)`. The teacher has seen the same
/// images, augmented and mixed alike; no gradient goes to it. The value and the gradient are
/// computed in `f32`.
///
/// Convention (Hinton et al., arXiv 1503.02531, section 2): the factor T² keeps the share of the
/// teacher in the gradient when T changes. The Bag of Tricks paper (arXiv 1812.01187, section 5.3)
/// adds the two parts without w; its authors' code has w = 1/2.
///
/// ```
/// use dfdx::prelude::*;
/// use trickbag_losses::{CrossEntropy, Distillation, distillation};
/// use trickbag_ops::Matrix;
///
/// let dev = Cpu::default();
/// let logits: Matrix<f32, Cpu> = dev.tensor_from_vec(vec![2.0, 0.0, -1.0], (1, 3));
/// let targets = CrossEntropy::default().targets(&[0], 3, &dev)?;
/// let taught = Distillation { temperature: 4.0, weight: 1.0 };
/// let agreed = distillation(logits.leaky_trace(), &targets, &logits, taught)?;
/// assert_eq!(agreed.value(), 0.0); // the teacher has nothing to add
/// # Ok::<(), trickbag_losses::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Shape`] for operands that do not match the logits, [`Error::Setting`] for a setting out
/// of its range, [`Error::Ops`] for a failing device.
pub fn distillation<E: Dtype, D: Backend<E>, T: Tape<E, D>>(
    logits: Matrix<E, D, T>,
    targets: &Matrix<f32, D>,
    teacher_logits: &Matrix<f32, D>,
    settings: Distillation,
) -> Result<Loss<E, D, T>, Error> {
    settings.validate()?;
    let shape = *logits.shape();
    check("targets", targets.shape(), &shape)?;
    check("the teacher's logits", teacher_logits.shape(), &shape)?;
    let share = shares::<D>(None, shape.0, logits.device())?;
    let z = <D as Backend<E>>::to_f32(logits.retaped::<NoneTape>())?;
    let computed = settings.of_rows(z, targets, teacher_logits.clone(), share);
    let (value, gradient) = computed.map_err(Error::device)?;
    Ok(Loss { value, logits, gradient })
}

impl Distillation {
    /// Checks both settings.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the first one out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { temperature, weight } = *self;
        if temperature <= 0.0 || !temperature.is_finite() {
            let (field, expected) = ("temperature", "a positive number");
            return Err(Error::Setting { field, found: temperature, expected });
        }
        match (0.0..=1.0).contains(&weight) {
            true => Ok(()),
            false => Err(Error::Setting {
                field: "weight",
                found: weight,
                expected: "a number from 0 to 1",
            }),
        }
    }

    fn of_rows<D: Device<f32>>(
        &self,
        z: Matrix<f32, D>,
        targets: &Matrix<f32, D>,
        teacher: Matrix<f32, D>,
        share: Vector<f32, D>,
    ) -> Result<(f32, Matrix<f32, D>), D::Err> {
        let (hard, hard_gradient) = of_rows(z.clone(), targets, share.clone())?;
        let temperature = self.temperature as f32;
        let softened = z.try_div(temperature)?;
        let taught = teacher.try_div(temperature)?;
        let (soft, soft_gradient) = divergence(softened, taught, share)?;
        let (hard_weight, soft_weight) =
            (1.0 - self.weight, self.weight * self.temperature.powi(2));
        let value = hard_weight * f64::from(hard) + soft_weight * f64::from(soft);
        // d (z / T) / d z = 1 / T
        let mut gradient = soft_gradient;
        gradient.try_axpy(soft_weight / self.temperature, &hard_gradient, hard_weight)?;
        Ok((value as f32, gradient))
    }
}

/// `Σ shareᵢ · KL(softmax(teacherᵢ) ‖ softmax(zᵢ))` over the rows `i`, and its gradient for `z`.
fn divergence<D: Device<f32>>(
    z: Matrix<f32, D>,
    teacher: Matrix<f32, D>,
    share: Vector<f32, D>,
) -> Result<(f32, Matrix<f32, D>), D::Err> {
    let shape = *z.shape();
    let log_q = teacher.try_log_softmax::<Axis<1>>()?;
    let log_p = z.try_log_softmax::<Axis<1>>()?;
    let (q, p) = (log_q.clone().try_exp()?, log_p.clone().try_exp()?);
    let share = share.try_broadcast_like::<_, Axis<1>>(&shape)?;
    let terms = q.clone().try_mul(log_q.try_sub(log_p)?)?.try_mul(share.clone())?;
    let value = terms.try_sum::<(), _>()?.as_vec()[0];
    Ok((value, p.try_sub(q)?.try_mul(share)?))
}
