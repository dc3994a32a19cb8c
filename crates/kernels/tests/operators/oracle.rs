//! Numbers to test with, and how close a result must be to one in f64.

use trickbag_kernels::{Element, ImageShape, bf16, f16};

/// A type of numbers to test with.
pub(crate) trait Number: Element + Into<f64> {
    const NAME: &'static str;
    /// The largest relative error of rounding a sum in f32 to this type.
    const ROUNDING: f64;
}

impl Number for f32 {
    const NAME: &'static str = "f32";
    const ROUNDING: f64 = 0.0;
}

impl Number for bf16 {
    const NAME: &'static str = "bf16";
    // Eight significant bits.
    const ROUNDING: f64 = 1.0 / 256.0;
}

impl Number for f16 {
    const NAME: &'static str = "f16";
    // Eleven significant bits.
    const ROUNDING: f64 = 1.0 / 2048.0;
}

/// Numbers in [-1, 1) that depend on `seed` only.
pub(crate) fn numbers<E: Number>(seed: u64, len: usize) -> Vec<E> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| E::from_f32(next())).collect()
}

pub(crate) fn widen<E: Number>(from: &[E]) -> Vec<f64> {
    from.iter().map(|&value| value.into()).collect()
}

pub(crate) fn image(batch: usize, height: usize, width: usize, channels: usize) -> ImageShape {
    ImageShape { batch, height, width, channels }
}

/// Panics unless every number is what one within `tolerance`, absolute and relative, of the expected
/// one may round to.
#[track_caller]
pub(crate) fn assert_close<E: Number>(what: &str, found: &[E], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, &expected)) in widen(found).into_iter().zip(expected).enumerate() {
        let allowed = tolerance + (tolerance + E::ROUNDING) * expected.abs();
        let error = (found - expected).abs();
        assert!(error <= allowed, "{what}[{i}]: found {found}, expected {expected}");
    }
}

/// Mean and biased variance of each channel.
pub(crate) fn moments<E: Number>(x: &[E], channels: usize) -> [Vec<f64>; 2] {
    let (x, count) = (widen(x), (x.len() / channels) as f64);
    let column = |c: usize| x.iter().skip(c).step_by(channels);
    let mean: Vec<f64> = (0..channels).map(|c| column(c).sum::<f64>() / count).collect();
    let var = |c: usize| column(c).map(|x| (x - mean[c]).powi(2)).sum::<f64>() / count;
    let var = (0..channels).map(var).collect();
    [mean, var]
}
