//! `Bf16` rounds as it should, works in dfdx's operators, and gives what `f32` gives in the
//! operators of a network; so does `f16`.
#![allow(clippy::unwrap_used)]

mod form;
mod golden;

use bytemuck::TransparentWrapper;
use dfdx::dtypes::{Dtype, f16};
use dfdx::prelude::*;
use form::{Dims, formula};
use golden::close;
use half::bf16;
use num_traits::{AsPrimitive, Float, FromPrimitive, ToPrimitive};
use trickbag_ops::{
    Activation, Affine, Backend, BatchStatistics, Bf16, Divisor, FeatureMap, Matrix, Pointwise,
    Rounding, Tensors, Vector, Window,
};

/// Half a unit in the last place of `Bf16`, for values below 2.
const ROUNDING: f64 = 1.0 / 256.0;
/// The same of `f16`.
const F16_ROUNDING: f64 = 1.0 / 2048.0;

fn from_bits(bits: u16) -> Bf16 {
    bf16::from_bits(bits).into()
}

fn bits(x: Bf16) -> u16 {
    bf16::from(x).to_bits()
}

/// All finite values from 0 on, in order.
fn finite() -> impl Iterator<Item = Bf16> {
    (0..bits(Bf16::infinity())).map(from_bits)
}

/// Values of many sizes, signs and bits.
fn sample() -> impl Iterator<Item = Bf16> + Clone {
    (0..=u16::MAX).step_by(251).map(from_bits).filter(|x| x.is_finite())
}

fn same(found: Bf16, expected: Bf16, what: impl std::fmt::Debug) {
    let equal = bits(found) == bits(expected) || (found.is_nan() && expected.is_nan());
    assert!(equal, "{what:?}: {found:?}, expected {expected:?}");
}

#[test]
fn every_value_is_halfs_and_survives_f32_and_f64() {
    for x in (0..=u16::MAX).map(from_bits) {
        let wide = x.to_f32();
        let expected = bf16::from(x).to_f32();
        assert!(wide.to_bits() == expected.to_bits() || wide.is_nan() && expected.is_nan());
        same(Bf16::from_f32(wide), x, x);
        same(Bf16::from_f64(wide.into()), x, x);
    }
}

#[test]
fn f32_rounds_as_in_half() {
    for high in 0..=u32::from(u16::MAX) {
        for low in [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF] {
            let x = f32::from_bits(high << 16 | low);
            same(Bf16::from_f32(x), bf16::from_f32(x).into(), x);
            same(Bf16::from_f64(x.into()), bf16::from_f32(x).into(), x);
        }
    }
}

#[test]
fn f64_goes_to_the_nearer_neighbour_and_ties_to_the_even_one() {
    for (low, high) in finite().zip(finite().skip(1)) {
        let middle = f64::midpoint(low.to_f32().into(), high.to_f32().into());
        let even = if bits(low) & 1 == 0 { low } else { high };
        let cases = [(middle.next_down(), low), (middle, even), (middle.next_up(), high)];
        for (x, expected) in cases {
            same(Bf16::from_f64(x), expected, x);
            same(Bf16::from_f64(-x), -expected, -x);
        }
    }
}

#[test]
fn the_ends_of_the_range() {
    let (max, tiny) = (Bf16::max_value(), from_bits(1));
    let half_a_unit = 2.0_f64.powi(119);
    let largest = f64::from(max.to_f32());
    for (x, expected) in [
        ((largest + half_a_unit).next_down(), max),
        (largest + half_a_unit, Bf16::infinity()),
        (f64::MAX, Bf16::infinity()),
        (f64::NEG_INFINITY, Bf16::neg_infinity()),
        (f64::NAN, Bf16::nan()),
        (f64::from(tiny.to_f32()) / 2.0, Bf16::default()),
        (f64::MIN_POSITIVE, Bf16::default()),
        (-f64::MIN_POSITIVE, Bf16::neg_zero()),
    ] {
        same(Bf16::from_f64(x), expected, x);
    }
    assert!(Bf16::from_f32(f32::from_bits(0x7F80_0001)).is_nan());
    assert!(Bf16::from_f32(f32::from_bits(0xFFFF_FFFF)).is_nan());
}

