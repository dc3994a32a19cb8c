//! Batch normalisation against plain loops in f64, in every type and on every instruction set.

use crate::oracle::{Number, assert_close, moments, numbers, widen};
use proptest::prelude::*;
use trickbag_kernels::{
    Activation, BatchStats, Error, FixedNorm, Isa, NormFlow, NormGradients, Passed, Statistics,
    Write, batch_norm, batch_norm_backward, batch_norm_stats, batch_norm_with_bits, bf16, f16,
};

const EPS: f32 = 1e-5;

/// What gradients are written to.
const BEFORE: f32 = 0.5;

/// Where the gradient of the input goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    Apart(Write),
    InPlace,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Residual {
    Absent,
    Present,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    pixels: usize,
    channels: usize,
    residual: Residual,
    activation: Activation,
    statistics: Statistics,
}

/// The operands that a case's shapes ask for.
struct Operands<E> {
    x: Vec<E>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    residual: Option<Vec<E>>,
    dy: Vec<E>,
}

impl Case {
    fn operands<E: Number>(&self) -> Operands<E> {
        let len = self.pixels * self.channels;
        Operands {
            x: numbers(1, len),
            scale: numbers(2, self.channels),
            shift: numbers(3, self.channels),
            residual: (self.residual == Residual::Present).then(|| numbers(4, len)),
            dy: numbers(5, len),
        }
    }

    fn stats<E: Number>(&self, x: &[E]) -> BatchStats {
        match self.statistics {
            Statistics::Batch => batch_norm_stats(x, self.channels).unwrap(),
            Statistics::Fixed => BatchStats {
                mean: numbers(6, self.channels),
                var: numbers(7, self.channels).iter().map(|v: &f32| v.abs() + 0.1).collect(),
            },
        }
    }

    /// The output, and the bits of what the ReLU lets pass.
    fn forward<E: Number>(&self, operands: &Operands<E>, stats: &BatchStats) -> (Vec<E>, Vec<u16>) {
        let Operands { x, scale, shift, residual, .. } = operands;
        let (residual, activation) = (residual.as_deref(), self.activation);
        let norm = FixedNorm { stats, scale, shift, eps: EPS, residual, activation };
        let (y, bits) = batch_norm_with_bits(x, norm).unwrap();
        assert!(batch_norm(x, norm).unwrap() == y, "{self:?} without bits");
        (y, bits)
    }

    /// The gradients of x and residual, and of scale and shift, where all buffers held `BEFORE`.
    fn backward<E: Number>(
        &self,
        operands: &Operands<E>,
        stats: &BatchStats,
        passed: Passed<'_>,
        target: Target,
    ) -> ([Vec<E>; 2], [Vec<f32>; 2]) {
        let Operands { x, scale, residual, dy, .. } = operands;
        let [mut dx, mut dresidual] = [(); 2].map(|()| vec![E::from_f32(BEFORE); x.len()]);
        let [mut dscale, mut dshift] = [(); 2].map(|()| vec![BEFORE; self.channels]);
        let (write, flow) = match target {
            Target::Apart(write) => (write, NormFlow::Across { dy, write, dx: &mut dx }),
            Target::InPlace => {
                dx.copy_from_slice(dy);
                (Write::Overwrite, NormFlow::InPlace(&mut dx))
            }
        };
        let gradients = NormGradients {
            flow,
            scale: &mut dscale,
            shift: &mut dshift,
            residual: residual.as_ref().map(|_| (write, dresidual.as_mut_slice())),
        };
        let Self { activation, statistics, .. } = *self;
        batch_norm_backward(x, passed, stats, scale, EPS, activation, statistics, gradients)
            .unwrap();
        ([dx, dresidual], [dscale, dshift])
    }

