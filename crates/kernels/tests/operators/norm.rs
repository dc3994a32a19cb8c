//! Batch normalisation against plain loops in f64, on every instruction set.

use crate::oracle::{assert_close, numbers, widen};
use proptest::prelude::*;
use trickbag_kernels::{
    Activation, BatchStats, Error, Isa, NormGradients, Statistics, batch_norm, batch_norm_backward,
    batch_norm_stats,
};

const EPS: f32 = 1e-5;

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
struct Operands {
    x: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    residual: Option<Vec<f32>>,
    dy: Vec<f32>,
}

impl Case {
    fn operands(&self) -> Operands {
        let len = self.pixels * self.channels;
        Operands {
            x: numbers(1, len),
            scale: numbers(2, self.channels),
            shift: numbers(3, self.channels),
            residual: (self.residual == Residual::Present).then(|| numbers(4, len)),
            dy: numbers(5, len),
        }
    }

    fn stats(&self, x: &[f32]) -> BatchStats {
        match self.statistics {
            Statistics::Batch => batch_norm_stats(x, self.channels).unwrap(),
            Statistics::Fixed => BatchStats {
                mean: numbers(6, self.channels),
                var: numbers(7, self.channels).iter().map(|v| v.abs() + 0.1).collect(),
            },
        }
    }

    fn forward(&self, operands: &Operands, stats: &BatchStats) -> Vec<f32> {
        let Operands { x, scale, shift, residual, .. } = operands;
        let mut y = vec![f32::NAN; x.len()];
        let residual = residual.as_deref();
        batch_norm(x, stats, scale, shift, EPS, residual, self.activation, &mut y).unwrap();
        y
    }

    /// The gradients of x, scale, shift and residual, each on top of `before`.
    fn backward(
        &self,
        operands: &Operands,
        stats: &BatchStats,
        y: &[f32],
        before: f32,
    ) -> [Vec<f32>; 4] {
        let Operands { x, scale, residual, dy, .. } = operands;
        let [mut dx, mut dresidual] = [(); 2].map(|()| vec![before; x.len()]);
        let [mut dscale, mut dshift] = [(); 2].map(|()| vec![before; self.channels]);
        let grads = NormGradients {
            x: &mut dx,
            scale: &mut dscale,
            shift: &mut dshift,
            residual: residual.as_ref().map(|_| dresidual.as_mut_slice()),
        };
        let Self { activation, statistics, .. } = *self;
        batch_norm_backward(x, y, stats, scale, EPS, activation, statistics, dy, grads).unwrap();
        [dx, dscale, dshift, dresidual]
    }

    /// The gradients in f64, from the formulas.
    fn expected(&self, operands: &Operands, stats: &BatchStats, y: &[f32]) -> [Vec<f64>; 4] {
        let Operands { x, scale, dy, .. } = operands;
        let channels = self.channels;
        let relu = self.activation == Activation::Relu;
        let gate = |(dy, y): (&f32, &f32)| if relu && *y <= 0.0 { 0.0 } else { f64::from(*dy) };
        let dz: Vec<f64> = dy.iter().zip(y).map(gate).collect();
        let inverse = |c: usize| (f64::from(stats.var[c]) + f64::from(EPS)).powf(-0.5);
        let hat = |i: usize| {
            (f64::from(x[i]) - f64::from(stats.mean[i % channels])) * inverse(i % channels)
        };
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
        let dresidual = match self.residual {
            Residual::Present => dz,
            Residual::Absent => vec![0.0; dz.len()],
        };
        [dx, dscale, dshift, dresidual]
    }

    /// Forward and backward against f64, on every instruction set.
    fn check(&self) {
        let operands = self.operands();
        let Operands { x, scale, shift, residual, .. } = &operands;
        for isa in Isa::available() {
            let what = |name: &str| format!("{name} of {self:?} on {isa:?}");
            let stats = isa.scope(|| self.stats(x)).unwrap();
            let y = isa.scope(|| self.forward(&operands, &stats)).unwrap();
            let expected: Vec<f64> = (0..x.len())
                .map(|i| {
                    let c = i % self.channels;
                    let centred = f64::from(x[i]) - f64::from(stats.mean[c]);
                    let deviation = (f64::from(stats.var[c]) + f64::from(EPS)).sqrt();
                    let residual = residual.as_ref().map_or(0.0, |residual| f64::from(residual[i]));
                    let z =
                        centred / deviation * f64::from(scale[c]) + f64::from(shift[c]) + residual;
                    if self.activation == Activation::Relu { z.max(0.0) } else { z }
                })
                .collect();
            assert_close(&what("y"), &y, &expected, 1e-5);
            let found = isa.scope(|| self.backward(&operands, &stats, &y, 0.5)).unwrap();
            let expected = self.expected(&operands, &stats, &y);
            for (name, (found, mut expected)) in
                ["dx", "dscale", "dshift", "dresidual"].into_iter().zip(found.iter().zip(expected))
            {
                expected.iter_mut().for_each(|expected| *expected += 0.5);
                assert_close(&what(name), found, &expected, 2e-5);
            }
        }
    }
}

