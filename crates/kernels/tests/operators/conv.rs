//! Convolution against plain loops in f64, in every type and on every instruction set, and its
//! algebraic laws.

use crate::oracle::{Number, assert_close, image, moments, numbers, widen};
use proptest::prelude::*;
use trickbag_kernels::{
    Activation, BatchStats, Conv, FixedNorm, ImageShape, Isa, Packed, Window, Write, bf16, f16,
};

/// Of numbers near 1, sums of some hundreds.
const TOLERANCE: f64 = 3e-5;

/// The same through minimal filtering, where sums have larger terms, so that more is rounded off.
const MINIMAL_FILTERING: f64 = 3e-4;

/// Calls `f(input index, weight index, output index)` for every product of the convolution.
fn each_product(
    conv: &Conv,
    window: Window,
    groups: usize,
    mut f: impl FnMut(usize, usize, usize),
) {
    let (i, o) = (conv.input(), conv.output());
    let (depth, columns) = (i.channels / groups, o.channels / groups);
    let source = |axis: usize, at: usize, k: usize, size: usize| {
        let padded = at * window.stride[axis] + k * window.dilation[axis];
        padded.checked_sub(window.padding[axis]).filter(|&at| at < size)
    };
    let pairs = |rows: usize, columns: usize| {
        (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
    };
    for n in 0..o.batch {
        for (oh, ow) in pairs(o.height, o.width) {
            for (kh, kw) in pairs(window.kernel[0], window.kernel[1]) {
                let ih = source(0, oh, kh, i.height);
                let Some((ih, iw)) = ih.zip(source(1, ow, kw, i.width)) else { continue };
                let x = ((n * i.height + ih) * i.width + iw) * i.channels;
                let y = ((n * o.height + oh) * o.width + ow) * o.channels;
                for (co, ci) in pairs(o.channels, depth) {
                    let w = ((kh * window.kernel[1] + kw) * depth + ci) * o.channels + co;
                    f(x + co / columns * depth + ci, w, y + co);
                }
            }
        }
    }
}

/// Forward and both gradients against plain loops, in every type and on every instruction set.
fn check(input: ImageShape, out_channels: usize, window: Window, groups: usize, tolerance: f64) {
    check_type::<f32>(input, out_channels, window, groups, tolerance);
    check_type::<bf16>(input, out_channels, window, groups, tolerance);
    check_type::<f16>(input, out_channels, window, groups, tolerance);
}

fn check_type<E: Number>(
    input: ImageShape,
    out_channels: usize,
    window: Window,
    groups: usize,
    tolerance: f64,
) {
    let conv = Conv::new(input, out_channels, window, groups).unwrap();
    let x: Vec<E> = numbers(1, input.len());
    let weight: Vec<E> = numbers(2, conv.weight_len());
    let dy: Vec<E> = numbers(3, conv.output().len());
    let [dx_before, dweight_before]: [Vec<E>; 2] = [numbers(4, x.len()), numbers(5, weight.len())];
    let [x64, weight64, dy64] = [&x, &weight, &dy].map(|narrow| widen(narrow));
    let mut y = vec![0.0; dy.len()];
    let (mut dx, mut dweight) = (vec![0.0; x.len()], widen(&dweight_before));
    each_product(&conv, window, groups, |i, k, o| {
        y[o] += x64[i] * weight64[k];
        dx[i] += dy64[o] * weight64[k];
        dweight[k] += dy64[o] * x64[i];
    });
    let dx_added: Vec<f64> = dx.iter().zip(widen(&dx_before)).map(|(a, b)| a + b).collect();
    for isa in Isa::available() {
        let what = |name| format!("{name} of {conv:?} in {} on {isa:?}", E::NAME);
        let nan = |len| vec![E::from_f32(f32::NAN); len];
        let mut found = [nan(y.len()), nan(dx.len()), dx_before.clone(), dweight_before.clone()];
        let run = || {
            conv.forward(&x, &weight, &mut found[0])?;
            conv.backward_input(&dy, &weight, Write::Overwrite, &mut found[1])?;
            conv.backward_input(&dy, &weight, Write::Add, &mut found[2])?;
            conv.backward_weight(&x, &dy, &mut found[3])
        };
        isa.scope(run).unwrap().unwrap();
        for (name, found, expected) in [
            ("y", &found[0], &y),
            ("dx, overwritten", &found[1], &dx),
            ("dx, added", &found[2], &dx_added),
            ("dweight", &found[3], &dweight),
        ] {
            assert_close(&what(name), found, expected, tolerance);
        }

        let mut with_stats = nan(y.len());
        let run = || conv.forward_with_stats(&x, &weight, &mut with_stats);
        let stats = isa.scope(run).unwrap().unwrap();
        assert_eq!(with_stats, found[0], "{}", what("y with statistics"));
        let [mean, var] = moments(&with_stats, out_channels);
        assert_close(&what("mean"), &stats.mean, &mean, 1e-5);
        assert_close(&what("variance"), &stats.var, &var, 1e-5);

        let packed = Packed::default();
        let [first, second] =
            [(); 2].map(|()| isa.scope(|| unchanged(&conv, &x, &weight, &packed)).unwrap());
        // Minimal filtering pays earlier.
        assert_close(&what("y, packed"), &first, &y, tolerance.max(MINIMAL_FILTERING));
        assert_eq!(first, second, "{}", what("y, packed before"));
    }
}

/// The output as it comes from a weight that is kept packed, and from a norm that changes nothing.
fn unchanged<E: Number>(conv: &Conv, x: &[E], weight: &[E], packed: &Packed) -> Vec<E> {
    let channels = conv.output().channels;
    let [zeros, ones] = [0.0, 1.0].map(|value| vec![value; channels]);
    let norm = FixedNorm {
        stats: &BatchStats { mean: zeros.clone(), var: ones.clone() },
        scale: &ones,
        shift: &zeros,
        eps: 0.0,
        residual: None,
        activation: Activation::Identity,
    };
    conv.forward_packed(x, weight, packed, norm).unwrap()
}

#[test]
fn one_packed_weight_serves_images_of_all_shapes() {
    let weight: Vec<f32> = numbers(2, 9 * 64 * 64);
    let packed = Packed::default();
    for (batch, height, width) in [(1, 5, 7), (2, 14, 14), (1, 1, 1), (9, 16, 16), (1, 5, 7)] {
        let input = image(batch, height, width, 64);
        let conv = Conv::new(input, 64, Window::square(3).padding(1), 1).unwrap();
        let x: Vec<f32> = numbers(1, input.len());
        let fresh = unchanged(&conv, &x, &weight, &Packed::default());
        assert_eq!(unchanged(&conv, &x, &weight, &packed), fresh, "{input:?}");
    }
}

#[test]
fn matches_plain_loops_on_the_shapes_of_residual_networks() {
    let one = Window::square(1);
    let three = Window::square(3).padding(1);
    let seven = Window::square(7).stride(2).padding(3);
    for (input, out_channels, window, groups) in [
        (image(2, 9, 9, 3), 16, three, 1),
        (image(3, 8, 8, 16), 16, three, 1),
        (image(2, 8, 8, 16), 32, three.stride(2), 1),
        (image(2, 8, 8, 16), 32, one.stride(2), 1),
        (image(5, 4, 4, 40), 72, one, 1),
        (image(1, 17, 15, 3), 20, seven, 1),
        (image(2, 7, 7, 32), 32, three, 32),
        (image(2, 7, 7, 35), 35, three.stride(2), 35),
        (image(2, 7, 7, 32), 32, three, 4),
        (image(2, 4, 4, 6), 12, three, 6),
        (image(70, 1, 1, 33), 10, one, 1),
        (image(1, 5, 5, 1), 1, three, 1),
        // Some outputs see padding only.
        (image(2, 3, 3, 5), 7, one.padding(2), 1),
        // All outputs do.
        (image(2, 1, 1, 3), 4, one.padding(2).stride(5), 1),
        (image(2, 1, 1, 3), 3, one.padding(2).stride(5), 3),
        // The last input row is seen by no output.
        (image(1, 4, 1, 2), 4, Window { stride: [3, 1], padding: [1, 0], ..one }, 2),
        // Large enough to share out the weight's rows.
        (image(2, 2, 2, 160), 200, three, 1),
        // Few pixels and many weights, in shares of rows and of columns; pairs that channels do not fill.
        (image(1, 3, 2, 131), 136, three, 1),
        // The same, with borders that stride and windows step over.
        (image(2, 7, 5, 96), 104, three.stride(2), 1),
        (image(1, 4, 4, 70), 90, Window { padding: [0, 2], kernel: [2, 3], ..one }, 1),
        // Pixels that lie a power of two apart.
        (image(2, 3, 3, 512), 3, one, 1),
        (image(2, 3, 3, 512), 3, three, 1),
        // The same, and groups that pairs do not divide.
        (image(2, 3, 3, 508), 4, three, 4),
    ] {
        check(input, out_channels, window, groups, TOLERANCE);
    }
}

/// Large enough for minimal filtering, with tiles that are cut off and channels in odd blocks.
#[test]
fn matches_plain_loops_where_minimal_filtering_pays() {
    for (input, out_channels, padding) in [
        (image(4, 16, 16, 32), 32, 1),
        (image(5, 15, 17, 32), 48, 1),
        (image(20, 7, 6, 48), 32, 0),
        (image(20, 5, 6, 32), 32, 2),
        (image(1, 48, 41, 16), 64, 1),
        (image(70, 4, 4, 48), 80, 1),
        // Few tiles, which pay where the weight is packed already; tasks share its columns.
        (image(1, 14, 13, 48), 96, 1),
    ] {
        check(input, out_channels, Window::square(3).padding(padding), 1, MINIMAL_FILTERING);
    }
    // Many weights, with sums of more terms, and tiles for two rounds of their gradient.
    check(image(7, 13, 13, 128), 144, Window::square(3).padding(1), 1, 1e-3);
}

prop_compose! {
    /// A window, and a height and width that it fits into.
    fn windows(extra: usize)(
        kernel in [1usize..=4, 1usize..=4],
        stride in [1usize..=3, 1usize..=3],
        padding in [0usize..=4, 0usize..=4],
        dilation in [1usize..=3, 1usize..=3],
        extra in [0..=extra, 0..=extra],
    ) -> (Window, [usize; 2]) {
        let size = |axis: usize| {
            let span = (kernel[axis] - 1) * dilation[axis] + 1;
            span.saturating_sub(2 * padding[axis]).max(1) + extra[axis]
        };
        (Window { kernel, stride, padding, dilation }, [size(0), size(1)])
    }
}

prop_compose! {
    /// Input, output channels and groups; half of them depthwise.
    fn channels()(
        groups in 1usize..=4,
        depth in 1usize..=19,
        columns in 1usize..=19,
        depthwise in any::<bool>(),
    ) -> [usize; 3] {
        if depthwise { [depth * groups; 3] } else { [depth * groups, columns * groups, groups] }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matches_plain_loops(
        batch in 1usize..=4,
        (window, [height, width]) in windows(6),
        [in_channels, out_channels, groups] in channels(),
    ) {
        check(image(batch, height, width, in_channels), out_channels, window, groups, TOLERANCE);
    }

    /// `<dy, conv(x, w)> = <backward_input(dy, w), x> = <backward_weight(x, dy), w>`.
    #[test]
    fn backward_passes_are_adjoints(
        batch in 1usize..=3,
        (window, [height, width]) in windows(20),
        [in_channels, out_channels, groups] in channels(),
    ) {
        let conv =
            Conv::new(image(batch, height, width, in_channels), out_channels, window, groups)
                .unwrap();
        let x: Vec<f32> = numbers(6, conv.input().len());
        let weight: Vec<f32> = numbers(7, conv.weight_len());
        let dy: Vec<f32> = numbers(8, conv.output().len());
        let [mut y, mut dx, mut dweight] = [&dy, &x, &weight].map(|like| vec![0.0; like.len()]);
        conv.forward(&x, &weight, &mut y).unwrap();
        conv.backward_input(&dy, &weight, Write::Add, &mut dx).unwrap();
        conv.backward_weight(&x, &dy, &mut dweight).unwrap();
        let dot = |a: &[f32], b: &[f32]| -> f64 { widen(a).iter().zip(widen(b)).map(|(a, b)| a * b).sum() };
        let size = dot(&y, &y).sqrt() * dot(&dy, &dy).sqrt();
        let forward = dot(&dy, &y);
        prop_assert!((forward - dot(&dx, &x)).abs() <= 1e-6 * size);
        prop_assert!((forward - dot(&dweight, &weight)).abs() <= 1e-6 * size);
    }
}
