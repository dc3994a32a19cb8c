//! Tiles in software: what the instructions compute, to the bit.

use std::array::from_fn;

use half::bf16;

use super::tiles::{Operands, ROWS, Row, Shape, Steps, Sums, Tiles};
use crate::Write;
use crate::lanes::LANES;

/// Computes on any processor, slowly.
pub(super) struct Model {
    pub(super) depth: usize,
}

impl Tiles for Model {
    fn product(&mut self, shape: Shape, steps: &Steps, operands: &Operands<'_>, sums: Sums<'_>) {
        steps.check(shape, self.depth, operands, &sums);
        let Sums { rows, firsts, pitch, write } = sums;
        // All tiles are read before any is written.
        let tiles = firsts.map(|first| -> [_; ROWS] {
            from_fn(|row| match write {
                Write::Add => rows[first + row * pitch],
                Write::Overwrite => [0.0; LANES],
            })
        });
        for (tile, mut sums) in tiles.into_iter().enumerate() {
            let [row, column] = shape.place(tile);
            for [left, right] in steps.offsets() {
                let first = operands.firsts[row] + left / size_of::<bf16>();
                let right = &operands.right[column][right / size_of::<Row>()..][..self.depth / 2];
                for (i, sums) in sums.iter_mut().enumerate() {
                    let left = &operands.left[first + i * operands.pitch..][..self.depth];
                    add_row(left, right, sums);
                }
            }
            for (row, sums) in sums.into_iter().enumerate() {
                rows[firsts[tile] + row * pitch] = sums;
            }
        }
    }
}

/// Adds the products of a left row with each column of a right tile.
fn add_row(left: &[bf16], right: &[Row], sums: &mut [f32; LANES]) {
    let mut parts = [[0.0; LANES]; 2];
    for (left, right) in left.chunks_exact(2).zip(right) {
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