    /// The gradients in f64, from the formulas.
    fn expected<E: Number>(
        &self,
        operands: &Operands<E>,
        stats: &BatchStats,
        y: &[E],
    ) -> ([Vec<f64>; 2], [Vec<f64>; 2]) {
        let Operands { x, scale, dy, .. } = operands;
        let channels = self.channels;
        let relu = self.activation == Activation::Relu;
        let gate = |(dy, y): (f64, f64)| if relu && y <= 0.0 { 0.0 } else { dy };
        let dz: Vec<f64> = widen(dy).into_iter().zip(widen(y)).map(gate).collect();
        let inverse = |c: usize| (f64::from(stats.var[c]) + f64::from(EPS)).powf(-0.5);
        let x = widen(x);
        let hat = |i: usize| (x[i] - f64::from(stats.mean[i % channels])) * inverse(i % channels);
        let [mut dscale, mut dshift] = [(); 2].map(|()| vec![0.0; channels]);
        for (i, dz) in dz.iter().enumerate() {
            dshift[i % channels] += dz;
            dscale[i % channels] += dz * hat(i);
        }
        let feedback = |i: usize| match self.statistics {
            Statistics::Batch => {
                (dshift[i % channels] + hat(i) * dscale[i % channels]) / self.pixels as f64
            }
            Statistics::Fixed => 0.0,
        };
        let dx = |(i, dz): (usize, &f64)| {
            f64::from(scale[i % channels]) * inverse(i % channels) * (dz - feedback(i))
        };
        let dx = dz.iter().enumerate().map(dx).collect();
        ([dx, dz], [dscale, dshift])
    }

    /// Forward and backward against f64, on every instruction set.
    fn check<E: Number>(&self) {
        let operands: Operands<E> = self.operands();
        for isa in Isa::available() {
            let what = |name: &str| format!("{name} of {self:?} in {} on {isa:?}", E::NAME);
            let stats = isa.scope(|| self.stats(&operands.x)).unwrap();
            let (y, bits) = isa.scope(|| self.forward(&operands, &stats)).unwrap();
            let expected_y = self.expected_output(&operands, &stats);
            assert_close(&what("y"), &y, &expected_y, 1e-5);
            // A positive number may be so small that it is stored as zero.
            let same_signs = widen(&y)
                .iter()
                .zip(&expected_y)
                .all(|(y, expected)| (*y > 0.0) == (*expected > 0.0));
            let positive = positive(&y);
            if same_signs {
                assert_eq!(bits, positive, "{}", what("bits"));
            }
            let expected = self.expected(&operands, &stats, &y);
            for target in
                [Target::Apart(Write::Add), Target::Apart(Write::Overwrite), Target::InPlace]
            {
                let run = || self.backward(&operands, &stats, Passed::Bits(&positive), target);
                let found = isa.scope(run).unwrap();
                if self.residual == Residual::Absent && same_signs {
                    let passed = Passed::Shift(&operands.shift);
                    let again = || self.backward(&operands, &stats, passed, target);
                    assert_eq!(
                        isa.scope(again).unwrap(),
                        found,
                        "{}",
                        what("the sign found again")
                    );
                }
                let above = |expected: &[f64], before: f32| -> Vec<f64> {
                    expected.iter().map(|expected| expected + f64::from(before)).collect()
                };
                let kept = if target == Target::Apart(Write::Add) { BEFORE } else { 0.0 };
                let [dx, dresidual] = &found.0;
                assert_close(&what("dx"), dx, &above(&expected.0[0], kept), 2e-5);
                let [dscale, dshift] = &found.1;
                assert_close(&what("dscale"), dscale, &above(&expected.1[0], BEFORE), 2e-5);
                assert_close(&what("dshift"), dshift, &above(&expected.1[1], BEFORE), 2e-5);
                if self.residual == Residual::Present {
                    assert_close(&what("dresidual"), dresidual, &above(&expected.0[1], kept), 2e-5);
                }
            }
        }
    }

    fn expected_output<E: Number>(&self, operands: &Operands<E>, stats: &BatchStats) -> Vec<f64> {
        let x = widen(&operands.x);
        let residual = operands.residual.as_ref().map(|residual| widen(residual));
        let output = |i: usize| {
            let c = i % self.channels;
            let deviation = (f64::from(stats.var[c]) + f64::from(EPS)).sqrt();
            let normal = (x[i] - f64::from(stats.mean[c])) / deviation;
            let residual = residual.as_ref().map_or(0.0, |residual| residual[i]);
            let z = normal * f64::from(operands.scale[c]) + f64::from(operands.shift[c]) + residual;
            if self.activation == Activation::Relu { z.max(0.0) } else { z }
        };
        (0..x.len()).map(output).collect()
    }
}

