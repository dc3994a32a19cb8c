//! Measures every operator on the shapes of residual networks, with as many threads as rayon has:
//! `cargo run --release -p trickbag-kernels --example speed`.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use trickbag_kernels::{
    Activation, AvgPool, Conv, Divisor, Error, ImageShape, Linear, MaxPool, NormGradients,
    Rounding, Statistics, Window, batch_norm, batch_norm_backward, batch_norm_stats,
    global_avg_pool, global_avg_pool_backward,
};

/// How long each measurement repeats its operator.
const MEASURED: Duration = Duration::from_millis(400);

fn main() -> Result<(), Error> {
    convolutions()?;
    linears()?;
    norms()?;
    pools()
}

fn convolutions() -> Result<(), Error> {
    let [one, three] = [Window::square(1), Window::square(3).padding(1)];
    let seven = Window::square(7).stride(2).padding(3);
    println!("{:<40} {:>9} {:>9} {:>9} {:>9}", "GFLOP/s", "forward", "dx", "dweight", "all");
    for (name, input, out_channels, window, groups) in [
        ("3x3 3->16, 32x32, batch 128", image(128, 32, 3), 16, three, 1),
        ("3x3 16->16, 32x32, batch 128", image(128, 32, 16), 16, three, 1),
        ("3x3/2 16->32, 32x32, batch 128", image(128, 32, 16), 32, three.stride(2), 1),
        ("3x3 32->32, 16x16, batch 128", image(128, 16, 32), 32, three, 1),
        ("3x3/2 32->64, 16x16, batch 128", image(128, 16, 32), 64, three.stride(2), 1),
        ("3x3 64->64, 8x8, batch 128", image(128, 8, 64), 64, three, 1),
        ("3x3 64->64, 32x32, batch 64", image(64, 32, 64), 64, three, 1),
        ("3x3 128->128, 16x16, batch 64", image(64, 16, 128), 128, three, 1),
        ("3x3 256->256, 8x8, batch 64", image(64, 8, 256), 256, three, 1),
        ("3x3 512->512, 4x4, batch 64", image(64, 4, 512), 512, three, 1),
        ("7x7/2 3->64, 224x224, batch 8", image(8, 224, 3), 64, seven, 1),
        ("1x1 64->256, 56x56, batch 8", image(8, 56, 64), 256, one, 1),
        ("1x1 256->64, 56x56, batch 8", image(8, 56, 256), 64, one, 1),
        ("1x1/2 256->512, 56x56, batch 8", image(8, 56, 256), 512, one.stride(2), 1),
        ("3x3/2 128->128, 56x56, batch 8", image(8, 56, 128), 128, three.stride(2), 1),
        ("1x1 1024->256, 14x14, batch 8", image(8, 14, 1024), 256, one, 1),
        ("3x3 512->512, 7x7, batch 8", image(8, 7, 512), 512, three, 1),
        ("1x1 512->2048, 7x7, batch 8", image(8, 7, 512), 2048, one, 1),
        ("3x3 128, depthwise, 28x28, batch 16", image(16, 28, 128), 128, three, 128),
        ("3x3 128->128, 32 groups, 28x28, batch 16", image(16, 28, 128), 128, three, 32),
    ] {
        let conv = Conv::new(input, out_channels, window, groups)?;
        let (x, weight) = (vec![0.5; input.len()], vec![0.25; conv.weight_len()]);
        let mut y = vec![0.0; conv.output().len()];
        let [mut dx, mut dweight] = [&x, &weight].map(|like| vec![0.0; like.len()]);
        let forward = seconds(|| conv.forward(&x, &weight, &mut y))?;
        let backward_input = seconds(|| conv.backward_input(&y, &weight, &mut dx))?;
        let backward_weight = seconds(|| conv.backward_weight(&x, &y, &mut dweight))?;
        print_rates(name, 2.0 * conv.macs() as f64, [forward, backward_input, backward_weight]);
    }
    Ok(())
}

fn linears() -> Result<(), Error> {
    for (batch, inputs, outputs) in [(128, 64, 10), (64, 512, 1000), (256, 2048, 1000)] {
        let layer = Linear::new(batch, inputs, outputs)?;
        let (x, weight) = (vec![0.5; batch * inputs], vec![0.25; inputs * outputs]);
        let bias = vec![0.0; outputs];
        let mut y = vec![0.0; batch * outputs];
        let [mut dx, mut dweight, mut dbias] =
            [&x, &weight, &bias].map(|like| vec![0.0; like.len()]);
        let forward = seconds(|| layer.forward(&x, &weight, &bias, &mut y))?;
        let backward_input = seconds(|| layer.backward_input(&y, &weight, &mut dx))?;
        let backward_weight = seconds(|| layer.backward_weight(&x, &y, &mut dweight, &mut dbias))?;
        let name = format!("linear {inputs}->{outputs}, batch {batch}");
        let flop = 2.0 * (batch * inputs * outputs) as f64;
        print_rates(&name, flop, [forward, backward_input, backward_weight]);
    }
    Ok(())
}

