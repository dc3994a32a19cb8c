//! Functions that are applied to each number of a tensor by itself.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

/// A function of one number; see [`Backend::pointwise`](crate::Backend::pointwise).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointwise {
    /// `max(x, 0)`.
    Relu,
    /// `x · Φ(x)`, Φ the normal distribution's integral (Hendrycks and Gimpel, arXiv 1606.08415).
    ///
    /// This is the exact function, PyTorch's default, not the approximation with a hyperbolic
    /// tangent.
    Gelu,
    /// `x · sigmoid(x)`, also called swish (Ramachandran et al., arXiv 1710.05941).
    Silu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
}

/// Beyond this the error function is ±1 in `f32`.
pub(crate) const ERF_LIMIT: f64 = 4.0;

/// The error function is `x · P(x²) / Q(x²)` within a few units of `f32`'s last place; coefficients
/// from the highest power down, as in Eigen's and XLA's `erf` for `f32`.
pub(crate) const ERF_P: [f64; 7] = [
    -2.726_142_258_013_06e-10,
    2.770_681_424_959_02e-8,
    -2.101_024_020_825_08e-6,
    -5.692_506_394_623_46e-5,
    -7.349_906_303_268_55e-4,
    -2.954_599_808_540_25e-3,
    -1.609_603_332_624_15e-2,
];

/// See [`ERF_P`].
pub(crate) const ERF_Q: [f64; 5] = [
    -1.456_607_184_649_96e-5,
    -2.133_740_552_789_05e-4,
    -1.682_826_974_382_03e-3,
    -7.373_329_167_204_68e-3,
    -1.426_473_905_141_89e-2,
];

impl Pointwise {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Gelu => "gelu",
            Self::Silu => "silu",
            Self::Sigmoid => "sigmoid",
        }
    }
}

/// Written so that NaN stays NaN, as in PyTorch.
#[inline]
pub(crate) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// 0 at 0.
#[inline]
pub(crate) fn relu_slope(x: f32) -> f32 {
    if x > 0.0 { 1.0 } else { 0.0 }
}

#[inline]
pub(crate) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2))
}

#[inline]
pub(crate) fn gelu_slope(x: f32) -> f32 {
    let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
    0.5 * (1.0 + erf(x * FRAC_1_SQRT_2)) + x * density
}

#[inline]
pub(crate) fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

#[inline]
pub(crate) fn silu_slope(x: f32) -> f32 {
    let y = sigmoid(x);
    y + x * y * (1.0 - y)
}

#[inline]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[inline]
pub(crate) fn sigmoid_slope(x: f32) -> f32 {
    let y = sigmoid(x);
    y * (1.0 - y)
}

#[inline]
fn erf(x: f32) -> f32 {
    let x = x.clamp(-ERF_LIMIT as f32, ERF_LIMIT as f32);
    let horner = |coefficients: &[f64]| {
        let mut sum = 0.0;
        for &coefficient in coefficients {
            sum = sum * (x * x) + coefficient as f32;
        }
        sum
    };
    x * horner(&ERF_P) / horner(&ERF_Q)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `2 / sqrt(π) · Σ (-1)^n x^(2n+1) / (n! (2n+1))`, which converges everywhere.
    fn series(x: f64) -> f64 {
        let mut term = x;
        let mut sum = 0.0;
        for n in 0..200 {
            sum += term / f64::from(2 * n + 1);
            term *= -x * x / f64::from(n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn the_error_function_is_right_to_the_last_digits_of_f32() {
        for i in -400..=400 {
            let x = f64::from(i) / 100.0;
            let error = f64::from(erf(x as f32)) - series(x);
            assert!(error.abs() < 3e-7, "erf({x}) is off by {error:e}");
        }
        assert_eq!((erf(30.0), erf(-30.0)), (erf(4.0), -erf(4.0)));
        assert!((erf(30.0) - 1.0).abs() < 2e-7);
    }

    #[test]
    fn far_out_every_function_is_finite() {
        for f in [relu, relu_slope, gelu, gelu_slope, silu, silu_slope, sigmoid, sigmoid_slope] {
            for x in [-1e30, -200.0, 200.0, 1e30] {
                assert!(f(x).is_finite(), "{x}");
            }
        }
    }
}
