//! The tiling, packing and rests of convolution on tiles, with the model in place of the processor's:
//! against the portable instructions, which other tests hold against plain loops.

use proptest::prelude::*;

use super::Model;
use super::tiles::{DEPTH, Operands, ROWS, Row, SUMS, Shape, Steps, Sums, Tiles};
use crate::lanes::LANES;
use crate::{
    Activation, BatchStats, Conv, Error, FixedNorm, ImageShape, Isa, Packed, Window, Write, bf16,
};

/// Small whole numbers that depend on `seed` only: the sums of their products are exact in any order.
fn numbers(seed: u64, len: usize) -> Vec<bf16> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bf16::from_f32((state >> 61) as f32 - 4.0)
    };
    (0..len).map(|_| next()).collect()
}

/// The same, but one is infinite: it spoils all sums that it belongs to, and must spoil no other. Only the
/// weight's gradient may also be spoilt for a tap that sees zeros in the padding instead.
fn spoilt(seed: u64, len: usize) -> Vec<bf16> {
    let mut numbers = numbers(seed, len);
    numbers[len / 2] = bf16::INFINITY;
    numbers
}

/// The output and all gradients, overwritten and added, of such numbers.
fn results(
    conv: &Conv,
    numbers: fn(u64, usize) -> Vec<bf16>,
) -> Result<[(&'static str, Vec<bf16>); 4], Error> {
    let x = numbers(1, conv.input().len());
    let weight = self::numbers(2, conv.weight_len());
    let dy = numbers(3, conv.output().len());
    let mut y = vec![bf16::NAN; dy.len()];
    let mut dx = vec![bf16::NAN; x.len()];
    let (mut dx_added, mut dweight) = (numbers(4, x.len()), numbers(5, weight.len()));
    conv.forward(&x, &weight, &mut y)?;
    conv.backward_input(&dy, &weight, Write::Overwrite, &mut dx)?;
    conv.backward_input(&dy, &weight, Write::Add, &mut dx_added)?;
    conv.backward_weight(&x, &dy, &mut dweight)?;
    Ok([("y", y), ("dx, overwritten", dx), ("dx, added", dx_added), ("dweight", dweight)])
}

/// The output as it comes from a weight that was packed before, and from a norm that changes nothing.
fn packed(conv: &Conv) -> Result<Vec<bf16>, Error> {
    let [zeros, ones] = [0.0, 1.0].map(|value| vec![value; conv.output().channels]);
    let norm = FixedNorm {
        stats: &BatchStats { mean: zeros.clone(), var: ones.clone() },
        scale: &ones,
        shift: &zeros,
        eps: 0.0,
        residual: None,
        activation: Activation::Identity,
    };
    let (x, weight) = (numbers(1, conv.input().len()), numbers(2, conv.weight_len()));
    let packed = Packed::default();
    conv.forward_packed(&x, &weight, &packed, norm)?;
    conv.forward_packed(&x, &weight, &packed, norm)
}

fn check(input: ImageShape, out_channels: usize, window: Window, groups: usize) {
    let conv = Conv::new(input, out_channels, window, groups).unwrap();
    for (numbers, spoils) in [(numbers as fn(_, _) -> _, false), (spoilt, true)] {
        let [expected, found] = [Isa::Portable, Isa::AmxModel]
            .map(|isa| isa.scope(|| results(&conv, numbers)).unwrap().unwrap());
        for ((name, found), (_, expected)) in found.iter().zip(&expected) {
            for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
                let may_be_nan = expected.is_nan() || *name == "dweight" && spoils;
                let same = found == expected || found.is_nan() && may_be_nan;
                assert!(same, "{name}[{i}] of {conv:?}: found {found}, expected {expected}");
            }
        }
        if !spoils {
            let packed = Isa::AmxModel.scope(|| packed(&conv)).unwrap().unwrap();
            assert_eq!(packed, found[0].1, "y of {conv:?}, packed");
        }
    }
}

fn image(batch: usize, height: usize, width: usize, channels: usize) -> ImageShape {
    ImageShape { batch, height, width, channels }
}