#[test]
fn arithmetic_rounds_the_exact_result_once() {
    for (a, b) in sample().flat_map(|a| sample().map(move |b| (a, b))) {
        let (x, y) = (f64::from(a.to_f32()), f64::from(b.to_f32()));
        for (op, found, exact) in [
            ('+', a + b, x + y),
            ('-', a - b, x - y),
            ('*', a * b, x * y),
            ('/', a / b, x / y),
            ('%', a % b, x % y),
        ] {
            same(found, Bf16::from_f64(exact), (a, op, b));
        }
        let mut sum = a;
        sum += b;
        same(sum, a + b, (a, b));
    }
    for a in sample().map(|a| a.abs()) {
        same(a.sqrt(), Bf16::from_f64(f64::from(a.to_f32()).sqrt()), a);
    }
}

#[test]
fn integers_and_other_formats_convert() {
    for n in [0_i64, 1, -3, 255, 256, 257, 258, 259, -12345, 1 << 40] {
        let expected = Bf16::from_f64(n as f64);
        for found in [Bf16::from_i64(n), num_traits::cast(n), Some(n.as_())] {
            same(found.unwrap(), expected, n);
        }
        assert_eq!(expected.to_i64(), expected.to_f32().to_i64());
        let truncated: i32 = expected.as_();
        assert_eq!(truncated, expected.to_f32() as i32);
    }
    assert_eq!(Bf16::from_f32(-1.0).to_u64(), None);
    assert_eq!(ToPrimitive::to_f64(&Bf16::from_f32(0.1)), Some(0.10009765625));
    let byte: Bf16 = 255_u8.as_();
    assert_eq!(byte.to_f32(), 255.0);
}

#[test]
fn slices_are_cast_without_a_copy() {
    let values: Vec<Bf16> = sample().collect();
    let halves: &[bf16] = Bf16::peel_slice(&values);
    assert_eq!(halves.as_ptr().addr(), values.as_ptr().addr());
    assert_eq!(Bf16::wrap_slice(halves), values);
}

type Plain<E> = Vector<E, Cpu>;

/// Elementwise, indexing and reshaping operators of dfdx.
#[test]
fn dfdx_operators_give_what_f32_gives() {
    let wide = formula("x", (1000,), 0.5, 0.4);
    let x = <Cpu as Backend<Bf16>>::from_f32(wide).unwrap();
    let wide = x.clone().to_dtype::<f32>();
    let check = |name: &str, of: fn(Plain<Bf16>) -> Plain<Bf16>, as_f32: fn(Plain<f32>) -> _| {
        let expected: Plain<f32> = as_f32(wide.clone());
        let expected: Vec<_> = expected.as_vec().into_iter().map(f64::from).collect();
        close(name, &of(x.clone()).to_dtype::<f32>().as_vec(), &expected, ROUNDING);
    };
    check("add", |x| x.clone() + x, |x| x.clone() + x);
    check("sub", |x| x.clone() - x * Bf16::from_f32(0.5), |x| x.clone() - x * 0.5);
    check("mul", |x| x.clone() * x, |x| x.clone() * x);
    check("div", |x| x.clone() / x, |x| x.clone() / x);
    check("scalar", |x| x * Bf16::from_f32(0.5), |x| x * 0.5);
    check("exp", |x| x.exp(), |x| x.exp());
    check("ln", |x| x.ln(), |x| x.ln());
    check("sqrt", |x| x.sqrt(), |x| x.sqrt());
    check("tanh", |x| x.tanh(), |x| x.tanh());
    check("relu", |x| (x - Bf16::from_f32(0.5)).relu(), |x| (x - 0.5).relu());
    check("reshape", |x| x.reshape_like(&(10, 100)).reshape_like(&(1000,)), |x| x);
    let largest = |x: Plain<Bf16>| x.reshape_like(&(1, 1000)).max::<_, Axis<1>>();
    check("max", largest, |x| x.reshape_like(&(1, 1000)).max::<_, Axis<1>>());
    let gathered = |x: Plain<Bf16>| {
        let index = x.device().tensor_from_vec(vec![7_usize, 3, 7], (3,));
        x.gather::<(usize,), _>(index)
    };
    check("gather", gathered, |x| {
        let index = x.device().tensor_from_vec(vec![7_usize, 3, 7], (3,));
        x.gather::<(usize,), _>(index)
    });
}

