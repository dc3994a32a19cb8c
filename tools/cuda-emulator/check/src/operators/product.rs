//! Products of matrices, plain, batched, and of views.

use dfdx::prelude::*;

use super::{record, tensor};
use crate::results::Results;

pub(super) fn run<E: Dtype, D: Device<E>>(device: &D, results: &mut Results) {
    for (m, k, n) in [(1usize, 1usize, 1usize), (3, 5, 7), (17, 33, 9), (64, 96, 48)] {
        let scale = 1.0 / (k as f64).sqrt();
        let a = tensor::<_, E, D>(device, (m, k), -scale, scale);
        let b = tensor::<_, E, D>(device, (k, n), -1.0, 1.0);
        let name = format!("matmul {m} x {k} x {n}");
        record(results, &name, a.leaky_trace().matmul(b.clone()), &[&a, &b]);
        let t = tensor::<_, E, D>(device, (n, k), -1.0, 1.0);
        let turned = t.clone().permute::<(usize, usize), Axes2<1, 0>>();
        record(results, &format!("{name}, second turned"), a.leaky_trace().matmul(turned), &[&a]);
        let t = tensor::<_, E, D>(device, (k, m), -scale, scale);
        let turned = t.leaky_trace().permute::<(usize, usize), Axes2<1, 0>>();
        record(results, &format!("{name}, first turned"), turned.matmul(b), &[&t]);
    }
    let a = tensor::<_, E, D>(device, (4usize, 5usize, 6usize), -0.5, 0.5);
    let b = tensor::<_, E, D>(device, (4usize, 6usize, 3usize), -1.0, 1.0);
    record(results, "matmul of batches", a.leaky_trace().matmul(b.clone()), &[&a, &b]);
    let b = tensor::<_, E, D>(device, (6usize, 3usize), -1.0, 1.0);
    record(results, "matmul of a batch", a.leaky_trace().matmul(b.clone()), &[&a]);
    let x = tensor::<_, E, D>(device, (6usize,), -1.0, 1.0);
    record(results, "matmul of a vector", x.leaky_trace().matmul(b), &[&x]);
    let a = tensor::<_, E, D>(device, (2usize, 3usize, 4usize, 5usize), -0.5, 0.5);
    let b = tensor::<_, E, D>(device, (2usize, 3usize, 5usize, 4usize), -1.0, 1.0);
    record(results, "matmul of batches of batches", a.leaky_trace().matmul(b.clone()), &[&a, &b]);
}