fn check_stats(x: &[f32], channels: usize, tolerance: f64) {
    let count = (x.len() / channels) as f64;
    let wide = widen(x);
    let column = |c: usize| wide.iter().skip(c).step_by(channels);
    let mean: Vec<f64> = (0..channels).map(|c| column(c).sum::<f64>() / count).collect();
    let var = |c: usize| column(c).map(|x| (x - mean[c]).powi(2)).sum::<f64>() / count;
    let var: Vec<f64> = (0..channels).map(var).collect();
    for isa in Isa::available() {
        let stats = isa.scope(|| batch_norm_stats(x, channels)).unwrap().unwrap();
        assert_close(&format!("mean on {isa:?}"), &stats.mean, &mean, 1e-6);
        assert_close(&format!("variance on {isa:?}"), &stats.var, &var, tolerance);
    }
}

#[test]
fn statistics_survive_a_large_mean_with_a_small_variance() {
    // At 1e4 neighbouring numbers in f32 are 1e-3 apart: what is tested is the sums' own error.
    for (offset, deviation) in [(0.0, 1.0), (1e4, 1.0), (1e4, 0.05), (-3e4, 0.1), (1e-3, 1e-4)] {
        let x: Vec<f32> = numbers(1, 5000 * 20).iter().map(|v| offset + deviation * v).collect();
        check_stats(&x, 20, 1e-6 * f64::from(deviation * deviation));
    }
    check_stats(&[7.0; 24], 8, 0.0);
    check_stats(&numbers(1, 3), 3, 0.0);
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
    let operands = case.operands();
    let stats = case.stats(&operands.x);
    let y = case.forward(&operands, &stats);
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
    let [dx, ..] = case.backward(&operands, &stats, &y, 0.0);
    assert_close("dx", &dx, &expected, 1e-5);
}

#[test]
fn relu_lets_nan_pass() {
    let stats = BatchStats { mean: vec![0.0], var: vec![1.0] };
    for isa in Isa::available() {
        let mut y = [0.0; 3];
        let run = || {
            batch_norm(
                &[f32::NAN, -1.0, 1.0],
                &stats,
                &[1.0],
                &[0.0],
                0.0,
                None,
                Activation::Relu,
                &mut y,
            )
        };
        isa.scope(run).unwrap().unwrap();
        assert!(y[0].is_nan(), "{isa:?}");
        assert_eq!(y[1..], [0.0, 1.0], "{isa:?}");
    }
}

#[test]
fn refuses_slices_that_do_not_fit() {
    assert_eq!(
        batch_norm_stats(&[0.0; 7], 3),
        Err(Error::Rows { operator: "batch_norm_stats", operand: "x", found: 7, channels: 3 })
    );
    assert!(batch_norm_stats(&[], 3).is_err());
    assert!(batch_norm_stats(&[0.0; 3], 0).is_err());
    let stats = BatchStats { mean: vec![0.0; 2], var: vec![0.0; 2] };
    let (x, two, three) = ([0.0; 4], [0.0; 2], [0.0; 3]);
    let forward = |scale: &[f32], shift: &[f32], residual: Option<&[f32]>, y: usize| {
        let mut y = vec![0.0; y];
        batch_norm(&x, &stats, scale, shift, EPS, residual, Activation::Relu, &mut y)
    };
    assert_eq!(forward(&two, &two, Some(&x), 4), Ok(()));
    let wrong = |operand, found, expected| {
        Err(Error::Length { operator: "batch_norm", operand, found, expected })
    };
    assert_eq!(forward(&three, &two, None, 4), wrong("scale", 3, 2));
    assert_eq!(forward(&two, &three, None, 4), wrong("shift", 3, 2));
    assert_eq!(forward(&two, &two, Some(&three), 4), wrong("residual", 3, 4));
    assert_eq!(forward(&two, &two, None, 3), wrong("y", 3, 4));
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
        case.check();
    }

    #[test]
    fn statistics_match_plain_loops(pixels in 1usize..=5000, channels in 1usize..=40) {
        check_stats(&numbers(1, pixels * channels), channels, 1e-6);
    }
}
