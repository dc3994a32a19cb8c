//! Tiles in software: what the instructions compute, to the bit.

use half::bf16;

use super::tiles::{Left, Right, Row, Sums, Tile, Tiles};
use crate::lanes::LANES;

/// Computes on any processor, slowly.
pub(super) struct Model;

impl Tiles for Model {
    fn product(&mut self, left: &[Left], right: &[Right<'_>], sums: &mut Sums) {
        assert_eq!(left.len(), right.len());
        *sums = Sums::default();
        for (left, right) in left.iter().zip(right) {
            for (row, sums) in left.0.iter().zip(&mut sums.0) {
                right.iter().zip(sums).for_each(|(tile, sums)| add_row(row, tile, sums));
            }
        }
    }
}

/// Adds the products of a left row with each column of a right tile.
fn add_row(row: &Row, tile: &Tile, sums: &mut [f32; LANES]) {
    let mut parts = [[0.0; LANES]; 2];
    for (left, right) in row.iter().zip(tile) {
        for (i, parts) in parts.iter_mut().enumerate() {
            let left = widen(left[i]);
            for (part, right) in parts.iter_mut().zip(right) {
                *part = mul_add(left, widen(right[i]), *part);
            }
        }
    }
    let [even, odd] = parts;
    for ((sum, even), odd) in sums.iter_mut().zip(even).zip(odd) {
        *sum = flush(*sum + flush(even + odd));
    }
}

/// The product of two `bf16` is exact in `f64`. Its sum is rounded twice; but `f64` has more than twice
/// the digits of `f32`, so the result is as if it were rounded once.
fn mul_add(a: f32, b: f32, sum: f32) -> f32 {
    flush((f64::from(a) * f64::from(b) + f64::from(sum)) as f32)
}

fn widen(number: bf16) -> f32 {
    flush(f32::from_bits(u32::from(number.to_bits()) << 16))
}

/// Zero, with its sign, in place of a subnormal number.
fn flush(number: f32) -> f32 {
    if number.abs() < f32::MIN_POSITIVE { 0.0_f32.copysign(number) } else { number }
}
