//! The bits of every result are the same with any number of threads.

use rayon::ThreadPoolBuilder;
use trickbag_kernels::{
    Activation, AvgPool, Conv, Divisor, Error, FixedNorm, ImageShape, Linear, MaxPool, NormFlow,
    NormGradients, Passed, Rounding, Statistics, Window, Write, batch_norm_backward,
    batch_norm_stats, batch_norm_with_bits, bf16, f16, global_avg_pool, global_avg_pool_backward,
};

use crate::oracle::{Number, image, numbers};

/// The bits of each result.
type Results = Vec<Vec<u32>>;

fn bits<E: Number>(result: &[E]) -> Vec<u32> {
    result.iter().map(|number| number.to_f32().to_bits()).collect()
}

fn check(run: impl Fn() -> Result<Results, Error> + Sync) {
    let [one, two, three] = [1, 2, 3].map(|threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(&run).unwrap()
    });
    assert_eq!(one, two);
    assert_eq!(one, three);
}

fn convolution<E: Number>(
    input: ImageShape,
    out_channels: usize,
    window: Window,
    groups: usize,
) -> Result<Results, Error> {
    let conv = Conv::new(input, out_channels, window, groups)?;
    let (x, weight): (Vec<E>, Vec<E>) = (numbers(1, input.len()), numbers(2, conv.weight_len()));
    let [mut dx, mut dweight] = [&x, &weight].map(|like| vec![E::default(); like.len()]);
    let mut y = vec![E::default(); conv.output().len()];
    let stats = conv.forward_with_stats(&x, &weight, &mut y)?;
    conv.backward_input(&y, &weight, Write::Overwrite, &mut dx)?;
    conv.backward_weight(&x, &y, &mut dweight)?;
    Ok(vec![bits(&y), bits(&stats.mean), bits(&stats.var), bits(&dx), bits(&dweight)])
}

#[test]
fn convolution_is_deterministic() {
    let three = Window::square(3).padding(1);
    for (input, out_channels, window, groups) in [
        (image(20, 16, 16, 16), 16, three, 1),
        (image(2, 40, 16, 16), 32, three.stride(2), 1),
        (image(3, 6, 6, 256), 128, three, 1),
        (image(9, 9, 9, 24), 24, three, 24),
        (image(20, 16, 16, 3), 16, three, 1),
        (image(20, 16, 16, 48), 80, three, 1),
        (image(2, 4, 4, 64), 128, three, 1),
        (image(7, 13, 13, 128), 144, three, 1),
    ] {
        check(|| convolution::<f32>(input, out_channels, window, groups));
        check(|| convolution::<bf16>(input, out_channels, window, groups));
        check(|| convolution::<f16>(input, out_channels, window, groups));
    }
}

#[test]
fn batch_norm_is_deterministic() {
    check_norm::<f32>();
    check_norm::<bf16>();
    check_norm::<f16>();
}

fn check_norm<E: Number>() {
    let (channels, len) = (24, 24 * 5000);
    check(|| {
        let [x, mut dy, residual]: [Vec<E>; 3] = [1, 2, 3].map(|seed| numbers(seed, len));
        let [scale, shift]: [Vec<f32>; 2] = [4, 5].map(|seed| numbers(seed, channels));
        let stats = batch_norm_stats(&x, channels)?;
        let activation = Activation::Relu;
        let norm = FixedNorm {
            stats: &stats,
            scale: &scale,
            shift: &shift,
            eps: 1e-5,
            residual: Some(&residual),
            activation,
        };
        let (y, passed) = batch_norm_with_bits(&x, norm)?;
        let mut dresidual = vec![E::default(); len];
        let [mut dscale, mut dshift] = [(); 2].map(|()| vec![0.0; channels]);
        let gradients = NormGradients {
            flow: NormFlow::InPlace(&mut dy),
            scale: &mut dscale,
            shift: &mut dshift,
            residual: Some((Write::Overwrite, &mut dresidual)),
        };
        let statistics = Statistics::Batch;
        batch_norm_backward(
            &x,
            Passed::Bits(&passed),
            &stats,
            &scale,
            1e-5,
            activation,
            statistics,
            gradients,
        )?;
        let narrow = [&y, &dy, &dresidual].map(|result| bits(result));
        let wide = [stats.mean, stats.var, dscale, dshift].map(|result| bits(&result));
        Ok(narrow.into_iter().chain(wide).collect())
    });
}

#[test]
fn pools_and_linear_are_deterministic() {
    check_pools_and_linear::<f32>();
    check_pools_and_linear::<bf16>();
    check_pools_and_linear::<f16>();
}

fn check_pools_and_linear<E: Number>() {
    let input = image(5, 12, 12, 20);
    let window = Window::square(3).stride(2).padding(1);
    let x: Vec<E> = numbers(1, input.len());
    let zeros = |len| vec![E::default(); len];
    check(|| {
        let pool = MaxPool::new(input, window)?;
        let (mut y, mut dx) = (zeros(pool.output().len()), zeros(x.len()));
        let mut argmax = vec![0; y.len()];
        pool.forward(&x, &mut y, &mut argmax)?;
        pool.backward(&argmax, &y, &mut dx)?;
        Ok(vec![bits(&y), bits(&dx)])
    });
    check(|| {
        let pool = AvgPool::new(input, window, Rounding::Ceil, Divisor::Valid)?;
        let (mut y, mut dx) = (zeros(pool.output().len()), zeros(x.len()));
        pool.forward(&x, &mut y)?;
        pool.backward(&y, &mut dx)?;
        Ok(vec![bits(&y), bits(&dx)])
    });
    check(|| {
        let (mut y, mut dx) = (zeros(5 * 20), zeros(x.len()));
        global_avg_pool(input, &x, &mut y)?;
        global_avg_pool_backward(input, &y, &mut dx)?;
        Ok(vec![bits(&y), bits(&dx)])
    });
    check(|| {
        let layer = Linear::new(60, 240, 30)?;
        let [weight, bias]: [Vec<E>; 2] = [numbers(2, 240 * 30), numbers(3, 30)];
        let (mut y, mut dx) = (zeros(60 * 30), zeros(x.len()));
        let (mut dweight, mut dbias) = (zeros(weight.len()), zeros(30));
        layer.forward(&x, &weight, &bias, &mut y)?;
        layer.backward_input(&y, &weight, Write::Add, &mut dx)?;
        layer.backward_weight(&x, &y, &mut dweight, &mut dbias)?;
        Ok([&y, &dx, &dweight, &dbias].map(|result| bits(result)).to_vec())
    });
}
