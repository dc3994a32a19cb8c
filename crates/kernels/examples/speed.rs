//! Measures every operator in `f32` and `bf16` on the shapes of residual networks, with as many threads
//! as rayon has: `cargo run --release -p trickbag-kernels --example speed`.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use trickbag_kernels::{
    Activation, AvgPool, Conv, Divisor, Element, Error, FixedNorm, ImageShape, Linear, MaxPool,
    Momentum, NormFlow, NormGradients, Passed, Rounding, SgdStep, Statistics, Window, Write,
    batch_norm_backward, batch_norm_stats, batch_norm_with_bits, bf16, global_avg_pool,
    global_avg_pool_backward, sgd,
};

/// How long each measurement repeats its operator.
const MEASURED: Duration = Duration::from_millis(200);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    rayon::ThreadPoolBuilder::new().use_current_thread().build_global()?;
    convolutions()?;
    linears()?;
    norms()?;
    pools::<f32>("f32")?;
    pools::<bf16>("bf16")?;
    Ok(update()?)
}

fn convolutions() -> Result<(), Error> {
    let [one, three] = [Window::square(1), Window::square(3).padding(1)];
    let seven = Window::square(7).stride(2).padding(3);
    print_titles("GFLOP/s", ["forward", "and stats", "dx", "dweight"]);
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
        convolution::<f32>(&format!("{name}, f32"), &conv)?;
        convolution::<bf16>(&format!("{name}, bf16"), &conv)?;
    }
    Ok(())
}

fn convolution<E: Element>(name: &str, conv: &Conv) -> Result<(), Error> {
    let (x, weight): (Vec<E>, Vec<E>) = (filled(conv.input().len()), filled(conv.weight_len()));
    let mut y = vec![E::default(); conv.output().len()];
    let [mut dx, mut dweight] = [&x, &weight].map(|like| vec![E::default(); like.len()]);
    let forward = seconds(|| conv.forward(&x, &weight, &mut y))?;
    let with_stats = seconds(|| conv.forward_with_stats(&x, &weight, &mut y).map(drop))?;
    let backward_input = seconds(|| conv.backward_input(&y, &weight, Write::Overwrite, &mut dx))?;
    let backward_weight = seconds(|| conv.backward_weight(&x, &y, &mut dweight))?;
    let flop = 2.0 * conv.macs() as f64;
    print_rates(name, 1e-9 * flop, [forward, with_stats, backward_input, backward_weight]);
    Ok(())
}

fn linears() -> Result<(), Error> {
    println!();
    print_titles("GFLOP/s", ["forward", "dx", "dweight"]);
    for (batch, inputs, outputs) in [(128, 64, 10), (64, 512, 1000), (256, 2048, 1000)] {
        let name = format!("linear {inputs}->{outputs}, batch {batch}");
        linear::<f32>(&format!("{name}, f32"), [batch, inputs, outputs])?;
        linear::<bf16>(&format!("{name}, bf16"), [batch, inputs, outputs])?;
    }
    Ok(())
}

fn linear<E: Element>(name: &str, [batch, inputs, outputs]: [usize; 3]) -> Result<(), Error> {
    let layer = Linear::new(batch, inputs, outputs)?;
    let [x, weight, bias]: [Vec<E>; 3] =
        [batch * inputs, inputs * outputs, outputs].map(|len| filled(len));
    let mut y = vec![E::default(); batch * outputs];
    let [mut dx, mut dweight, mut dbias] =
        [&x, &weight, &bias].map(|like| vec![E::default(); like.len()]);
    let forward = seconds(|| layer.forward(&x, &weight, &bias, &mut y))?;
    let backward_input = seconds(|| layer.backward_input(&y, &weight, Write::Add, &mut dx))?;
    let backward_weight = seconds(|| layer.backward_weight(&x, &y, &mut dweight, &mut dbias))?;
    let flop = 2.0 * (batch * inputs * outputs) as f64;
    print_rates(name, 1e-9 * flop, [forward, backward_input, backward_weight]);
    Ok(())
}

fn norms() -> Result<(), Error> {
    println!();
    print_titles("giganumbers/s", ["stats", "forward", "backward", "in place"]);
    for (name, input) in [
        ("norm 16, 32x32, batch 128", image(128, 32, 16)),
        ("norm 64, 8x8, batch 128", image(128, 8, 64)),
        ("norm 64, 112x112, batch 8", image(8, 112, 64)),
        ("norm 256, 56x56, batch 8", image(8, 56, 256)),
        ("norm 2048, 7x7, batch 8", image(8, 7, 2048)),
    ] {
        norm::<f32>(&format!("{name}, f32"), input)?;
        norm::<bf16>(&format!("{name}, bf16"), input)?;
    }
    Ok(())
}

