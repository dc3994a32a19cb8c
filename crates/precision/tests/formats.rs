//! `Bf16` or `f16` computes and `f32` remembers.
#![allow(clippy::unwrap_used)]

use dfdx::dtypes::{Dtype, f16};
use dfdx::prelude::*;
use trickbag_ops::{Backend, Bf16, Matrix, Tensors, Vector};
use trickbag_precision::{StepOutcome, backward, working_copy};

/// Of the mean squared error of `slope · x + offset` against zero, at `x = 1` and `x = 3`, times
/// `weight`; the loss's value does not matter.
fn weighted<E: Dtype>(
    parameters: &[Vector<f32, Cpu>],
    weight: f32,
    scale: f32,
) -> Vec<Vector<f32, Cpu>>
where
    Cpu: Backend<E>,
{
    let dev = Cpu::default();
    let working = working_copy::<E, Cpu>(parameters).unwrap();
    let x = <Cpu as Backend<E>>::from_f32(dev.tensor_from_vec(vec![1.0, 3.0], (2, 1))).unwrap();
    let slope: Matrix<E, Cpu> = <Cpu as Tensors<E>>::reshape(working[0].clone(), &(1, 1)).unwrap();
    let y = Backend::linear(x.leaky_traced(), &slope, &working[1]).unwrap();
    let answers = <Cpu as Backend<E>>::to_f32(y.retaped::<NoneTape>()).unwrap();
    let loss = <Cpu as Tensors<E>>::scalar(y, 0.0, answers * (weight * scale)).unwrap();
    backward(loss, &working, scale).unwrap()
}

fn gradients(parameters: &[Vector<f32, Cpu>], scale: f32) -> Vec<Vector<f32, Cpu>> {
    weighted::<Bf16>(parameters, 1.0, scale)
}

fn parameters(slope: f32, offset: f32) -> Vec<Vector<f32, Cpu>> {
    [slope, offset].map(|p| Cpu::default().tensor_from_vec(vec![p], (1,))).into()
}

#[test]
fn a_working_copy_is_rounded_and_the_master_is_not() {
    let master = parameters(1.001, -0.3);
    let working = working_copy::<Bf16, Cpu>(&master).unwrap();
    assert_eq!(working[0].as_vec(), [Bf16::ONE]);
    assert_eq!(master[0].as_vec(), [1.001]);
}

#[test]
fn gradients_are_unscaled_in_f32() {
    for scale in [1.0, 1024.0] {
        let found: Vec<_> =
            gradients(&parameters(2.0, 0.5), scale).iter().map(|g| g.as_vec()[0]).collect();
        assert_eq!(found, [2.5 + 3.0 * 6.5, 2.5 + 6.5], "scale {scale}");
    }
}

#[test]
fn updates_too_small_for_bf16_add_up_in_the_master() {
    let mut master = parameters(2.0, 0.5);
    let step = |master: &mut [Vector<f32, Cpu>]| {
        let gradients = gradients(master, 1.0);
        for (p, g) in master.iter_mut().zip(gradients) {
            *p = p.clone() - g * 1e-4;
        }
    };
    step(&mut master);
    assert_eq!(working_copy::<Bf16, Cpu>(&master).unwrap()[0].as_vec(), [Bf16::from_f32(2.0)]);
    (0..99).for_each(|_| step(&mut master));
    let slope = master[0].as_vec()[0];
    assert!((1.7..1.9).contains(&slope), "{slope}");
    assert_eq!(working_copy::<Bf16, Cpu>(&master).unwrap()[0].as_vec(), [Bf16::from_f32(slope)]);
}

/// Micikevicius et al., arXiv 1710.03740, section 3.2.
#[test]
fn gradients_too_small_for_f16_are_lost_unless_the_loss_is_scaled() {
    let (parameters, weight) = (parameters(2.0, 0.5), 1e-9);
    let values = |gradients: &[Vector<f32, Cpu>]| -> Vec<f32> {
        gradients.iter().map(|gradient| gradient.as_vec()[0]).collect()
    };
    let expected = values(&weighted::<f32>(&parameters, weight, 1.0));
    assert_eq!(values(&weighted::<f16>(&parameters, weight, 1.0)), [0.0, 0.0]);
    let scaled = values(&weighted::<f16>(&parameters, weight, 65536.0));
    for (found, expected) in scaled.iter().zip(&expected) {
        assert!((found / expected - 1.0).abs() < 1e-3, "{found}, in f32 {expected}");
    }
}

#[test]
fn gradients_too_large_for_f16_are_an_overflow() {
    let parameters = parameters(2.0, 0.5);
    for (scale, outcome) in [(1024.0, StepOutcome::Finite), (65536.0, StepOutcome::Overflow)] {
        let gradients = weighted::<f16>(&parameters, 1.0, scale);
        assert_eq!(StepOutcome::of(&gradients).unwrap(), outcome, "scale {scale}");
    }
}
