//! Every operator against PyTorch, forward and backward, in both forms and on every device.
#![allow(clippy::unwrap_used, clippy::panic)]

mod device;
mod form;
mod golden;
mod way;

use dfdx::prelude::*;
use form::{Dims, Traced, formula, pull};
use golden::Golden;
use serde::Deserialize;
use trickbag_ops::{
    Activation, Affine, BatchStatistics, Divisor, FeatureMap, Matrix, Pointwise, Rounding, Vector,
    Window,
};
use way::{Way, ways};

type Map = FeatureMap<f32, Cpu>;

const TOLERANCE: f64 = 2e-5;
const EPS: f32 = 1e-5;

fn pairs<C>(golden: &Golden<C>) -> Vec<(&C, Way)> {
    golden.cases.iter().flat_map(|case| ways().into_iter().map(move |way| (case, way))).collect()
}

/// Holds `found` against the tensor `name`.
fn hold<C>(golden: &Golden<C>, way: Way, name: &str, found: &[f32], tolerance: f64) {
    way.check(name, found, &golden.get(name).unwrap(), tolerance);
}

fn shape4([a, b, c, d]: [usize; 4]) -> Dims {
    (a, b, c, d)
}

#[derive(Deserialize)]
struct ConvCase {
    name: String,
    x: [usize; 4],
    w: [usize; 4],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
    groups: usize,
}

#[test]
fn convolution() {
    let golden = Golden::<ConvCase>::read("tests/goldens/conv.safetensors");
    for (case, way) in pairs(&golden) {
        let ConvCase { name, stride, padding, dilation, .. } = case;
        let x = formula(&format!("{name}/x"), shape4(case.x), 0.0, 1.0);
        let w = formula(&format!("{name}/w"), shape4(case.w), 0.0, 1.0);
        let kernel = [case.w[0], case.w[1]];
        let window = Window { kernel, stride: *stride, padding: *padding, dilation: *dilation };
        let traced = x.leaky_trace();
        let y = way.conv2d(traced, &w, &window, case.groups).unwrap();
        hold(&golden, way, &format!("{name}/y"), &y.as_vec(), TOLERANCE);
        let dy = formula(&format!("{name}/dy"), *y.shape(), 0.0, 1.0);
        let gradients = pull(y, dy);
        hold(&golden, way, &format!("{name}/dx"), &gradients.get(&x).as_vec(), TOLERANCE);
        hold(&golden, way, &format!("{name}/dw"), &gradients.get(&w).as_vec(), TOLERANCE);
    }
}

#[derive(Deserialize)]
struct NormCase {
    name: String,
    mode: String,
    x: [usize; 4],
    x_offset: f64,
    residual: bool,
    relu: bool,
}

#[test]
fn batch_norm() {
    let golden = Golden::<NormCase>::read("tests/goldens/norm.safetensors");
    for (case, way) in pairs(&golden) {
        check_norm(&golden, case, way);
    }
}

