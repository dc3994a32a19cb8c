//! Convolution against plain loops in f64, on every instruction set, and its algebraic laws.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use trickbag_kernels::{Axis, Conv, Error, ImageShape, Isa, Window};

/// Numbers in [-1, 1) that depend on `seed` only.
fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

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
    let positions = |height: usize, width: usize| (0..height).flat_map(move |a| (0..width).map(move |b| (a, b)));
    for n in 0..o.batch {
        for (oh, ow) in positions(o.height, o.width) {
            for (kh, kw) in positions(window.kernel[0], window.kernel[1]) {
                let ih = source(0, oh, kh, i.height);
                let Some((ih, iw)) = ih.zip(source(1, ow, kw, i.width)) else { continue };
                let x = ((n * i.height + ih) * i.width + iw) * i.channels;
                let y = ((n * o.height + oh) * o.width + ow) * o.channels;
                for (co, ci) in positions(o.channels, depth) {
                    let w = ((kh * window.kernel[1] + kw) * depth + ci) * o.channels + co;
                    f(x + co / columns * depth + ci, w, y + co);
                }
            }
        }
    }
}

fn assert_close(what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        assert!(error <= 2e-5 * (1.0 + expected.abs()) + 2e-5, "{what}[{i}]: {found}, expected {expected}");
    }
}

/// Forward and both gradients against plain loops, on every instruction set.
fn check(input: ImageShape, out_channels: usize, window: Window, groups: usize) {
    let conv = Conv::new(input, out_channels, window, groups).unwrap();
    let x = numbers(1, input.len());
    let weight = numbers(2, conv.weight_len());
    let dy = numbers(3, conv.output().len());
    // Backward passes add to what is there.
    let before = numbers(4, x.len().max(weight.len()));
    let mut y = vec![0.0; dy.len()];
    let widen = |from: &[f32]| from.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let (mut dx, mut dweight) = (widen(&before[..x.len()]), widen(&before[..weight.len()]));
    each_product(&conv, window, groups, |i, k, o| {
        y[o] += f64::from(x[i]) * f64::from(weight[k]);
        dx[i] += f64::from(dy[o]) * f64::from(weight[k]);
        dweight[k] += f64::from(dy[o]) * f64::from(x[i]);
    });
    for isa in Isa::available() {
        let run = || {
            let mut found = [vec![f32::NAN; y.len()], before[..x.len()].to_vec(), before[..weight.len()].to_vec()];
            conv.forward(&x, &weight, &mut found[0])?;
            conv.backward_input(&dy, &weight, &mut found[1])?;
            conv.backward_weight(&x, &dy, &mut found[2])?;
            Ok::<_, Error>(found)
        };
        let [y_found, dx_found, dweight_found] = isa.scope(run).unwrap().unwrap();
        assert_close(&format!("{conv:?} on {isa:?}: y"), &y_found, &y);
        assert_close(&format!("{conv:?} on {isa:?}: dx"), &dx_found, &dx);
        assert_close(&format!("{conv:?} on {isa:?}: dweight"), &dweight_found, &dweight);
    }
}

fn image(batch: usize, height: usize, width: usize, channels: usize) -> ImageShape {
    ImageShape { batch, height, width, channels }
}

#[test]
fn matches_plain_loops_on_the_shapes_of_residual_networks() {
    let three = Window::square(3).padding(1);
    for (input, out_channels, window, groups) in [
        (image(2, 9, 9, 3), 16, three, 1),
        (image(3, 8, 8, 16), 16, three, 1),
        (image(2, 8, 8, 16), 32, three.stride(2), 1),
        (image(2, 8, 8, 16), 32, Window::square(1).stride(2), 1),
        (image(5, 4, 4, 40), 72, Window::square(1), 1),
        (image(1, 17, 15, 3), 20, Window::square(7).stride(2).padding(3), 1),
        (image(2, 7, 7, 32), 32, three, 32),
        (image(2, 7, 7, 35), 35, three.stride(2), 35),
        (image(2, 7, 7, 32), 32, three, 4),
        (image(2, 4, 4, 6), 12, three, 6),
        (image(1, 3, 3, 128), 144, three, 1),
        (image(70, 1, 1, 33), 10, Window::square(1), 1),
        (image(1, 5, 5, 1), 1, three, 1),
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
    ) -> Window {
        Window { kernel, stride, padding, dilation }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matches_plain_loops(
        batch in 1usize..=4,
        height in 1usize..=9,
        width in 1usize..=9,
        groups in 1usize..=4,
        depth in 1usize..=19,
        columns in 1usize..=19,
        depthwise in any::<bool>(),
        window in windows(),
    ) {
        let (depth, columns, groups) = if depthwise { (1, 1, depth * groups) } else { (depth, columns, groups) };
        prop_assume!(window.output([height, width]).is_ok());
        check(image(batch, height, width, depth * groups), columns * groups, window, groups);
    }
}
