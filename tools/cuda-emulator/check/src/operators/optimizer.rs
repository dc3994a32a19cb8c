//! dfdx's optimisers, which are kernels of their own, over a few steps.

use dfdx::optim::{AdamConfig, Momentum, RMSpropConfig, SgdConfig, WeightDecay};
use dfdx::prelude::*;
use dfdx::tensor::Storage;

use super::{SHAPE, tensor};
use crate::results::Results;

pub(super) fn run<E: Dtype, D: Device<E>>(device: &D, results: &mut Results) {
    let weight_decay = Some(WeightDecay::L2(1e-2));
    let sgd = SgdConfig { lr: 0.1, momentum: Some(Momentum::Nesterov(0.9)), weight_decay };
    let adam = AdamConfig { lr: 0.1, eps: 1e-3, weight_decay, ..AdamConfig::default() };
    let rmsprop = RMSpropConfig { lr: 0.1, eps: 1e-3, ..RMSpropConfig::default() };
    let start = tensor::<_, E, D>(device, SHAPE, -1.0, 1.0);
    let gradient = tensor::<_, E, D>(device, SHAPE, 0.5, -0.5);
    let loss = start.leaky_trace() * gradient;
    let mut gradients = loss.sum::<Rank0, _>().backward();
    let gradient = &*gradients.get_or_alloc_mut(&start).expect("the gradient of an input");
    let zeros = || {
        let buffer = Storage::<E>::try_alloc_len(device, SHAPE.0 * SHAPE.1);
        buffer.expect("memory for a small buffer")
    };
    let (mut by_sgd, mut by_adam, mut by_rmsprop) = (start.clone(), start.clone(), start.clone());
    let (mut velocity, mut first, mut second) = (zeros(), zeros(), zeros());
    let (mut momentum, mut square, mut average) = (zeros(), zeros(), zeros());
    for step in 1..4 {
        let done = sgd
            .try_update(&mut by_sgd, &mut velocity, gradient)
            .and_then(|()| adam.try_update(step, &mut by_adam, &mut first, &mut second, gradient))
            .and_then(|()| {
                rmsprop.try_update(
                    &mut by_rmsprop,
                    &mut momentum,
                    &mut square,
                    &mut average,
                    gradient,
                )
            });
        done.expect("an update of matching buffers");
    }
    results.add("sgd", &by_sgd);
    results.add("adam", &by_adam);
    results.add("rmsprop", &by_rmsprop);
}
