//! Pooling against plain loops, in every type and on every instruction set.

use crate::oracle::{Number, assert_close, image, numbers, widen};
use proptest::prelude::*;
use trickbag_kernels::{
    AvgPool, Axis, Divisor, Error, ImageShape, Isa, MaxPool, Rounding, Window, bf16, f16,
    global_avg_pool, global_avg_pool_backward,
};

/// Calls `f(output, input, input pixel within its image)` for every channel and every input pixel in
/// every window, in the order of the outputs and then the inputs.
fn each_tap(
    input: ImageShape,
    output: ImageShape,
    window: &Window,
    mut f: impl FnMut(usize, usize, usize),
) {
    for o in 0..output.len() {
        let (pixel, c) = (o / output.channels, o % output.channels);
        let (line, column) = (pixel / output.width, pixel % output.width);
        let (n, row) = (line / output.height, line % output.height);
        for kh in 0..window.kernel[0] {
            for kw in 0..window.kernel[1] {
                let ih = (row * window.stride[0] + kh).checked_sub(window.padding[0]);
                let iw = (column * window.stride[1] + kw).checked_sub(window.padding[1]);
                let Some((ih, iw)) = ih.zip(iw) else { continue };
                if ih < input.height && iw < input.width {
                    let at = ih * input.width + iw;
                    f(o, (n * input.height * input.width + at) * input.channels + c, at);
                }
            }
        }
    }
}

fn check_max(input: ImageShape, window: Window, x: &[f32]) {
    check_max_in(input, window, x);
    check_max_in(input, window, &x.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>());
}

fn check_max_in<E: Number + PartialOrd>(input: ImageShape, window: Window, x: &[E]) {
    let pool = MaxPool::new(input, window).unwrap();
    let dy: Vec<E> = numbers(2, pool.output().len());
    let mut y = vec![E::from_f32(f32::NEG_INFINITY); dy.len()];
    let (mut argmax, mut winner) = (vec![None; dy.len()], vec![0; dy.len()]);
    each_tap(input, pool.output(), &window, |o, i, at| {
        if argmax[o].is_none() || x[i] > y[o] || x[i].to_f32().is_nan() {
            (y[o], argmax[o], winner[o]) = (x[i], Some(at as u32), i);
        }
    });
    let mut dx = vec![0.5; x.len()];
    winner.iter().zip(widen(&dy)).for_each(|(&i, dy)| dx[i] += dy);
    for isa in Isa::available() {
        let (mut y_found, mut argmax_found) = (vec![E::default(); y.len()], vec![0; y.len()]);
        let mut dx_found = vec![E::from_f32(0.5); dx.len()];
        let run = || {
            pool.forward(x, &mut y_found, &mut argmax_found)?;
            pool.backward(&argmax_found, &dy, &mut dx_found)
        };
        isa.scope(run).unwrap().unwrap();
        let argmax_found: Vec<_> = argmax_found.into_iter().map(Some).collect();
        assert_eq!(argmax_found, argmax, "{isa:?}");
        let bits = |y: &[E]| y.iter().map(|y| y.to_f32().to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&y_found), bits(&y), "{isa:?}");
        assert_close("dx", &dx_found, &dx, 1e-6);
    }
}