fn check_norm(golden: &Golden<NormCase>, case: &NormCase, way: Way) {
    let NormCase { name, .. } = case;
    // A mean of 1000 leaves 11 bits nothing, and f32 about 4 digits of deviation in the input itself.
    if case.x_offset != 0.0 && way.is_half() {
        return;
    }
    let tolerance = if case.x_offset == 0.0 { TOLERANCE } else { 1e-3 };
    let (shape, channels) = (shape4(case.x), (case.x[3],));
    let x = formula(&format!("{name}/x"), shape, case.x_offset, 1.0);
    let scale: Vector<f32, Cpu> = formula(&format!("{name}/scale"), channels, 1.0, 0.5);
    let shift: Vector<f32, Cpu> = formula(&format!("{name}/shift"), channels, 0.0, 0.5);
    let residual = case.residual.then(|| formula(&format!("{name}/residual"), shape, 0.0, 1.0));
    let activation = if case.relu { Activation::Relu } else { Activation::Identity };
    let affine = Affine { scale: &scale, shift: &shift, eps: EPS, activation };
    let beside = residual.as_ref().map(|r: &Map| r.leaky_trace());
    let y = if case.mode == "training" {
        let (y, statistics) = way.batch_norm(x.leaky_trace(), &affine, beside).unwrap();
        hold(golden, way, &format!("{name}/batch_mean"), &statistics.mean.as_vec(), tolerance);
        hold(golden, way, &format!("{name}/batch_variance"), &statistics.var.as_vec(), tolerance);
        y
    } else {
        let running = BatchStatistics {
            mean: formula(&format!("{name}/running_mean"), channels, 0.0, 0.5),
            var: formula(&format!("{name}/running_variance"), channels, 1.0, 0.5),
        };
        way.batch_norm_fixed(x.leaky_trace(), &running, &affine, beside).unwrap()
    };
    hold(golden, way, &format!("{name}/y"), &y.as_vec(), tolerance);
    // With 11 bits some number takes the other side of the kink, and its gradient with it.
    if case.relu && way.is_half() {
        return;
    }
    let dy = formula(&format!("{name}/dy"), shape, 0.0, 1.0);
    let gradients = pull(y, dy);
    hold(golden, way, &format!("{name}/dx"), &gradients.get(&x).as_vec(), tolerance);
    hold(golden, way, &format!("{name}/dscale"), &gradients.get(&scale).as_vec(), tolerance);
    hold(golden, way, &format!("{name}/dshift"), &gradients.get(&shift).as_vec(), tolerance);
    if let Some(residual) = residual {
        hold(
            golden,
            way,
            &format!("{name}/dresidual"),
            &gradients.get(&residual).as_vec(),
            tolerance,
        );
    }
}

#[derive(Deserialize)]
struct PoolCase {
    name: String,
    kind: String,
    x: [usize; 4],
    relu: bool,
    #[serde(default)]
    kernel: [usize; 2],
    #[serde(default)]
    stride: [usize; 2],
    #[serde(default)]
    padding: [usize; 2],
    #[serde(default)]
    ceil_mode: bool,
    #[serde(default)]
    count_include_pad: bool,
}

#[test]
fn pooling() {
    let golden = Golden::<PoolCase>::read("tests/goldens/pool.safetensors");
    for (case, way) in pairs(&golden) {
        let name = &case.name;
        let mut x = formula(&format!("{name}/x"), shape4(case.x), 0.0, 1.0);
        if case.relu {
            x = x.relu();
        }
        let dx = if case.kind == "global_average" {
            let y = way.global_avg_pool(x.leaky_trace());
            check_pool(&golden, way, name, &x, y.unwrap())
        } else {
            check_pool(&golden, way, name, &x, window_pool(case, way, x.leaky_trace()))
        };
        hold(&golden, way, &format!("{name}/dx"), &dx, TOLERANCE);
    }
}

fn window_pool(case: &PoolCase, way: Way, x: Traced<Dims>) -> Traced<Dims> {
    let PoolCase { kernel, stride, padding, .. } = *case;
    let window = Window { kernel, stride, padding, dilation: [1, 1] };
    let rounding = if case.ceil_mode { Rounding::Ceil } else { Rounding::Floor };
    let divisor = if case.count_include_pad { Divisor::Window } else { Divisor::Valid };
    match case.kind.as_str() {
        "max" => way.max_pool(x, &window),
        _ => way.avg_pool(x, &window, rounding, divisor),
    }
    .unwrap()
}

/// Checks `y` and returns the gradient of `x`.
fn check_pool<S: Shape>(
    golden: &Golden<PoolCase>,
    way: Way,
    name: &str,
    x: &Map,
    y: Traced<S>,
) -> Vec<f32> {
    hold(golden, way, &format!("{name}/y"), &y.as_vec(), TOLERANCE);
    let dy = formula(&format!("{name}/dy"), *y.shape(), 0.0, 1.0);
    pull(y, dy).get(x).as_vec()
}

