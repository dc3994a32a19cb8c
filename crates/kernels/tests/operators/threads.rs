//! The bits of every result are the same with any number of threads.

use rayon::ThreadPoolBuilder;
use trickbag_kernels::{
    Activation, AvgPool, Conv, Divisor, Error, ImageShape, Linear, MaxPool, NormGradients,
    Rounding, Statistics, Window, batch_norm, batch_norm_backward, batch_norm_stats,
    global_avg_pool, global_avg_pool_backward,
};

use crate::oracle::{image, numbers};

type Results = Vec<Vec<f32>>;

fn check(run: impl Fn() -> Result<Results, Error> + Sync) {
    let [one, two, three] = [1, 2, 3].map(|threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let bits = |result: Vec<f32>| result.into_iter().map(f32::to_bits).collect();
            run().unwrap().into_iter().map(bits).collect::<Vec<Vec<u32>>>()
        })
    });
    assert_eq!(one, two);
    assert_eq!(one, three);
}

fn convolution(
    input: ImageShape,
    out_channels: usize,
    window: Window,
    groups: usize,
) -> Result<Results, Error> {
    let conv = Conv::new(input, out_channels, window, groups)?;
    let (x, weight) = (numbers(1, input.len()), numbers(2, conv.weight_len()));
    let [mut dx, mut dweight] = [&x, &weight].map(|like| vec![0.5; like.len()]);
    let mut y = vec![0.0; conv.output().len()];
    conv.forward(&x, &weight, &mut y)?;
    conv.backward_input(&y, &weight, &mut dx)?;
    conv.backward_weight(&x, &y, &mut dweight)?;
    Ok(vec![y, dx, dweight])
}

#[test]
fn convolution_is_deterministic() {
    let three = Window::square(3).padding(1);
    check(|| convolution(image(20, 16, 16, 16), 16, three, 1));
    check(|| convolution(image(2, 40, 16, 16), 32, three.stride(2), 1));
    check(|| convolution(image(3, 6, 6, 256), 128, three, 1));
    check(|| convolution(image(9, 9, 9, 24), 24, three, 24));
}

#[test]
fn batch_norm_is_deterministic() {
    let (channels, len) = (24, 24 * 5000);
    check(|| {
        let [x, dy, residual] = [1, 2, 3].map(|seed| numbers(seed, len));
        let [scale, shift] = [4, 5].map(|seed| numbers(seed, channels));
        let stats = batch_norm_stats(&x, channels)?;
        let mut y = vec![0.0; len];
        let activation = Activation::Relu;
        batch_norm(&x, &stats, &scale, &shift, 1e-5, Some(&residual), activation, &mut y)?;
        let [mut dx, mut dresidual] = [(); 2].map(|()| vec![0.0; len]);
        let [mut dscale, mut dshift] = [(); 2].map(|()| vec![0.0; channels]);
        let grads = NormGradients {
            x: &mut dx,
            scale: &mut dscale,
            shift: &mut dshift,
            residual: Some(&mut dresidual),
        };
        let statistics = Statistics::Batch;
        batch_norm_backward(&x, &y, &stats, &scale, 1e-5, activation, statistics, &dy, grads)?;
        Ok(vec![stats.mean, stats.var, y, dx, dresidual, dscale, dshift])
    });
}

#[test]
fn pools_and_linear_are_deterministic() {
    let input = image(5, 12, 12, 20);
    let window = Window::square(3).stride(2).padding(1);
    let x = numbers(1, input.len());
    check(|| {
        let pool = MaxPool::new(input, window)?;
        let (mut y, mut dx) = (vec![0.0; pool.output().len()], vec![0.0; x.len()]);
        let mut argmax = vec![0; y.len()];
        pool.forward(&x, &mut y, &mut argmax)?;
        pool.backward(&argmax, &y, &mut dx)?;
        Ok(vec![y, dx])
    });
    check(|| {
        let pool = AvgPool::new(input, window, Rounding::Ceil, Divisor::Valid)?;
        let (mut y, mut dx) = (vec![0.0; pool.output().len()], vec![0.0; x.len()]);
        pool.forward(&x, &mut y)?;
        pool.backward(&y, &mut dx)?;
        Ok(vec![y, dx])
    });
    check(|| {
        let (mut y, mut dx) = (vec![0.0; 5 * 20], vec![0.0; x.len()]);
        global_avg_pool(input, &x, &mut y)?;
        global_avg_pool_backward(input, &y, &mut dx)?;
        Ok(vec![y, dx])
    });
    check(|| {
        let layer = Linear::new(60, 240, 30)?;
        let [weight, bias] = [numbers(2, 240 * 30), numbers(3, 30)];
        let (mut y, mut dx) = (vec![0.0; 60 * 30], vec![0.0; x.len()]);
        let (mut dweight, mut dbias) = (vec![0.0; weight.len()], vec![0.0; 30]);
        layer.forward(&x, &weight, &bias, &mut y)?;
        layer.backward_input(&y, &weight, &mut dx)?;
        layer.backward_weight(&x, &y, &mut dweight, &mut dbias)?;
        Ok(vec![y, dx, dweight, dbias])
    });
}