/// A bit for each number, for each sixteen.
fn positive<E: Number>(numbers: &[E]) -> Vec<u16> {
    let bit = |(i, number): (usize, &E)| u16::from(number.to_f32() > 0.0) << i;
    numbers.chunks(16).map(|some| some.iter().enumerate().map(bit).sum()).collect()
}

fn check_stats<E: Number>(x: &[E], channels: usize, tolerance: f64) {
    let [mean, var] = moments(x, channels);
    for isa in Isa::available() {
        let stats = isa.scope(|| batch_norm_stats(x, channels)).unwrap().unwrap();
        let what = |name| format!("{name} in {} on {isa:?}", E::NAME);
        assert_close(&what("mean"), &stats.mean, &mean, 1e-6);
        assert_close(&what("variance"), &stats.var, &var, tolerance);
    }
}

#[test]
fn statistics_survive_a_large_mean_with_a_small_variance() {
    // At 1e4 neighbouring numbers in f32 are 1e-3 apart: what is tested is the sums' own error.
    for (offset, deviation) in [(0.0, 1.0), (1e4, 1.0), (1e4, 0.05), (-3e4, 0.1), (1e-3, 1e-4)] {
        let x: Vec<f32> = numbers(1, 5000 * 20);
        let x: Vec<f32> = x.iter().map(|v| offset + deviation * v).collect();
        check_stats(&x, 20, 1e-6 * f64::from(deviation * deviation));
    }
    check_stats(&[7.0; 24], 8, 0.0);
    check_stats::<f32>(&numbers(1, 3), 3, 0.0);
}

#[test]
fn statistics_survive_an_extreme_first_pixel() {
    let mut x = numbers(1, 3000);
    x[0] = 1e4;
    check_stats(&x, 1, 1e-6);
}

#[test]
fn statistics_of_nan_are_nan() {
    for isa in Isa::available() {
        let stats = isa.scope(|| batch_norm_stats(&[1.0, 0.0, f32::NAN, 0.0], 2)).unwrap().unwrap();
        assert!(stats.mean[0].is_nan() && stats.var[0].is_nan(), "{isa:?}");
        assert_eq!((stats.mean[1], stats.var[1]), (0.0, 0.0), "{isa:?}");
    }
}

#[test]
fn gradient_matches_finite_differences() {
    let case = Case {
        pixels: 6,
        channels: 3,
        residual: Residual::Present,
        activation: Activation::Relu,
        statistics: Statistics::Batch,
    };
    let operands: Operands<f32> = case.operands();
    let stats = case.stats(&operands.x);
    let (y, bits) = case.forward(&operands, &stats);
    let passed = |i: usize| if y[i] > 0.0 { f64::from(operands.dy[i]) } else { 0.0 };
    // The sum of the outputs times `dy`, where the ReLU stays as open or shut as it is.
    let loss = |x: &[f64]| -> f64 {
        let column = |c: usize| (c..x.len()).step_by(3);
        let mean = |c: usize| column(c).map(|i| x[i]).sum::<f64>() / 6.0;
        let var = |c: usize| column(c).map(|i| (x[i] - mean(c)).powi(2)).sum::<f64>() / 6.0;
        let output = |i: usize| {
            let c = i % 3;
            (x[i] - mean(c)) / (var(c) + f64::from(EPS)).sqrt() * f64::from(operands.scale[c])
        };
        (0..x.len()).map(|i| passed(i) * output(i)).sum()
    };
    let slope = |i: usize| {
        let at = |step: f64| {
            let mut x = widen(&operands.x);
            x[i] += step;
            loss(&x)
        };
        (at(1e-5) - at(-1e-5)) / 2e-5
    };
    let expected: Vec<f64> = (0..operands.x.len()).map(slope).collect();
    let ([dx, _], _) = case.backward(&operands, &stats, Passed::Bits(&bits), Target::InPlace);
    assert_close("dx", &dx, &expected, 1e-5);
}