#[derive(Deserialize)]
struct LinearCase {
    name: String,
    x: (usize, usize),
    w: (usize, usize),
}

#[test]
fn linear() {
    let golden = Golden::<LinearCase>::read("tests/goldens/linear.safetensors");
    for (case, way) in pairs(&golden) {
        let name = &case.name;
        let x: Matrix<f32, Cpu> = formula(&format!("{name}/x"), case.x, 0.0, 1.0);
        let w: Matrix<f32, Cpu> = formula(&format!("{name}/w"), case.w, 0.0, 1.0);
        let b: Vector<f32, Cpu> = formula(&format!("{name}/b"), (case.w.1,), 0.0, 1.0);
        let y = way.linear(x.leaky_trace(), &w, &b).unwrap();
        hold(&golden, way, &format!("{name}/y"), &y.as_vec(), TOLERANCE);
        let dy = formula(&format!("{name}/dy"), *y.shape(), 0.0, 1.0);
        let gradients = pull(y, dy);
        hold(&golden, way, &format!("{name}/dx"), &gradients.get(&x).as_vec(), TOLERANCE);
        hold(&golden, way, &format!("{name}/dw"), &gradients.get(&w).as_vec(), TOLERANCE);
        hold(&golden, way, &format!("{name}/db"), &gradients.get(&b).as_vec(), TOLERANCE);
    }
}

#[derive(Deserialize)]
struct MapCase {
    name: String,
    kind: String,
    x: [usize; 4],
}

#[test]
fn maps() {
    let golden = Golden::<MapCase>::read("tests/goldens/map.safetensors");
    for (case, way) in pairs(&golden) {
        check_map(&golden, case, way);
    }
}

fn check_map(golden: &Golden<MapCase>, MapCase { name, kind, x }: &MapCase, way: Way) {
    let [batch, height, width, channels] = *x;
    let shape = (batch, height, width, channels);
    let x = formula(&format!("{name}/x"), shape, 0.0, 4.0);
    let factors = formula(&format!("{name}/factors"), (batch, channels), 0.0, 1.0);
    let more = formula(&format!("{name}/more"), shape, 0.0, 1.0);
    let y = mapped(kind, way, &x, &factors, &more);
    hold(golden, way, &format!("{name}/y"), &y.as_vec(), TOLERANCE);
    let dy = formula(&format!("{name}/dy"), *y.shape(), 0.0, 1.0);
    let gradients = pull(y, dy);
    hold(golden, way, &format!("{name}/dx"), &gradients.get(&x).as_vec(), TOLERANCE);
    match kind.as_str() {
        "scale" => {
            let dfactors = gradients.get(&factors).as_vec();
            hold(golden, way, &format!("{name}/dfactors"), &dfactors, TOLERANCE);
        }
        "concat" => {
            hold(golden, way, &format!("{name}/dmore"), &gradients.get(&more).as_vec(), TOLERANCE);
        }
        _ => (),
    }
}

fn mapped(kind: &str, way: Way, x: &Map, factors: &Matrix<f32, Cpu>, more: &Map) -> Traced<Dims> {
    let (traced, parts) = (x.leaky_trace(), || vec![x.leaky_trace(), more.leaky_trace()]);
    let pointwise = |function| way.pointwise(x.leaky_trace(), function);
    match kind {
        "relu" => pointwise(Pointwise::Relu),
        "gelu" => pointwise(Pointwise::Gelu),
        "silu" => pointwise(Pointwise::Silu),
        "sigmoid" => pointwise(Pointwise::Sigmoid),
        "blur" => way.blur_pool(traced),
        "scale" => way.scale_channels(traced, factors.leaky_trace()),
        "concat" => way.concat_channels(parts()),
        other => panic!("{other}"),
    }
    .unwrap()
}