fn norm<E: Element>(name: &str, input: ImageShape) -> Result<(), Error> {
    let x: Vec<E> = filled(input.len());
    let (residual, mut dx, mut dy) = (x.clone(), x.clone(), x.clone());
    let mut dresidual = x.clone();
    let (scale, shift) = (vec![1.0; input.channels], vec![0.0; input.channels]);
    let (mut dscale, mut dshift) = (scale.clone(), shift.clone());
    let (activation, eps) = (Activation::Relu, 1e-5);
    let statistics = seconds(|| batch_norm_stats(&x, input.channels).map(drop))?;
    let stats = batch_norm_stats(&x, input.channels)?;
    let norm = FixedNorm {
        stats: &stats,
        scale: &scale,
        shift: &shift,
        eps,
        residual: Some(&residual),
        activation,
    };
    let forward = seconds(|| batch_norm_with_bits(&x, norm).map(drop))?;
    let (_, bits) = batch_norm_with_bits(&x, norm)?;
    let mut backward = |flow: NormFlow<'_, E>, write| {
        let gradients = NormGradients {
            flow,
            scale: &mut dscale,
            shift: &mut dshift,
            residual: Some((write, &mut dresidual)),
        };
        let (passed, statistics) = (Passed::Bits(&bits), Statistics::Batch);
        batch_norm_backward(&x, passed, &stats, &scale, eps, activation, statistics, gradients)
    };
    let adding = seconds(|| {
        let flow = NormFlow::Across { dy: &residual, write: Write::Add, dx: &mut dx };
        backward(flow, Write::Add)
    })?;
    let in_place = seconds(|| backward(NormFlow::InPlace(&mut dy), Write::Overwrite))?;
    print_rates(name, 1e-9 * input.len() as f64, [statistics, forward, adding, in_place]);
    Ok(())
}

fn pools<E: Element>(element: &str) -> Result<(), Error> {
    println!();
    print_titles("giganumbers/s of the input", ["forward", "backward"]);
    let input = image(8, 112, 64);
    let x: Vec<E> = filled(input.len());
    let mut dx = x.clone();
    let print = |name: &str, forward: f64, backward: f64| {
        let name = format!("{name}, 112x112x64, {element}");
        print_rates(&name, 1e-9 * input.len() as f64, [forward, backward]);
    };

    let pool = MaxPool::new(input, Window::square(3).stride(2).padding(1))?;
    let mut y = vec![E::default(); pool.output().len()];
    let mut argmax = vec![0; y.len()];
    let forward = seconds(|| pool.forward(&x, &mut y, &mut argmax))?;
    print("max 3x3/2", forward, seconds(|| pool.backward(&argmax, &y, &mut dx))?);

    let window = Window::square(2).stride(2);
    let pool = AvgPool::new(input, window, Rounding::Floor, Divisor::Valid)?;
    let mut y = vec![E::default(); pool.output().len()];
    let forward = seconds(|| pool.forward(&x, &mut y))?;
    print("average 2x2/2", forward, seconds(|| pool.backward(&y, &mut dx))?);

    let mut y = vec![E::default(); input.batch * input.channels];
    let forward = seconds(|| global_avg_pool(input, &x, &mut y))?;
    let backward = seconds(|| global_avg_pool_backward(input, &y, &mut dx))?;
    print("global average", forward, backward);
    Ok(())
}

fn update() -> Result<(), Error> {
    println!();
    print_titles("giganumbers/s", ["plain", "classical", "Nesterov"]);
    let len = 4_000_000;
    let [gradient, mut parameter, mut velocity]: [Vec<f32>; 3] = [(); 3].map(|()| filled(len));
    let mut measure = |kind, with_velocity| {
        let step = SgdStep { lr: 1e-9, momentum: 0.9, kind, weight_decay: 1e-9 };
        seconds(|| {
            let velocity = Some(&mut velocity[..]).filter(|_| with_velocity);
            sgd(&mut parameter, &gradient, velocity, step)
        })
    };
    let plain = measure(Momentum::Classical, false)?;
    let rates = [plain, measure(Momentum::Classical, true)?, measure(Momentum::Nesterov, true)?];
    print_rates("sgd of 4 million", 1e-9 * len as f64, rates);
    Ok(())
}

fn image(batch: usize, size: usize, channels: usize) -> ImageShape {
    ImageShape { batch, height: size, width: size, channels }
}

/// Numbers that do not grow when they are summed.
fn filled<E: Element>(len: usize) -> Vec<E> {
    (0..len).map(|i| E::from_f32((i % 31) as f32 / 16.0 - 15.0 / 16.0)).collect()
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

fn print_titles<const N: usize>(unit: &str, titles: [&str; N]) {
    println!("{unit:<48}{}", titles.map(|title| format!("{title:>10}")).concat());
}

fn print_rates<const N: usize>(name: &str, work: f64, seconds: [f64; N]) {
    println!("{name:<48}{}", seconds.map(|seconds| format!("{:>10.1}", work / seconds)).concat());
}
