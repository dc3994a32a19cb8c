//! How sums in f32 round to bf16, on every instruction set.

use trickbag_kernels::{Activation, BatchStats, Isa, batch_norm, bf16};

/// `number + addend`, computed in f32 and rounded to bf16: the shift of a normalisation that changes
/// nothing else.
fn sum(number: bf16, addend: f32) -> bf16 {
    // More numbers than lanes, to meet whole and partial vectors.
    let channels = [addend; 20];
    let stats = BatchStats { mean: vec![0.0; 20], var: vec![1.0; 20] };
    let sums =
        batch_norm(&[number; 20], &stats, &[1.0; 20], &channels, 0.0, None, Activation::Identity)
            .unwrap();
    assert!(sums.iter().all(|sum| sum.to_bits() == sums[0].to_bits()), "{sums:?}");
    sums[0]
}

#[test]
fn sums_round_to_the_nearest_even() {
    // Numbers between 1 and 2 are 2^-7 apart.
    let unit = 1.0 / 128.0;
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
        for isa in Isa::available() {
            let found = isa.scope(|| sum(bf16::ONE, addend)).unwrap();
            assert_eq!(found.to_f32(), expected, "1 + {addend} on {isa:?}");
        }
    }
}

#[test]
fn nan_stays_nan() {
    // The last one would carry into the sign if it were rounded like a number.
    for bits in [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0x7fff_ffff, 0xffff_ffff] {
        for isa in Isa::available() {
            let found = isa.scope(|| sum(bf16::ZERO, f32::from_bits(bits))).unwrap();
            assert!(found.is_nan(), "{bits:x} on {isa:?}");
        }
    }
}

#[test]
fn subnormal_sums_round_as_others_do() {
    let smallest = f32::from_bits(0x0001_0000);
    for (addend, expected) in
        [(smallest, smallest), (0.5 * smallest, 0.0), (1.5 * smallest, 2.0 * smallest)]
    {
        for isa in Isa::available() {
            let found = isa.scope(|| sum(bf16::ZERO, addend)).unwrap();
            assert_eq!(found.to_f32(), expected, "{addend} on {isa:?}");
        }
    }
}
