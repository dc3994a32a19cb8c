//! Numbers to test with, and how close a result in f32 must be to one in f64.

use trickbag_kernels::ImageShape;

/// Numbers in [-1, 1) that depend on `seed` only.
pub(crate) fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

pub(crate) fn widen(from: &[f32]) -> Vec<f64> {
    from.iter().map(|&value| f64::from(value)).collect()
}

pub(crate) fn image(batch: usize, height: usize, width: usize, channels: usize) -> ImageShape {
    ImageShape { batch, height, width, channels }
}

/// Panics unless every number is within `tolerance`, absolute and relative, of the expected one.
#[track_caller]
pub(crate) fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        let allowed = tolerance * (1.0 + expected.abs());
        assert!(error <= allowed, "{what}[{i}]: found {found}, expected {expected}");
    }
}