#[test]
fn tiles_compute_what_vectors_do_on_the_shapes_of_residual_networks() {
    let one = Window::square(1);
    let three = Window::square(3).padding(1);
    let seven = Window::square(7).stride(2).padding(3);
    for (input, out_channels, window, groups) in [
        (image(2, 9, 9, 3), 16, three, 1),
        (image(9, 8, 8, 16), 16, three, 1),
        (image(2, 8, 8, 16), 32, three.stride(2), 1),
        (image(2, 8, 8, 16), 32, one.stride(2), 1),
        (image(2, 8, 8, 64), 64, three, 1),
        (image(1, 33, 35, 3), 40, seven, 1),
        (image(2, 5, 5, 96), 96, three, 2),
        (image(2, 7, 7, 32), 32, three, 32),
        (image(70, 1, 1, 33), 10, one, 1),
        // Some outputs see padding only, or all do.
        (image(2, 3, 3, 25), 7, one.padding(2), 1),
        (image(2, 1, 1, 23), 4, one.padding(2).stride(5), 1),
        // Many steps, and many positions.
        (image(1, 3, 3, 1030), 17, three, 1),
        (image(8, 33, 33, 8), 4, Window::square(5).padding(2), 1),
        // More positions than a chunk has.
        (image(3, 32, 32, 40), 64, three, 1),
        (image(32, 33, 33, 8), 16, three, 1),
        // Many weights for few pixels.
        (image(1, 3, 3, 512), 64, three, 1),
        (image(2, 4, 4, 256), 96, three.stride(2), 1),
        (image(1, 2, 2, 1024), 128, one.padding(1).stride(2), 1),
        // Many channels. Those in groups are left to vectors.
        (image(2, 3, 3, 512), 144, one, 1),
        (image(2, 3, 3, 508), 4, three, 4),
        (image(5, 6, 6, 51), 57, three.stride(2), 3),
    ] {
        check(input, out_channels, window, groups);
    }
}

prop_compose! {
    fn windows()(
        kernel in [1usize..=4, 1usize..=4],
        stride in [1usize..=3, 1usize..=3],
        padding in [0usize..=4, 0usize..=4],
        dilation in [1usize..=3, 1usize..=3],
        extra in [0usize..=9, 0usize..=9],
    ) -> (Window, [usize; 2]) {
        let size = |axis: usize| {
            let span = (kernel[axis] - 1) * dilation[axis] + 1;
            span.saturating_sub(2 * padding[axis]).max(1) + extra[axis]
        };
        (Window { kernel, stride, padding, dilation }, [size(0), size(1)])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tiles_compute_what_vectors_do(
        batch in 1usize..=5,
        (window, [height, width]) in windows(),
        groups in 1usize..=2,
        [depth, columns] in [1usize..=70, 1usize..=40],
    ) {
        check(image(batch, height, width, depth * groups), columns * groups, window, groups);
    }
}

#[test]
fn sums_on_tiles_do_not_depend_on_the_number_of_threads() {
    let thirds = |seed, len| {
        let thirds = numbers(seed, len).into_iter().map(|x| x.to_f32() / 3.0);
        thirds.map(bf16::from_f32).collect()
    };
    let conv = Conv::new(image(9, 8, 8, 40), 48, Window::square(3).padding(1), 1).unwrap();
    let run = || Isa::AmxModel.scope(|| results(&conv, thirds)).unwrap().unwrap();
    let [one, two, three] = [1, 2, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(run)
    });
    assert_eq!(one, two);
    assert_eq!(one, three);
}

#[test]
fn the_model_takes_subnormal_numbers_as_zero_and_rounds_each_sum() {
    let check = |left: [f32; 2], right: [f32; 2], expected: f32| {
        let (mut a, mut b) = ([bf16::ZERO; ROWS * DEPTH], [Row::default(); ROWS]);
        a[5 * DEPTH + 6..][..2].copy_from_slice(&left.map(bf16::from_f32));
        b[3][7] = right.map(bf16::from_f32);
        let mut rows = [[0.0; LANES]; ROWS];
        let sums = Sums { rows: &mut rows, firsts: [0; SUMS], pitch: 1, write: Write::Overwrite };
        let operands = Operands { left: &a, pitch: DEPTH, firsts: [0; SUMS], right: [&b; 2] };
        Model { depth: DEPTH }.product(Shape::Tall, &Steps::new([[0, 0]]), &operands, sums);
        assert_eq!(rows[5][7].to_bits(), expected.to_bits(), "{left:?} times {right:?}");
        rows[5][7] = 0.0;
        assert!(rows == [[0.0; LANES]; ROWS], "{left:?} times {right:?} is elsewhere, too");
    };
    let tiny = f32::MIN_POSITIVE;
    check([3.0, 5.0], [7.0, -2.0], 11.0);
    check([tiny / 2.0, 1.0], [1e9, 0.0], 0.0);
    check([tiny, 0.0], [0.5, 0.0], 0.0);
    check([1.0, 1.0 / 16_777_216.0], [1.0, 1.0], 1.0);
    check([1.0, 3.0 / 16_777_216.0], [1.0, 1.0], 1.0 + 2.0 * f32::EPSILON);
}
