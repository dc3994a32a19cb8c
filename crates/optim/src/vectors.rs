//! Lists of vectors, one for each parameter: whether two belong together, and sums over a list.

use dfdx::prelude::*;
use trickbag_ops::{Descent, Vector};

use crate::Error;

/// Euclidean norm of all values of a list together; see [`Descent::squared_sum`] for how it is
/// summed.
///
/// ```
/// use dfdx::prelude::*;
/// use trickbag_optim::norm;
///
/// let dev = Cpu::default();
/// let gradients = [dev.tensor_from_vec(vec![3.0, 0.0], (2,)), dev.tensor_from_vec(vec![4.0], (1,))];
/// assert_eq!(norm(&gradients)?, 5.0);
/// # Ok::<(), trickbag_optim::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Ops`] for a failing device.
pub fn norm<D: Descent>(vectors: &[Vector<f32, D>]) -> Result<f64, Error> {
    Ok(D::squared_sum(vectors)?.sqrt())
}

/// The norm of gradients; an error where it is not finite.
pub(crate) fn finite_norm<D: Descent>(gradients: &[Vector<f32, D>]) -> Result<f64, Error> {
    match norm(gradients)? {
        found if found.is_finite() => Ok(found),
        found => Err(Error::GradientNorm(found)),
    }
}

pub(crate) fn zeros_like<D: Device<f32>>(
    vectors: &[Vector<f32, D>],
) -> Result<Vec<Vector<f32, D>>, Error> {
    let zeros = |v: &Vector<f32, D>| v.device().try_zeros_like(v.shape());
    vectors.iter().map(zeros).collect::<Result<_, _>>().map_err(Error::device)
}

/// Moves `from` towards `to` by the share `weight` of the way.
///
/// This is PyTorch's `lerp`: unlike a weighted sum it keeps a value that both have to the bit.
pub(crate) fn lerp<D: Device<f32>>(
    from: &mut Vector<f32, D>,
    to: &Vector<f32, D>,
    weight: f64,
) -> Result<(), Error> {
    let way = to.clone().try_sub(from.clone()).map_err(Error::device)?;
    from.try_axpy(1.0, &way, weight).map_err(Error::device)
}

/// Refuses a list that has not one vector of the right length for each of `expected`.
pub(crate) fn check_like<D: Device<f32>>(
    what: &str,
    found: &[Vector<f32, D>],
    expected: &[Vector<f32, D>],
) -> Result<(), Error> {
    check_len(|| what.to_owned(), found.len(), expected.len())?;
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        check_len(|| format!("values of {what} {index}"), found.shape().0, expected.shape().0)?;
    }
    Ok(())
}

pub(crate) fn check_len(
    what: impl FnOnce() -> String,
    found: usize,
    expected: usize,
) -> Result<(), Error> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::Mismatch { what: what(), found, expected }),
    }
}
