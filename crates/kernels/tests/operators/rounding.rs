//! How sums in f32 round to 16 bits, on every instruction set.

use trickbag_kernels::{Activation, BatchStats, FixedNorm, Isa, batch_norm, bf16, f16};

use crate::oracle::Number;

/// `number + addend`, computed in f32 and rounded: the shift of a normalisation that changes nothing
/// else.
fn sum<E: Number>(number: f32, addend: f32) -> f32 {
    // More numbers than lanes, to meet whole and partial vectors.
    let channels = [addend; 20];
    let stats = BatchStats { mean: vec![0.0; 20], var: vec![1.0; 20] };
    let norm = FixedNorm {
        stats: &stats,
        scale: &[1.0; 20],
        shift: &channels,
        eps: 0.0,
        residual: None,
        activation: Activation::Identity,
    };
    let sums = batch_norm(&[E::from_f32(number); 20], norm).unwrap();
    let sums: Vec<f32> = sums.into_iter().map(E::to_f32).collect();
    assert!(sums.iter().all(|sum| sum.to_bits() == sums[0].to_bits()), "{sums:?}");
    sums[0]
}

fn check<E: Number>(number: f32, addend: f32, expected: f32) {
    for isa in Isa::available() {
        let found = isa.scope(|| sum::<E>(number, addend)).unwrap();
        assert_eq!(found, expected, "{number} + {addend} in {} on {isa:?}", E::NAME);
    }
}

#[test]
fn sums_round_to_the_nearest_even() {
    // Numbers between 1 and 2 are 2^-7 apart in bf16, and 2^-10 in f16.
    check_unit::<bf16>(1.0 / 128.0);
    check_unit::<f16>(1.0 / 1024.0);
}

fn check_unit<E: Number>(unit: f32) {
    for (addend, expected) in [
        (0.0, 1.0),
        (0.49 * unit, 1.0),
        (0.5 * unit, 1.0),
        (0.51 * unit, 1.0 + unit),
        (1.49 * unit, 1.0 + unit),
        (1.5 * unit, 1.0 + 2.0 * unit),
        (-2.0, -1.0),
        (-2.0 - 1.5 * unit, -1.0 - 2.0 * unit),
        (f32::MAX, f32::INFINITY),
        (f32::INFINITY, f32::INFINITY),
        (f32::NEG_INFINITY, f32::NEG_INFINITY),
    ] {
        check::<E>(1.0, addend, expected);
    }
}

#[test]
fn f16_ends_half_a_unit_beyond_its_largest() {
    check::<f16>(0.0, 65504.0, 65504.0);
    check::<f16>(0.0, 65519.0, 65504.0);
    check::<f16>(0.0, 65520.0, f32::INFINITY);
    check::<f16>(0.0, -65520.0, f32::NEG_INFINITY);
}

#[test]
fn nan_stays_nan() {
    // The last one would carry into the sign if it were rounded like a number.
    for bits in [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0x7fff_ffff, 0xffff_ffff] {
        for isa in Isa::available() {
            let found = isa.scope(|| sum::<bf16>(0.0, f32::from_bits(bits))).unwrap();
            assert!(found.is_nan(), "{bits:x} in bf16 on {isa:?}");
            let found = isa.scope(|| sum::<f16>(0.0, f32::from_bits(bits))).unwrap();
            assert!(found.is_nan(), "{bits:x} in f16 on {isa:?}");
        }
    }
}

#[test]
fn subnormal_sums_round_as_others_do() {
    check_smallest::<bf16>(f32::from_bits(0x0001_0000));
    check_smallest::<f16>(0.5_f32.powi(24));
}

fn check_smallest<E: Number>(smallest: f32) {
    check::<E>(0.0, smallest, smallest);
    check::<E>(0.0, 0.5 * smallest, 0.0);
    check::<E>(0.0, 1.5 * smallest, 2.0 * smallest);
    check::<E>(smallest, smallest, 2.0 * smallest);
}