/// What the operators of a network take, in the number format `E`; the values are `Bf16`'s.
struct Operands<E: Dtype> {
    x: FeatureMap<E, Cpu>,
    filter: FeatureMap<E, Cpu>,
    halved: FeatureMap<E, Cpu>,
    scale: Vector<E, Cpu>,
    shift: Vector<E, Cpu>,
    weight: Matrix<E, Cpu>,
    bias: Vector<E, Cpu>,
}

/// Gradients and whatever else came out, by name.
type Named = Vec<(&'static str, Vec<f32>)>;

impl<E: Dtype> Operands<E>
where
    Cpu: Backend<E>,
{
    fn new() -> Self {
        Self {
            x: cast(formula("x", (2, 6, 5, 8), 0.2, 1.0)),
            filter: cast(formula("filter", (3, 3, 8, 8), 0.0, 0.2)),
            halved: cast(formula("halved", (3, 3, 4, 8), 0.0, 0.3)),
            scale: cast(formula("scale", (8,), 1.0, 0.5)),
            shift: cast(formula("shift", (8,), 0.0, 0.5)),
            weight: cast(formula("weight", (8, 10), 0.0, 0.5)),
            bias: cast(formula("bias", (10,), 0.0, 0.5)),
        }
    }

    fn conv<T: Tape<E, Cpu>>(&self, x: FeatureMap<E, Cpu, T>) -> FeatureMap<E, Cpu, T> {
        Backend::conv2d(x, &self.filter, &Window::square(3).padding(1), 1).unwrap()
    }

    fn conv_in_groups<T: Tape<E, Cpu>>(&self, x: FeatureMap<E, Cpu, T>) -> FeatureMap<E, Cpu, T> {
        Backend::conv2d(x, &self.halved, &Window::square(3).padding(1), 2).unwrap()
    }

    fn norm<T: Tape<E, Cpu>>(
        &self,
        x: FeatureMap<E, Cpu, T>,
        residual: Option<FeatureMap<E, Cpu, T>>,
    ) -> (FeatureMap<E, Cpu, T>, BatchStatistics<Cpu>) {
        Backend::batch_norm(x, &self.affine(), residual).unwrap()
    }

    fn norm_fixed<T: Tape<E, Cpu>>(&self, x: FeatureMap<E, Cpu, T>) -> FeatureMap<E, Cpu, T> {
        let (mean, var) = (formula("mean", (8,), 0.1, 0.1), formula("var", (8,), 1.0, 0.5));
        Backend::batch_norm_fixed(x, &BatchStatistics { mean, var }, &self.affine(), None).unwrap()
    }

    fn affine(&self) -> Affine<'_, E, Cpu> {
        let Self { scale, shift, .. } = self;
        Affine { scale, shift, eps: 1e-5, activation: Activation::Relu }
    }

    fn gate<T: Tape<E, Cpu>>(&self, x: FeatureMap<E, Cpu, T>) -> FeatureMap<E, Cpu, T> {
        let averages = Backend::global_avg_pool(x.with_empty_tape()).unwrap();
        Backend::scale_channels(x, averages).unwrap()
    }

    fn head<T: Tape<E, Cpu>>(&self, x: FeatureMap<E, Cpu, T>) -> Matrix<E, Cpu, T> {
        Backend::linear(Backend::global_avg_pool(x).unwrap(), &self.weight, &self.bias).unwrap()
    }

    /// The value of `y` and the gradients of the operands, when a fixed gradient flows into it.
    fn pull<S: Shape>(&self, y: Tensor<S, E, Cpu, OwnedTape<E, Cpu>>) -> Named {
        let value = to_f32(y.retaped::<NoneTape>());
        let dy = cast::<_, f32>(formula("dy", *y.shape(), 0.0, 1.0));
        let loss = <Cpu as Tensors<E>>::scalar(y, 1.5, dy).unwrap();
        // dfdx's own formats come to it by way of a sum.
        close("value", &to_f32(loss.retaped::<NoneTape>()), &[1.5], 0.01);
        let mut gradients = <Cpu as Tensors<E>>::backward(loss).unwrap();
        let mut named = vec![("y", value)];
        let mut take = |name, of: Vec<f32>| named.push((name, of));
        take("dx", taken(&mut gradients, &self.x));
        take("dfilter", taken(&mut gradients, &self.filter));
        take("dhalved", taken(&mut gradients, &self.halved));
        take("dscale", taken(&mut gradients, &self.scale));
        take("dshift", taken(&mut gradients, &self.shift));
        take("dweight", taken(&mut gradients, &self.weight));
        take("dbias", taken(&mut gradients, &self.bias));
        named
    }

    fn results(&self, rounding: f64) -> Vec<(&'static str, f64, Named)> {
        let x = || self.x.leaky_trace();
        let square = Window::square(2);
        let (normed, statistics) = self.norm(x(), None);
        let statistics = vec![("mean", statistics.mean.as_vec()), ("var", statistics.var.as_vec())];
        let block = self.norm(self.conv_in_groups(self.norm(self.conv(x()), None).0), Some(x())).0;
        vec![
            ("conv2d", rounding, self.pull(self.conv(x()))),
            ("conv2d in groups", rounding, self.pull(self.conv_in_groups(x()))),
            ("batch_norm", rounding, self.pull(normed)),
            ("statistics", 1e-5, statistics),
            ("batch_norm of x + x", rounding, self.pull(self.norm(x(), Some(x())).0)),
            ("batch_norm_fixed", rounding, self.pull(self.norm_fixed(x()))),
            ("max_pool", rounding, self.pull(Backend::max_pool(x(), &square).unwrap())),
            (
                "avg_pool",
                rounding,
                self.pull(Backend::avg_pool(x(), &square, Rounding::Ceil, Divisor::Valid).unwrap()),
            ),
            ("gelu", rounding, self.pull(Backend::pointwise(x(), Pointwise::Gelu).unwrap())),
            ("silu", rounding, self.pull(Backend::pointwise(x(), Pointwise::Silu).unwrap())),
            ("sigmoid", rounding, self.pull(Backend::pointwise(x(), Pointwise::Sigmoid).unwrap())),
            ("blur_pool", rounding, self.pull(Backend::blur_pool(x()).unwrap())),
            ("concat", rounding, self.pull(Backend::concat_channels(vec![x(), x()]).unwrap())),
            ("gate", 2.0 * rounding, self.pull(self.gate(x()))),
            ("head", 2.0 * rounding, self.pull(self.head(x()))),
            ("a network", 13.0 * rounding, self.pull(self.head(block))),
        ]
    }
}

