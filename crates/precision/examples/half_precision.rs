//! Fits a line to points with forward and backward passes in `f16`, parameters in `f32` and loss
//! scaling; the first scale is too large for `f16`, so that the first steps are skipped.
#![allow(clippy::print_stdout)]

use dfdx::dtypes::{AMP, f16};
use dfdx::prelude::*;
use trickbag_ops::{Backend, Matrix, Vector};
use trickbag_precision::{Error, LossScaler, StepOutcome, backward, working_copy};

type Half = AMP<f16>;

fn main() -> Result<(), Error> {
    let (slope, intercept, skipped, scaler) = fit(100)?;
    println!("y = {slope:.3} x + {intercept:.3}");
    println!("{skipped} steps were skipped, the scale is now {}", scaler.scale());
    Ok(())
}

/// Slope, intercept, the number of skipped steps and the scaler after the last one.
fn fit(steps: usize) -> Result<(f32, f32, i32, LossScaler), Error> {
    let dev = Cpu::default();
    let x: Vec<f32> = (0..64).map(|i| i as f32 / 32.0 - 1.0).collect();
    let y = x.iter().map(|x| 3.0 * x - 0.5).collect();
    let [x, y] = [x, y].map(|values| dev.tensor_from_vec(values, (64, 1)));
    let (x, y) = (<Cpu as Backend<Half>>::from_f32(x)?, <Cpu as Backend<Half>>::from_f32(y)?);
    let mut parameters: Vec<Vector<f32, Cpu>> = vec![dev.zeros_like(&(1,)), dev.zeros_like(&(1,))];
    let (mut scaler, mut skipped) = (LossScaler::default(), 0);
    for _ in 0..steps {
        let working = working_copy::<Half, Cpu>(&parameters)?;
        let slope: Matrix<Half, Cpu> = working[0].clone().reshape_like(&(1, 1));
        let error = Backend::linear(x.leaky_trace(), &slope, &working[1])? - y.clone();
        let loss = error.square().mean() * scaler.scale();
        let gradients = backward(loss, &working, scaler.scale())?;
        let outcome = StepOutcome::of(&gradients)?;
        match outcome {
            StepOutcome::Overflow => skipped += 1,
            StepOutcome::Finite => parameters.iter_mut().zip(gradients).for_each(|(p, g)| {
                *p = p.clone() - g * 0.3;
            }),
        }
        scaler = scaler.after(outcome)?;
    }
    let [slope, intercept] = [0, 1].map(|i| parameters[i].as_vec()[0]);
    Ok((slope, intercept, skipped, scaler))
}

#[test]
fn the_line_is_found_though_steps_overflow() {
    let (slope, intercept, skipped, scaler) = fit(100).unwrap();
    assert!((slope - 3.0).abs() < 5e-3, "the slope is {slope}");
    assert!((intercept + 0.5).abs() < 5e-3, "the intercept is {intercept}");
    assert!(skipped > 0);
    assert_eq!(scaler.scale(), 65536.0 * 0.5_f32.powi(skipped));
}
