//! Batch normalisation of a matrix of pixels x channels, fused with a residual sum and a ReLU.

use crate::Error;
use crate::error::check_lengths;

/// What follows the normalisation (and the residual sum).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `max(z, 0)`.
    Relu,
}

/// Mean and biased variance of each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchStats {
    /// One mean per channel.
    pub mean: Vec<f32>,
    /// One variance per channel: the mean squared distance to the mean (divided by n, not n - 1).
    pub var: Vec<f32>,
}

/// Whether the statistics were functions of `x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistics {
    /// Mean and variance came from `x` itself, as in training.
    Batch,
    /// Mean and variance were constants, as in evaluation.
    Fixed,
}

/// Where [`batch_norm_backward`] adds its results.
#[derive(Debug)]
pub struct NormGradients<'a> {
    /// Gradient of the input, pixels x channels.
    pub x: &'a mut [f32],
    /// Gradient of the scale, one per channel.
    pub scale: &'a mut [f32],
    /// Gradient of the shift, one per channel.
    pub shift: &'a mut [f32],
    /// Gradient of the residual, pixels x channels, if there was one.
    pub residual: Option<&'a mut [f32]>,
}

/// Mean and biased variance of each channel of `x` (pixels x channels).
///
/// # Errors
///
/// [`Error::Zero`] for no channels, [`Error::Rows`] if `x` does not divide into at least one pixel.
pub fn batch_norm_stats(x: &[f32], channels: usize) -> Result<BatchStats, Error> {
    if channels == 0 {
        return Err(Error::Zero { dimension: "the number of channels" });
    }
    check_rows("batch_norm_stats", x, channels)?;
    let n = (x.len() / channels) as f64;
    let mut stats = BatchStats { mean: vec![0.0; channels], var: vec![0.0; channels] };
    for c in 0..channels {
        let column = || x.iter().skip(c).step_by(channels).map(|&v| f64::from(v));
        let mean = column().sum::<f64>() / n;
        stats.mean[c] = mean as f32;
        stats.var[c] = (column().map(|v| (v - mean).powi(2)).sum::<f64>() / n) as f32;
    }
    Ok(stats)
}

/// Overwrites `y` with `act((x - mean) / sqrt(var + eps) * scale + shift [+ residual])`.
///
/// # Errors
///
/// [`Error::Length`] or [`Error::Rows`] if a slice does not fit the others.
#[expect(clippy::too_many_arguments, reason = "the operands of one fused operator")]
pub fn batch_norm(
    x: &[f32],
    stats: &BatchStats,
    scale: &[f32],
    shift: &[f32],
    eps: f32,
    residual: Option<&[f32]>,
    activation: Activation,
    y: &mut [f32],
) -> Result<(), Error> {
    let operator = "batch_norm";
    let channels = stats.mean.len();
    check_rows(operator, x, channels)?;
    check_lengths(
        operator,
        &[
            ("stats.var", stats.var.len(), channels),
            ("scale", scale.len(), channels),
            ("shift", shift.len(), channels),
            ("residual", residual.map_or(x.len(), <[f32]>::len), x.len()),
            ("y", y.len(), x.len()),
        ],
    )?;
    for (i, y) in y.iter_mut().enumerate() {
        let c = i % channels;
        let z = (x[i] - stats.mean[c]) / (stats.var[c] + eps).sqrt() * scale[c]
            + shift[c]
            + residual.map_or(0.0, |r| r[i]);
        *y = match activation {
            Activation::Identity => z,
            Activation::Relu => z.max(0.0),
        };
    }
    Ok(())
}

/// Adds the gradients of [`batch_norm`]'s inputs to `grads`, given its input `x`, its output `y`
/// (which says where the ReLU passed) and the gradient `dy` of the output.
///
/// # Errors
///
/// [`Error::Length`] or [`Error::Rows`] if a slice does not fit the others.
#[expect(clippy::too_many_arguments, reason = "the operands of one fused operator")]
pub fn batch_norm_backward(
    x: &[f32],
    y: &[f32],
    stats: &BatchStats,
    scale: &[f32],
    eps: f32,
    activation: Activation,
    statistics: Statistics,
    dy: &[f32],
    grads: NormGradients<'_>,
) -> Result<(), Error> {
    let operator = "batch_norm_backward";
    let channels = stats.mean.len();
    check_rows(operator, x, channels)?;
    check_lengths(
        operator,
        &[
            ("y", y.len(), x.len()),
            ("stats.var", stats.var.len(), channels),
            ("scale", scale.len(), channels),
            ("dy", dy.len(), x.len()),
            ("grads.x", grads.x.len(), x.len()),
            ("grads.scale", grads.scale.len(), channels),
            ("grads.shift", grads.shift.len(), channels),
            (
                "grads.residual",
                grads.residual.as_ref().map_or(x.len(), |r| r.len()),
                x.len(),
            ),
        ],
    )?;
    let n = (x.len() / channels) as f32;
    let dz: Vec<f32> = dy
        .iter()
        .zip(y)
        .map(|(&dy, &y)| if activation == Activation::Relu && y <= 0.0 { 0.0 } else { dy })
        .collect();
    for c in 0..channels {
        let rstd = 1.0 / (stats.var[c] + eps).sqrt();
        let hat = |i: usize| (x[i] - stats.mean[c]) * rstd;
        let (mut sum, mut dot) = (0.0, 0.0);
        for i in (c..x.len()).step_by(channels) {
            sum += dz[i];
            dot += dz[i] * hat(i);
        }
        grads.shift[c] += sum;
        grads.scale[c] += dot;
        for i in (c..x.len()).step_by(channels) {
            grads.x[i] += scale[c]
                * rstd
                * match statistics {
                    Statistics::Batch => dz[i] - sum / n - hat(i) * dot / n,
                    Statistics::Fixed => dz[i],
                };
        }
    }
    if let Some(residual) = grads.residual {
        residual.iter_mut().zip(&dz).for_each(|(r, dz)| *r += dz);
    }
    Ok(())
}

fn check_rows(operator: &'static str, x: &[f32], channels: usize) -> Result<(), Error> {
    if channels == 0 || x.is_empty() || x.len() % channels != 0 {
        return Err(Error::Rows { operator, operand: "x", found: x.len(), channels });
    }
    Ok(())
}