fn check_average<E: Number>(
    input: ImageShape,
    window: Window,
    rounding: Rounding,
    divisor: Divisor,
) {
    let pool = AvgPool::new(input, window, rounding, divisor).unwrap();
    let (x, dy): (Vec<E>, Vec<E>) = (numbers(1, input.len()), numbers(2, pool.output().len()));
    let (x64, dy64) = (widen(&x), widen(&dy));
    let mut valid = vec![0.0; dy.len()];
    each_tap(input, pool.output(), &window, |o, _, _| valid[o] += 1.0);
    // The padded input ends where the padding does; a window that reaches further is cut there.
    let within = |axis: usize, at: usize, size: usize| {
        let end =
            (at * window.stride[axis] + window.kernel[axis]).min(size + 2 * window.padding[axis]);
        (end - at * window.stride[axis]) as f64
    };
    let size = |o: usize| match divisor {
        Divisor::Valid => valid[o],
        Divisor::Window => {
            let pixel = o / input.channels;
            let (row, column) = (pixel / pool.output().width, pixel % pool.output().width);
            within(0, row % pool.output().height, input.height) * within(1, column, input.width)
        }
    };
    let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.5; x.len()]);
    each_tap(input, pool.output(), &window, |o, i, _| {
        y[o] += x64[i] / size(o);
        dx[i] += dy64[o] / size(o);
    });
    for isa in Isa::available() {
        let [mut y_found, mut dx_found] = [(f32::NAN, &y), (0.5, &dx)]
            .map(|(before, like)| vec![E::from_f32(before); like.len()]);
        let run = || {
            pool.forward(&x, &mut y_found)?;
            pool.backward(&dy, &mut dx_found)
        };
        isa.scope(run).unwrap().unwrap();
        assert_close("y", &y_found, &y, 1e-6);
        assert_close("dx", &dx_found, &dx, 1e-6);
    }
}

#[test]
fn first_maximum_wins_and_nan_is_the_largest() {
    let nan = f32::NAN;
    let all = Window::square(2);
    for (x, argmax) in [
        ([1.0, 1.0, 1.0, 1.0], 0),
        ([0.0, 2.0, 2.0, 1.0], 1),
        ([1.0, nan, 3.0, 2.0], 1),
        ([nan, 1.0, nan, 1.0], 2),
        ([f32::NEG_INFINITY; 4], 0),
        ([-0.0, 0.0, -0.0, 0.0], 0),
    ] {
        check_max(image(1, 2, 2, 1), all, &x);
        let (mut y, mut found) = ([0.0], [0]);
        MaxPool::new(image(1, 2, 2, 1), all).unwrap().forward(&x, &mut y, &mut found).unwrap();
        assert_eq!(found, [argmax], "{x:?}");
    }
    // All numbers are negative, so padding would win if it were a zero.
    check_max(image(1, 2, 3, 2), Window::square(3).padding(1), &[-1.0; 12]);
}

#[test]
fn rounding_up_follows_pytorch() {
    // Expected sizes from torch.nn.functional.avg_pool2d(..., ceil_mode=True).
    for (size, window, expected) in [
        (5, Window::square(2).stride(2), 3),
        (4, Window::square(2).stride(2), 2),
        (1, Window::square(2).stride(2).padding(1), 1),
        (2, Window::square(2).stride(3).padding(1), 1),
        (6, Window::square(3).stride(2).padding(1), 4),
        (7, Window::square(3).stride(2), 3),
        (8, Window::square(3).stride(2), 4),
        (4, Window::square(2).stride(5), 1),
    ] {
        let pool =
            AvgPool::new(image(1, size, size, 1), window, Rounding::Ceil, Divisor::Window).unwrap();
        assert_eq!(pool.output(), image(1, expected, expected, 1), "{size} {window:?}");
    }
}

#[test]
fn global_average_matches_plain_loops() {
    check_global_average::<f32>();
    check_global_average::<bf16>();
    check_global_average::<f16>();
}

fn check_global_average<E: Number>() {
    for (input, isa) in [image(3, 7, 5, 20), image(1, 1, 1, 1), image(2, 4, 4, 16)]
        .into_iter()
        .flat_map(|input| Isa::available().into_iter().map(move |isa| (input, isa)))
    {
        let (pixels, channels) = (input.height * input.width, input.channels);
        let x: Vec<E> = numbers(1, input.len());
        let dy: Vec<E> = numbers(2, input.batch * channels);
        let mut y = vec![E::from_f32(f32::NAN); dy.len()];
        let mut dx = vec![E::from_f32(0.5); x.len()];
        isa.scope(|| global_avg_pool(input, &x, &mut y)).unwrap().unwrap();
        isa.scope(|| global_avg_pool_backward(input, &dy, &mut dx)).unwrap().unwrap();
        let of = |i: usize| i / (pixels * channels) * channels + i % channels;
        let mut average = vec![0.0; y.len()];
        let spread = |i| 0.5 + widen(&dy)[of(i)] / pixels as f64;
        widen(&x).iter().enumerate().for_each(|(i, x)| average[of(i)] += x / pixels as f64);
        assert_close("y", &y, &average, 1e-6);
        assert_close("dx", &dx, &(0..x.len()).map(spread).collect::<Vec<_>>(), 1e-6);
    }
}