/// Bytes are counted once for each operand that is read or written.
fn norms() -> Result<(), Error> {
    println!();
    println!("{:<40} {:>9} {:>9} {:>9}", "GB/s", "stats", "forward", "backward");
    for (name, input) in [
        ("norm 16, 32x32, batch 128", image(128, 32, 16)),
        ("norm 64, 8x8, batch 128", image(128, 8, 64)),
        ("norm 64, 112x112, batch 8", image(8, 112, 64)),
        ("norm 256, 56x56, batch 8", image(8, 56, 256)),
        ("norm 2048, 7x7, batch 8", image(8, 7, 2048)),
    ] {
        let x: Vec<f32> = (0..input.len()).map(|i| (i % 1999) as f32).collect();
        let (residual, mut y, mut dx) = (x.clone(), vec![0.0; x.len()], vec![0.0; x.len()]);
        let mut dresidual = vec![0.0; x.len()];
        let (scale, shift) = (vec![1.0; input.channels], vec![0.0; input.channels]);
        let (mut dscale, mut dshift) = (scale.clone(), shift.clone());
        let activation = Activation::Relu;
        let statistics = seconds(|| batch_norm_stats(&x, input.channels).map(drop))?;
        let stats = batch_norm_stats(&x, input.channels)?;
        let forward = seconds(|| {
            batch_norm(&x, &stats, &scale, &shift, 1e-5, Some(&residual), activation, &mut y)
        })?;
        let backward = seconds(|| {
            let grads = NormGradients {
                x: &mut dx,
                scale: &mut dscale,
                shift: &mut dshift,
                residual: Some(&mut dresidual),
            };
            let statistics = Statistics::Batch;
            batch_norm_backward(
                &x, &y, &stats, &scale, 1e-5, activation, statistics, &residual, grads,
            )
        })?;
        let gigabytes = 4e-9 * x.len() as f64;
        println!(
            "{name:<40} {:>9.1} {:>9.1} {:>9.1}",
            gigabytes / statistics,
            3.0 * gigabytes / forward,
            // Both passes read x, y and dy; the second updates two gradients.
            10.0 * gigabytes / backward
        );
    }
    Ok(())
}

fn pools() -> Result<(), Error> {
    println!();
    println!("{:<40} {:>9} {:>9}", "GB/s of the input", "forward", "backward");
    let input = image(8, 112, 64);
    let x = vec![0.5; input.len()];
    let mut dx = vec![0.0; x.len()];
    let gigabytes = 4e-9 * x.len() as f64;
    let print = |name: &str, forward: f64, backward: f64| {
        println!("{name:<40} {:>9.1} {:>9.1}", gigabytes / forward, gigabytes / backward);
    };

    let pool = MaxPool::new(input, Window::square(3).stride(2).padding(1))?;
    let mut y = vec![0.0; pool.output().len()];
    let mut argmax = vec![0; y.len()];
    let forward = seconds(|| pool.forward(&x, &mut y, &mut argmax))?;
    print("max 3x3/2, 112x112x64", forward, seconds(|| pool.backward(&argmax, &y, &mut dx))?);

    let window = Window::square(2).stride(2);
    let pool = AvgPool::new(input, window, Rounding::Floor, Divisor::Valid)?;
    let mut y = vec![0.0; pool.output().len()];
    let forward = seconds(|| pool.forward(&x, &mut y))?;
    print("average 2x2/2, 112x112x64", forward, seconds(|| pool.backward(&y, &mut dx))?);

    let mut y = vec![0.0; input.batch * input.channels];
    let forward = seconds(|| global_avg_pool(input, &x, &mut y))?;
    let backward = seconds(|| global_avg_pool_backward(input, &y, &mut dx))?;
    print("global average, 112x112x64", forward, backward);
    Ok(())
}

fn image(batch: usize, size: usize, channels: usize) -> ImageShape {
    ImageShape { batch, height: size, width: size, channels }
}

/// The shortest of many runs: what the processor can do when it does nothing else.
fn seconds(mut run: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    let (start, mut shortest) = (Instant::now(), f64::INFINITY);
    while start.elapsed() < MEASURED {
        let began = Instant::now();
        run()?;
        shortest = shortest.min(began.elapsed().as_secs_f64());
    }
    Ok(shortest)
}

fn print_rates(name: &str, flop: f64, seconds: [f64; 3]) {
    let [forward, dx, dweight] = seconds.map(|seconds| 1e-9 * flop / seconds);
    let all = 3e-9 * flop / seconds.iter().sum::<f64>();
    println!("{name:<40} {forward:>9.0} {dx:>9.0} {dweight:>9.0} {all:>9.0}");
}
