//! Lists of vectors, one for each parameter: whether two belong together, and sums over a list.

use dfdx::prelude::*;
use trickbag_ops::Vector;

use crate::Error;

/// Euclidean norm of all values of a list together.
///
/// It is summed in `f64`, in an order that follows from the lengths alone, so that it is the same
/// on any number of threads. The values are copied to the host for that: on CUDA, dfdx's own sum
/// adds in whatever order its threads finish, and in `f32`.
///
/// ```
/// use dfdx::prelude::*;
/// use trickbag_optim::norm;
///
/// let dev = Cpu::default();
/// let gradients = [dev.tensor_from_vec(vec![3.0, 0.0], (2,)), dev.tensor_from_vec(vec![4.0], (1,))];
/// assert_eq!(norm(&gradients), 5.0);
/// ```
pub fn norm<D: Device<f32>>(vectors: &[Vector<f32, D>]) -> f64 {
    vectors.iter().map(|vector| squared_sum(&vector.as_vec())).sum::<f64>().sqrt()
}

/// The norm of gradients; an error where it is not finite.
pub(crate) fn finite_norm<D: Device<f32>>(gradients: &[Vector<f32, D>]) -> Result<f64, Error> {
    match norm(gradients) {
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

/// Sums in lanes, which the compiler can keep in vector registers.
fn squared_sum(values: &[f32]) -> f64 {
    const LANES: usize = 16;
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    let rest = rest.iter().map(|&value| f64::from(value) * f64::from(value));
    sums.into_iter().chain(rest).sum()
}