fn cast<S: Shape, E: Dtype>(x: Tensor<S, f32, Cpu>) -> Tensor<S, E, Cpu>
where
    Cpu: Backend<E>,
{
    let rounded = x.to_dtype::<Bf16>().to_dtype::<f32>();
    <Cpu as Backend<E>>::from_f32(rounded).unwrap()
}

fn to_f32<S: Shape, E: Dtype>(x: Tensor<S, E, Cpu>) -> Vec<f32>
where
    Cpu: Backend<E>,
{
    <Cpu as Backend<E>>::to_f32(x).unwrap().as_vec()
}

fn taken<S: Shape, E: Dtype>(gradients: &mut Gradients<E, Cpu>, of: &Tensor<S, E, Cpu>) -> Vec<f32>
where
    Cpu: Backend<E>,
{
    <Cpu as Backend<E>>::take_gradient(gradients, of).unwrap().as_vec()
}

#[test]
fn the_operators_of_a_network_give_what_f32_gives() {
    check_operators::<Bf16>(ROUNDING);
    check_operators::<f16>(F16_ROUNDING);
}

fn check_operators<E: Dtype>(rounding: f64)
where
    Cpu: Backend<E>,
{
    let precise = Operands::<f32>::new().results(rounding);
    for ((name, tolerance, found), (.., expected)) in
        Operands::<E>::new().results(rounding).iter().zip(precise)
    {
        for ((what, found), (_, expected)) in found.iter().zip(expected) {
            let expected: Vec<_> = expected.into_iter().map(f64::from).collect();
            close(&format!("{what} of {name}"), found, &expected, *tolerance);
        }
    }
}

