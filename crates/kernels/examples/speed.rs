//! Measures every operator on the shapes of residual networks, with as many threads as rayon has.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use trickbag_kernels::{Conv, ImageShape, Window};

/// How long each measurement repeats its operator.
const MEASURED: Duration = Duration::from_millis(400);

fn image(batch: usize, size: usize, channels: usize) -> ImageShape {
    ImageShape { batch, height: size, width: size, channels }
}

/// The shortest of many runs, in seconds: what the processor can do when nobody else is on it.
fn seconds(mut f: impl FnMut()) -> f64 {
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    while start.elapsed() < MEASURED {
        let run = Instant::now();
        f();
        best = best.min(run.elapsed().as_secs_f64());
    }
    best
}

fn convolution(name: &str, input: ImageShape, out_channels: usize, window: Window, groups: usize) {
    let conv = Conv::new(input, out_channels, window, groups).unwrap();
    let (mut x, mut weight) = (vec![0.5; input.len()], vec![0.25; conv.weight_len()]);
    let mut y = vec![0.125; conv.output().len()];
    let gflop = 2e-9 * conv.macs() as f64;
    let forward = seconds(|| conv.forward(&x, &weight, &mut y).unwrap());
    let dy = y.clone();
    let backward_weight = seconds(|| conv.backward_weight(&x, &dy, &mut weight).unwrap());
    weight.fill(0.25);
    let backward_input = seconds(|| conv.backward_input(&dy, &weight, &mut x).unwrap());
    let [f, i, w] = [forward, backward_input, backward_weight].map(|s| gflop / s);
    let all = 3.0 * gflop / (forward + backward_input + backward_weight);
    println!("{name:<34} {f:>9.0} {i:>9.0} {w:>9.0} {all:>9.0}");
}

fn main() {
    let three = Window::square(3).padding(1);
    let one = Window::square(1);
    println!("{:<34} {:>9} {:>9} {:>9} {:>9}", "GFLOP/s", "forward", "dx", "dweight", "all");
    convolution("CIFAR stem 3x3 3->16, 32px b128", image(128, 32, 3), 16, three, 1);
    convolution("3x3 16->16, 32px b128", image(128, 32, 16), 16, three, 1);
    convolution("3x3 16->32 /2, 32px b128", image(128, 32, 16), 32, three.stride(2), 1);
    convolution("3x3 32->32, 16px b128", image(128, 16, 32), 32, three, 1);
    convolution("3x3 64->64, 8px b128", image(128, 8, 64), 64, three, 1);
    convolution("3x3 64->64, 32px b64", image(64, 32, 64), 64, three, 1);
    convolution("3x3 128->128, 16px b64", image(64, 16, 128), 128, three, 1);
    convolution("3x3 256->256, 8px b64", image(64, 8, 256), 256, three, 1);
    convolution("3x3 512->512, 4px b64", image(64, 4, 512), 512, three, 1);
    convolution(
        "7x7 3->64 /2, 224px b8",
        image(8, 224, 3),
        64,
        Window::square(7).stride(2).padding(3),
        1,
    );
    convolution("1x1 64->256, 56px b8", image(8, 56, 64), 256, one, 1);
    convolution("1x1 256->64, 56px b8", image(8, 56, 256), 64, one, 1);
    convolution("1x1 256->512 /2, 56px b8", image(8, 56, 256), 512, one.stride(2), 1);
    convolution("3x3 128->128 /2, 56px b8", image(8, 56, 128), 128, three.stride(2), 1);
    convolution("1x1 1024->256, 14px b8", image(8, 14, 1024), 256, one, 1);
    convolution("3x3 512->512, 7px b8", image(8, 7, 512), 512, three, 1);
    convolution("1x1 512->2048, 7px b8", image(8, 7, 512), 2048, one, 1);
    convolution("3x3 depthwise 128, 28px b16", image(16, 28, 128), 128, three, 128);
    convolution("3x3 128->128 32 groups, 28px b16", image(16, 28, 128), 128, three, 32);
}
