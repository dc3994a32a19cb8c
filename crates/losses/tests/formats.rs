//! A loss of `Bf16` logits is computed in `f32`: the value is that of the same logits in `f32`, and
//! the gradient is rounded once.
#![allow(clippy::unwrap_used)]

use dfdx::prelude::*;
use trickbag_losses::{CrossEntropy, cross_entropy};
use trickbag_ops::{Bf16, Matrix};

#[test]
fn bf16_logits_give_the_loss_of_f32() {
    let dev = Cpu::default();
    for (classes, spread) in [(3, 1.0), (10, 30.0), (1000, 5.0)] {
        let value = |i: usize| spread * ((i * i) as f32 * 0.37).sin();
        let values = (0..2 * classes).map(|i| Bf16::from_f32(value(i))).collect();
        let logits: Matrix<Bf16, Cpu> = dev.tensor_from_vec(values, (2, classes));
        let wide = logits.clone().to_dtype::<f32>();
        let smoothed = CrossEntropy { label_smoothing: 0.1 };
        let targets = smoothed.targets(&[0, 2], classes, &dev).unwrap();

        let loss = cross_entropy(logits.leaky_trace(), &targets, None).unwrap();
        let expected = cross_entropy(wide.leaky_trace(), &targets, None).unwrap();
        assert_eq!(loss.value(), expected.value());

        let scaled = loss.scaled(4.0).unwrap();
        assert_eq!(scaled.as_vec(), [Bf16::from_f32(4.0 * expected.value())]);
        let gradient = scaled.backward().get(&logits).as_vec();
        let expected = expected.scaled(4.0).unwrap().backward().get(&wide).to_dtype::<Bf16>();
        assert_eq!(gradient, expected.as_vec(), "{classes} classes");
    }
}
