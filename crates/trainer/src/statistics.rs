//! Batch-norm statistics as the list of vectors that averages keep.

use dfdx::prelude::*;
use trickbag_models::RunningStatistics;
use trickbag_ops::{BatchStatistics, Vector};

/// Mean and variance of each norm, one after the other.
pub(crate) fn flat<D: Device<f32>>(statistics: &RunningStatistics<D>) -> Vec<Vector<f32, D>> {
    statistics.iter().flat_map(|norm| [norm.mean.clone(), norm.var.clone()]).collect()
}

/// The inverse of [`flat`].
pub(crate) fn unflat<D: Device<f32>>(vectors: &[Vector<f32, D>]) -> RunningStatistics<D> {
    let pairs = vectors.chunks_exact(2);
    let norm =
        |pair: &[Vector<f32, D>]| BatchStatistics { mean: pair[0].clone(), var: pair[1].clone() };
    RunningStatistics(pairs.map(norm).collect())
}
