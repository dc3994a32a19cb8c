//! Trains a linear classifier on two clouds of points by plain gradient descent on the cross entropy
//! with smoothed labels.
#![allow(clippy::print_stdout)]

use dfdx::prelude::*;
use trickbag_losses::{CrossEntropy, Error, cross_entropy};
use trickbag_ops::{Backend, Matrix, Vector};

fn main() -> Result<(), Error> {
    let (losses, accuracy) = train(100)?;
    for (step, loss) in losses.iter().enumerate().step_by(20) {
        println!("step {step:3}  loss {loss:.4}");
    }
    println!("accuracy {accuracy:.3}");
    Ok(())
}

/// The loss before each update, and the accuracy after all of them.
fn train(steps: usize) -> Result<(Vec<f32>, f32), Error> {
    let dev = Cpu::seed_from_u64(1);
    let labels: Vec<u32> = (0..200).map(|sample| sample % 2).collect();
    let points = clouds(&labels, &dev);
    let targets = CrossEntropy { label_smoothing: 0.1 }.targets(&labels, 2, &dev)?;
    let mut weight: Matrix<f32, Cpu> = dev.zeros_like(&(2, 2));
    let mut bias: Vector<f32, Cpu> = dev.zeros_like(&(2,));
    let mut losses = vec![];
    for _ in 0..steps {
        let logits = Backend::linear(points.leaky_trace(), &weight, &bias)?;
        let loss = cross_entropy(logits, &targets, None)?;
        losses.push(loss.value());
        let gradients = loss.scaled(1.0)?.backward();
        weight = weight.clone() - gradients.get(&weight) * 0.5;
        bias = bias.clone() - gradients.get(&bias) * 0.5;
    }
    let logits = Backend::linear(points, &weight, &bias)?.as_vec();
    let right = logits.chunks(2).zip(&labels).filter(|(z, label)| (z[1] > z[0]) == (**label == 1));
    Ok((losses, right.count() as f32 / labels.len() as f32))
}

/// Standard normal points around (-2, -2) for label 0 and (2, 2) for label 1.
fn clouds(labels: &[u32], dev: &Cpu) -> Matrix<f32, Cpu> {
    let shape = (labels.len(), 2);
    let centres = labels.iter().flat_map(|&label| [4.0 * label as f32 - 2.0; 2]).collect();
    dev.sample_normal_like(&shape) + dev.tensor_from_vec(centres, shape)
}

#[test]
fn the_clouds_are_told_apart() {
    let (losses, accuracy) = train(100).unwrap();
    assert!((losses[0] - 2.0_f32.ln()).abs() < 1e-6, "the first loss is {}", losses[0]);
    assert!(losses[99] < 0.3, "the last loss is {}", losses[99]);
    assert!(accuracy > 0.98, "the accuracy is {accuracy}");
}
