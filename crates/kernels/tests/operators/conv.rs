//! Convolution against plain loops in f64, on every instruction set, and its algebraic laws.

use crate::oracle::{assert_close, image, numbers, widen};
use proptest::prelude::*;
use trickbag_kernels::{Conv, Error, ImageShape, Isa, Window};

/// Of numbers near 1, sums of some hundreds.
const TOLERANCE: f64 = 3e-5;

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

/// Forward and both gradients against plain loops, on every instruction set.
fn check(input: ImageShape, out_channels: usize, window: Window, groups: usize, tolerance: f64) {
    let conv = Conv::new(input, out_channels, window, groups).unwrap();
    let x = numbers(1, input.len());
    let weight = numbers(2, conv.weight_len());
    let dy = numbers(3, conv.output().len());
    // The backward passes add to what is there.
    let [dx_before, dweight_before] = [numbers(4, x.len()), numbers(5, weight.len())];
    let [mut dx, mut dweight] = [widen(&dx_before), widen(&dweight_before)];
    let mut y = vec![0.0; dy.len()];
    each_product(&conv, window, groups, |i, k, o| {
        y[o] += f64::from(x[i]) * f64::from(weight[k]);
        dx[i] += f64::from(dy[o]) * f64::from(weight[k]);
        dweight[k] += f64::from(dy[o]) * f64::from(x[i]);
    });
    for isa in Isa::available() {
        let run = || {
            let mut found = [vec![f32::NAN; y.len()], dx_before.clone(), dweight_before.clone()];
            conv.forward(&x, &weight, &mut found[0])?;
            conv.backward_input(&dy, &weight, &mut found[1])?;
            conv.backward_weight(&x, &dy, &mut found[2])?;
            Ok::<_, Error>(found)
        };
        let found = isa.scope(run).unwrap().unwrap();
        for (name, found, expected) in
            [("y", &found[0], &y), ("dx", &found[1], &dx), ("dweight", &found[2], &dweight)]
        {
            assert_close(&format!("{name} of {conv:?} on {isa:?}"), found, expected, tolerance);
        }
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
        // The last input row is seen by no output.
        (image(1, 4, 1, 2), 4, Window { stride: [3, 1], padding: [1, 0], ..one }, 2),
        // Large enough to share out the weight's rows.
        (image(2, 2, 2, 160), 200, three, 1),
        // Pixels that are copied apart, for else they would alias in the cache.
        (image(2, 3, 3, 512), 3, one, 1),
        (image(2, 3, 3, 512), 3, three, 1),
    ] {
        check(input, out_channels, window, groups, TOLERANCE);
    }
}

/// Large enough for minimal filtering, with tiles that are cut off and channels in odd blocks. Its sums
/// have larger terms, so that more is rounded off.
#[test]
fn matches_plain_loops_where_minimal_filtering_pays() {
    for (input, out_channels, padding) in [
        (image(4, 16, 16, 32), 32, 1),
        (image(5, 15, 17, 32), 48, 1),
        (image(20, 7, 6, 48), 32, 0),
        (image(20, 5, 6, 32), 32, 2),
        (image(1, 48, 41, 16), 64, 1),
        (image(70, 4, 4, 48), 80, 1),
    ] {
        check(input, out_channels, Window::square(3).padding(padding), 1, 3e-4);
    }
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
        let x = numbers(6, conv.input().len());
        let weight = numbers(7, conv.weight_len());
        let dy = numbers(8, conv.output().len());
        let [mut y, mut dx, mut dweight] = [&dy, &x, &weight].map(|like| vec![0.0; like.len()]);
        conv.forward(&x, &weight, &mut y).unwrap();
        conv.backward_input(&dy, &weight, &mut dx).unwrap();
        conv.backward_weight(&x, &dy, &mut dweight).unwrap();
        let dot = |a: &[f32], b: &[f32]| -> f64 { widen(a).iter().zip(widen(b)).map(|(a, b)| a * b).sum() };
        let size = dot(&y, &y).sqrt() * dot(&dy, &dy).sqrt();
        let forward = dot(&dy, &y);
        prop_assert!((forward - dot(&dx, &x)).abs() <= 1e-6 * size);
        prop_assert!((forward - dot(&dweight, &weight)).abs() <= 1e-6 * size);
    }
}
