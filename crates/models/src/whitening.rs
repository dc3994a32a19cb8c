//! The filter of a whitening first layer, from the training images.

use dfdx::prelude::Device;

use crate::airbench::PATCH;
use crate::initialise::vector;
use crate::network::Update;
use crate::{Error, Network, Parameters};

/// Added to each eigenvalue before the square root, as in airbench94.
const EPS: f64 = 5e-4;

impl Network {
    /// Replaces the filter of [`Airbench94`](crate::Airbench94)'s first layer by one that whitens
    /// patches of these images, as they enter the network: `(batch, height, width, channels)`,
    /// normalised. airbench94 takes the first 5,000 training images.
    ///
    /// The filters are the eigenvectors of the patches' second moments (not centred), largest
    /// eigenvalue first, divided by the square root of eigenvalue plus 5e-4; then the same with the
    /// opposite sign. An eigenvector's own sign is arbitrary; here its largest value is positive.
    ///
    /// # Errors
    ///
    /// [`Error::NoWhitening`] for a network without such a layer, [`Error::Images`] for values that
    /// are no images of this shape, and [`Error::Ops`] for a failing device.
    pub fn whiten<D: Device<f32>>(
        &self,
        parameters: &mut Parameters<f32, D>,
        images: &[f32],
        shape: [usize; 4],
        dev: &D,
    ) -> Result<(), Error> {
        let fixed = self.parameters.iter().position(|spec| spec.update == Update::Fixed);
        let index = fixed.ok_or(Error::NoWhitening)?;
        let [_, height, width, channels] = shape;
        let fits = images.len() == shape.iter().product::<usize>() && !images.is_empty();
        if !fits || height < PATCH || width < PATCH || channels != self.in_channels {
            return Err(Error::Images { values: images.len(), shape, channels: self.in_channels });
        }
        parameters[index] = vector(dev, filter(&second_moments(images, shape)))?;
        Ok(())
    }
}

/// `Σ patch · patchᵀ / n`; a patch is its pixels row by row, with their channels.
fn second_moments(images: &[f32], [batch, height, width, channels]: [usize; 4]) -> Vec<Vec<f64>> {
    let size = PATCH * PATCH * channels;
    let mut sums = vec![vec![0.0; size]; size];
    let mut patch = Vec::with_capacity(size);
    for image in 0..batch {
        for (y, x) in (0..=height - PATCH).flat_map(|y| (0..=width - PATCH).map(move |x| (y, x))) {
            patch.clear();
            for row in y..y + PATCH {
                let start = ((image * height + row) * width + x) * channels;
                patch.extend(images[start..start + PATCH * channels].iter().map(|&v| f64::from(v)));
            }
            for (sums, &a) in sums.iter_mut().zip(&patch) {
                for (sum, &b) in sums.iter_mut().zip(&patch) {
                    *sum += a * b;
                }
            }
        }
    }
    let count = (batch * (height - PATCH + 1) * (width - PATCH + 1)) as f64;
    sums.iter_mut().flatten().for_each(|sum| *sum /= count);
    sums
}

/// The filter in Trickbag's layout: a row for each value of a patch, a column for each output.
fn filter(moments: &[Vec<f64>]) -> Vec<f32> {
    let mut pairs = eigenpairs(moments);
    pairs.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let columns: Vec<Vec<f64>> = pairs
        .into_iter()
        .map(|(value, vector)| {
            let scale = 1.0 / (value.max(0.0) + EPS).sqrt();
            let largest =
                vector.iter().fold(0.0, |m: f64, &v| if v.abs() > m.abs() { v } else { m });
            vector.into_iter().map(|v| v * scale * largest.signum()).collect()
        })
        .collect();
    let row = |i: usize| {
        let half = columns.iter().map(move |column| column[i] as f32);
        half.clone().chain(half.map(|v| -v))
    };
    (0..moments.len()).flat_map(row).collect()
}

/// Eigenvalues and unit eigenvectors of a symmetric matrix, by Jacobi's rotations.
fn eigenpairs(matrix: &[Vec<f64>]) -> Vec<(f64, Vec<f64>)> {
    const SWEEPS: usize = 50;
    let n = matrix.len();
    let mut a = matrix.to_vec();
    // Row i becomes eigenvector i.
    let mut vectors: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect();
    for _ in 0..SWEEPS {
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut vectors, p, q);
            }
        }
    }
    (0..n).map(|i| a[i][i]).zip(vectors).collect()
}

/// Makes the entry `(p, q)` zero, for `p < q` (Golub and Van Loan, Matrix Computations, 8.5).
fn rotate(a: &mut [Vec<f64>], vectors: &mut [Vec<f64>], p: usize, q: usize) {
    if a[p][q] == 0.0 {
        return;
    }
    let tau = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let t = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
    let cos = 1.0 / (1.0 + t * t).sqrt();
    let sin = t * cos;
    for row in a.iter_mut() {
        (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
    }
    for rows in [a, vectors] {
        let (upper, lower) = rows.split_at_mut(q);
        for (x, y) in upper[p].iter_mut().zip(&mut lower[0]) {
            (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
        }
    }
}