#[test]
fn sums_over_many_elements_do_not_saturate() {
    let dev = Cpu::default();
    let ones: FeatureMap<Bf16, Cpu> = dev.ones_like(&(1, 100, 100, 1));
    let mean = Backend::global_avg_pool(ones.clone()).unwrap();
    assert_eq!(to_f32(mean), [1.0]);
    let weight: Matrix<Bf16, Cpu> = dev.ones_like(&(10_000, 1));
    let bias: Vector<Bf16, Cpu> = dev.zeros_like(&(1,));
    let row = <Cpu as Tensors<Bf16>>::reshape(ones, &(1, 10_000)).unwrap();
    let sum = Backend::linear(row, &weight, &bias).unwrap();
    assert_eq!(to_f32(sum), [Bf16::from_f32(10_000.0).to_f32()]);
}

#[test]
fn a_view_gets_its_gradient_in_its_own_layout() {
    let x: FeatureMap<Bf16, Cpu> = cast(formula("x", (2, 3, 4, 2), 0.0, 1.0));
    let wide: FeatureMap<f32, Cpu> = cast(formula("x", (2, 3, 4, 2), 0.0, 1.0));
    let dy = || formula("dy", (2, 4, 3, 2), 0.0, 1.0);
    let turned = || x.leaky_trace().permute::<Dims, Axes4<0, 2, 1, 3>>();
    let pooled = Backend::max_pool(turned(), &Window::square(1)).unwrap();
    let pooled = <Cpu as Tensors<Bf16>>::scalar(pooled, 0.0, dy()).unwrap();
    let direct = <Cpu as Tensors<Bf16>>::scalar(turned(), 0.0, dy()).unwrap();
    let expected = wide.leaky_trace().permute::<Dims, Axes4<0, 2, 1, 3>>();
    let expected = (expected * dy()).sum::<(), _>().backward().get(&wide).as_vec();
    let expected: Vec<_> = expected.into_iter().map(f64::from).collect();
    for loss in [pooled, direct] {
        close("dx", &to_f32(loss.backward().get(&x)), &expected, ROUNDING);
    }
}

#[test]
fn a_gradient_of_another_shape_is_refused() {
    let dev = Cpu::default();
    let x: Vector<Bf16, Cpu> = dev.zeros_like(&(3,));
    let wide: Vector<f32, Cpu> = dev.zeros_like(&(3,));
    let gradient: Vector<f32, Cpu> = dev.zeros_like(&(4,));
    let refused = "gradient has shape [4], expected [3]";
    let error = <Cpu as Tensors<Bf16>>::scalar(x, 0.0, gradient.clone()).unwrap_err();
    assert_eq!(error.to_string(), refused);
    let error = <Cpu as Tensors<f32>>::scalar(wide, 0.0, gradient).unwrap_err();
    assert_eq!(error.to_string(), refused);
}