#[test]
fn relu_lets_nan_pass() {
    let stats = BatchStats { mean: vec![0.0], var: vec![1.0] };
    for isa in Isa::available() {
        let run = || {
            let (scale, shift, activation) = (&[1.0][..], &[0.0][..], Activation::Relu);
            let norm =
                FixedNorm { stats: &stats, scale, shift, eps: 0.0, residual: None, activation };
            batch_norm_with_bits(&[f32::NAN, -1.0, 1.0], norm)
        };
        let (y, bits) = isa.scope(run).unwrap().unwrap();
        assert!(y[0].is_nan(), "{isa:?}");
        assert_eq!(y[1..], [0.0, 1.0], "{isa:?}");
        assert_eq!(bits, [0b101], "{isa:?}");
    }
}

#[test]
fn refuses_slices_that_do_not_fit() {
    assert_eq!(
        batch_norm_stats(&[0.0; 7], 3),
        Err(Error::Rows { operator: "batch_norm_stats", operand: "x", found: 7, channels: 3 })
    );
    assert!(batch_norm_stats::<f32>(&[], 3).is_err());
    assert!(batch_norm_stats(&[0.0; 3], 0).is_err());
    let stats = BatchStats { mean: vec![0.0; 2], var: vec![0.0; 2] };
    let (x, two, three) = ([0.0; 4], [0.0; 2], [0.0; 3]);
    let forward = |scale: &[f32], shift: &[f32], residual: Option<&[f32]>| {
        let (stats, activation) = (&stats, Activation::Relu);
        batch_norm(&x, FixedNorm { stats, scale, shift, eps: EPS, residual, activation })
    };
    assert_eq!(forward(&two, &two, Some(&x)).map(drop), Ok(()));
    let wrong = |operand, found, expected| {
        Err(Error::Length { operator: "batch_norm", operand, found, expected })
    };
    assert_eq!(forward(&three, &two, None), wrong("scale", 3, 2));
    assert_eq!(forward(&two, &three, None), wrong("shift", 3, 2));
    assert_eq!(forward(&two, &two, Some(&three)), wrong("residual", 3, 4));
    let backward = |passed: Passed<'_>, flow: NormFlow<'_, f32>| {
        let gradients =
            NormGradients { flow, scale: &mut [0.0; 2], shift: &mut [0.0; 2], residual: None };
        let (activation, statistics) = (Activation::Relu, Statistics::Batch);
        batch_norm_backward(&x, passed, &stats, &two, EPS, activation, statistics, gradients)
    };
    let wrong = |operand, found, expected| {
        Err(Error::Length { operator: "batch_norm_backward", operand, found, expected })
    };
    let bits = Passed::Bits(&[0]);
    assert_eq!(backward(bits, NormFlow::InPlace(&mut [0.0; 3])), wrong("dy", 3, 4));
    let mut dx = [0.0; 4];
    let passed = Passed::Bits(&[0; 2]);
    assert_eq!(backward(passed, NormFlow::InPlace(&mut dx)), wrong("bits", 2, 1));
    let passed = Passed::Shift(&three);
    assert_eq!(backward(passed, NormFlow::InPlace(&mut dx)), wrong("shift", 3, 2));
    let mut short = [0.0; 3];
    let flow = NormFlow::Across { dy: &x, write: Write::Overwrite, dx: &mut short };
    assert_eq!(backward(bits, flow), wrong("dx", 3, 4));
}

prop_compose! {
    fn cases()(
        pixels in 2usize..=300,
        channels in 1usize..=40,
        residual in prop_oneof![Just(Residual::Absent), Just(Residual::Present)],
        activation in prop_oneof![Just(Activation::Identity), Just(Activation::Relu)],
        statistics in prop_oneof![Just(Statistics::Batch), Just(Statistics::Fixed)],
    ) -> Case {
        Case { pixels, channels, residual, activation, statistics }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matches_plain_loops(case in cases()) {
        case.check::<f32>();
        case.check::<bf16>();
        case.check::<f16>();
    }

    #[test]
    fn statistics_match_plain_loops(pixels in 1usize..=5000, channels in 1usize..=40) {
        check_stats::<f32>(&numbers(1, pixels * channels), channels, 1e-6);
        check_stats::<bf16>(&numbers(1, pixels * channels), channels, 1e-6);
        check_stats::<f16>(&numbers(1, pixels * channels), channels, 1e-6);
    }
}
