//! Gradient clipping: by global norm, by value, and adaptively by the size of the weights.

use dfdx::prelude::*;
use serde::{Deserialize, Serialize};
use trickbag_ops::{Descent, Vector};

use crate::Error;
use crate::range::positive;
use crate::vectors::{check_len, check_like, finite_norm};

/// Added to the global norm, as PyTorch does.
const NORM_EPS: f64 = 1e-6;
/// Weights smaller than this count as this size (timm and the paper), so that zeros can move.
const SMALLEST_WEIGHTS: f64 = 1e-3;
/// Gradients smaller than this count as this size (timm).
const SMALLEST_GRADIENTS: f64 = 1e-6;

/// A limit for the gradients of an update.
///
/// Convention: gradients are unscaled first, then clipped, then used; once for each update, not for
/// each micro-batch. Clipping gradients that a loss scaler has scaled is the classic slip.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Clip {
    /// All gradients together get at most this Euclidean norm: they are multiplied by
    /// `limit / (norm + 1e-6)` where that is below 1 (Pascanu et al., arXiv 1211.5063; PyTorch's
    /// `clip_grad_norm_`).
    Norm(f64),
    /// Each number is kept between minus and plus this (PyTorch's `clip_grad_value_`).
    Value(f64),
    /// Each unit's gradient gets at most this times the norm of the unit's weights (Brock et al.,
    /// arXiv 2102.06171, section 4; timm's `adaptive_clip_grad`; the paper's lambda, there 0.01 to
    /// 0.16). A unit is what one output is computed from, see [`Units`]. Weights smaller than 1e-3
    /// count as 1e-3.
    Adaptive(f64),
}

/// What [`Clip::Adaptive`] takes for the units of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    /// One for each of so many outputs, the last axis of the shape: convolutions and linear layers.
    Outputs(usize),
    /// The parameter is one unit: biases and norm parameters (timm).
    Whole,
    /// It is not clipped: the paper leaves the last layer out.
    Unclipped,
}

impl Clip {
    /// Checks the limit.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for one that is not positive.
    pub fn validate(&self) -> Result<(), Error> {
        let (Self::Norm(limit) | Self::Value(limit) | Self::Adaptive(limit)) = self;
        positive("clipping limit", *limit)
    }

    /// The gradients within the limit, and their global norm before that.
    ///
    /// `parameters` and `units` are read by [`Clip::Adaptive`] alone. Frozen parameters must not
    /// count: see [`without_frozen`](crate::without_frozen).
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use trickbag_optim::{Clip, Units};
    ///
    /// let dev = Cpu::default();
    /// let parameters = [dev.tensor_from_vec(vec![1.0, 1.0], (2,))];
    /// let gradients = vec![dev.tensor_from_vec(vec![3.0, 4.0], (2,))];
    /// let (clipped, norm) = Clip::Norm(1.0).apply(gradients, &parameters, &[Units::Whole])?;
    /// assert_eq!(norm, 5.0);
    /// assert!((clipped[0][[0]] - 0.6).abs() < 1e-6);
    /// # Ok::<(), trickbag_optim::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::GradientNorm`] for gradients that are not finite, [`Error::Mismatch`] for lists that
    /// do not belong together, [`Error::Units`] for outputs that do not divide a parameter,
    /// [`Error::Ops`] for a failing device.
    pub fn apply<D: Descent>(
        &self,
        gradients: Vec<Vector<f32, D>>,
        parameters: &[Vector<f32, D>],
        units: &[Units],
    ) -> Result<(Vec<Vector<f32, D>>, f64), Error> {
        self.validate()?;
        check_like("gradients", &gradients, parameters)?;
        check_len(|| "units".into(), units.len(), parameters.len())?;
        let norm = finite_norm(&gradients)?;
        let clipped = match *self {
            Self::Norm(limit) => scaled(gradients, limit / (norm + NORM_EPS)),
            Self::Value(limit) => {
                gradients.into_iter().map(|g| g.try_clamp(-limit, limit)).collect()
            }
            Self::Adaptive(limit) => {
                return Ok((adapted(gradients, parameters, units, limit)?, norm));
            }
        };
        Ok((clipped.map_err(Error::device)?, norm))
    }
}

/// Times `factor` where that makes them smaller.
fn scaled<D: Device<f32>>(
    gradients: Vec<Vector<f32, D>>,
    factor: f64,
) -> Result<Vec<Vector<f32, D>>, D::Err> {
    match factor < 1.0 {
        true => gradients.into_iter().map(|g| g.try_mul(factor as f32)).collect(),
        false => Ok(gradients),
    }
}

fn adapted<D: Device<f32>>(
    mut gradients: Vec<Vector<f32, D>>,
    parameters: &[Vector<f32, D>],
    units: &[Units],
    limit: f64,
) -> Result<Vec<Vector<f32, D>>, Error> {
    let each = gradients.iter_mut().zip(parameters).zip(units).enumerate();
    for (index, ((gradient, parameter), units)) in each {
        let (len, outputs) = (gradient.shape().0, units.count());
        if outputs.is_some_and(|outputs| outputs == 0 || !len.is_multiple_of(outputs)) {
            return Err(Error::Units { index, len, outputs: outputs.unwrap_or(0) });
        }
        if let Some(outputs) = outputs {
            let mut values = gradient.as_vec();
            adapt(&mut values, &parameter.as_vec(), outputs, limit);
            gradient.copy_from(&values);
        }
    }
    Ok(gradients)
}

impl Units {
    fn count(self) -> Option<usize> {
        match self {
            Self::Outputs(outputs) => Some(outputs),
            Self::Whole => Some(1),
            Self::Unclipped => None,
        }
    }
}

fn adapt(gradient: &mut [f32], weights: &[f32], outputs: usize, limit: f64) {
    let norms = unit_norms(weights, outputs).into_iter().zip(unit_norms(gradient, outputs));
    let factor = |(weights, gradient): (f64, f64)| {
        let longest = weights.max(SMALLEST_WEIGHTS) * limit;
        if gradient < longest { 1.0 } else { longest / gradient.max(SMALLEST_GRADIENTS) }
    };
    let factors: Vec<f32> = norms.map(|norms| factor(norms) as f32).collect();
    for row in gradient.chunks_exact_mut(outputs) {
        row.iter_mut().zip(&factors).for_each(|(value, factor)| *value *= factor);
    }
}

/// The norm of each output's values; outputs are the last axis.
fn unit_norms(values: &[f32], outputs: usize) -> Vec<f64> {
    let mut sums = vec![0.0; outputs];
    for row in values.chunks_exact(outputs) {
        let squares = row.iter().map(|&value| f64::from(value) * f64::from(value));
        sums.iter_mut().zip(squares).for_each(|(sum, square)| *sum += square);
    }
    sums.into_iter().map(f64::sqrt).collect()
}