#[test]
fn refuses_impossible_geometry_and_wrong_lengths() {
    let input = image(1, 4, 4, 1);
    let new = |window| MaxPool::new(input, window).map(|pool| pool.output());
    let two = Window::square(2);
    let (axis, kernel) = (Axis::Height, 2);
    assert_eq!(new(two.padding(2)), Err(Error::PoolPadding { axis, padding: 2, kernel }));
    assert_eq!(new(two.dilation(2)), Err(Error::PoolDilation { axis, dilation: 2 }));
    assert_eq!(new(Window::square(5)), Err(Error::WindowTooLarge { axis, span: 5, padded: 4 }));
    assert_eq!(
        MaxPool::new(image(1, 1 << 17, 1 << 17, 1), two),
        Err(Error::TooLarge { what: "a position within an image" })
    );
    let pool = MaxPool::new(input, two).unwrap();
    let wrong = |operator, operand, found, expected| {
        Err(Error::Length { operator, operand, found, expected })
    };
    assert_eq!(
        pool.forward(&[0.0; 15], &mut [0.0; 9], &mut [0; 9]),
        wrong("MaxPool::forward", "x", 15, 16)
    );
    assert_eq!(
        pool.forward(&[0.0; 16], &mut [0.0; 9], &mut [0; 8]),
        wrong("MaxPool::forward", "argmax", 8, 9)
    );
    assert_eq!(
        pool.backward(&[0; 9], &[0.0; 9], &mut [0.0; 9]),
        wrong("MaxPool::backward", "dx", 9, 16)
    );
    let pool = AvgPool::new(input, two, Rounding::Floor, Divisor::Valid).unwrap();
    assert_eq!(pool.forward(&[0.0; 16], &mut [0.0; 4]), wrong("AvgPool::forward", "y", 4, 9));
    assert_eq!(pool.backward(&[0.0; 4], &mut [0.0; 16]), wrong("AvgPool::backward", "dy", 4, 9));
    assert_eq!(
        global_avg_pool(input, &[0.0; 16], &mut [0.0; 2]),
        wrong("global_avg_pool", "y", 2, 1)
    );
    assert_eq!(
        global_avg_pool_backward::<f32>(image(0, 4, 4, 1), &[], &mut []),
        Err(Error::Zero { dimension: "the batch" })
    );
}

prop_compose! {
    fn windows()(kernel in [1usize..=5, 1usize..=5], stride in [1usize..=4, 1usize..=4])(
        padding in [0..=kernel[0] / 2, 0..=kernel[1] / 2],
        kernel in Just(kernel),
        stride in Just(stride),
    ) -> Window {
        Window { kernel, stride, padding, dilation: [1; 2] }
    }
}

prop_compose! {
    fn images()(
        batch in 1usize..=3,
        [height, width] in [1usize..=9, 1usize..=9],
        channels in 1usize..=35,
    ) -> ImageShape {
        image(batch, height, width, channels)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn maximum_matches_plain_loops(input in images(), window in windows()) {
        prop_assume!(window.output([input.height, input.width]).is_ok());
        // Few different numbers, so that there are ties.
        let x: Vec<f32> = numbers(1, input.len());
        let x: Vec<f32> = x.iter().map(|v| (v * 3.0).round()).collect();
        check_max(input, window, &x);
    }

    #[test]
    fn average_matches_plain_loops(
        input in images(),
        window in windows(),
        rounding in prop_oneof![Just(Rounding::Floor), Just(Rounding::Ceil)],
        divisor in prop_oneof![Just(Divisor::Window), Just(Divisor::Valid)],
    ) {
        prop_assume!(window.output([input.height, input.width]).is_ok());
        check_average::<f32>(input, window, rounding, divisor);
        check_average::<bf16>(input, window, rounding, divisor);
        check_average::<f16>(input, window, rounding, divisor);
    }
}
