//! Reads golden files and computes their inputs; the format is described in
//! `bench/pytorch/golden.py`.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)] // each test uses a part of it

use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;

/// A golden file: cases described by `C`, and the tensors of each.
pub struct Golden<C> {
    bytes: Vec<u8>,
    pub cases: Vec<C>,
}

impl<C: DeserializeOwned> Golden<C> {
    pub fn read(path: &str) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let cases = &metadata.metadata().as_ref().unwrap()["cases"];
        Self { cases: serde_json::from_str(cases).unwrap(), bytes }
    }
}

impl<C> Golden<C> {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn get(&self, name: &str) -> Option<Vec<f64>> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(name).ok()?;
        Some(match view.dtype() {
            Dtype::F32 => numbers(view.data(), |b| f64::from(f32::from_le_bytes(b))),
            Dtype::F64 => numbers(view.data(), f64::from_le_bytes),
            other => panic!("{name}: {other:?}"),
        })
    }

    /// Holds `found` against the tensor `name`: within `tolerance` of its largest value.
    pub fn check(&self, name: &str, found: &[f32], tolerance: f64) {
        let expected = self.get(name).unwrap_or_else(|| panic!("no {name} in the file"));
        close(name, found, &expected, tolerance);
    }
}

pub fn close(name: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let scale = expected.iter().fold(1e-3, |max: f64, x| max.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs() / scale;
        assert!(error <= tolerance, "{name}[{i}]: {found}, expected {expected}, off by {error:e}");
    }
}

/// Holds values with 11 bits together against the expected ones: the norm of what they are off by is
/// within `tolerance` of theirs. One in 25 is left out, where a number lies so near a kink, or two so
/// near each other, that rounding takes the other side.
pub fn near(name: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let norm = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>().sqrt();
    let off =
        found.iter().zip(expected).map(|(found, expected)| (f64::from(*found) - expected).abs());
    let mut off: Vec<f64> = off.collect();
    off.sort_by(f64::total_cmp);
    off.truncate(found.len() - found.len() / 25);
    let error = norm(&off) / norm(expected).max(1e-3);
    assert!(error <= tolerance, "{name} is off by {error:e}");
}

fn numbers<const N: usize>(data: &[u8], read: fn([u8; N]) -> f64) -> Vec<f64> {
    data.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

/// `offset + gain * u`, with `u` from splitmix64 seeded by the FNV-1a hash of `tag`.
pub fn fill(tag: &str, len: usize, offset: f64, gain: f64) -> Vec<f32> {
    let seed = tag.bytes().fold(0xCBF29CE484222325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100000001B3)
    });
    let uniform = |i: u64| {
        let z = seed.wrapping_add((i + 1).wrapping_mul(0x9E3779B97F4A7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58476D1CE4E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D049BB133111EB);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    (0..len as u64).map(|i| (offset + gain * uniform(i)) as f32).collect()
}
