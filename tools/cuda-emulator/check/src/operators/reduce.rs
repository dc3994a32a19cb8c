//! Reductions, along contiguous and strided axes, of few and many elements.

use dfdx::prelude::*;

use super::{record, tensor};
use crate::results::Results;

pub(super) fn run<E: Dtype, D: Device<E>>(device: &D, results: &mut Results) {
    type Rows = (usize,);
    for shape in [(3usize, 5usize), (7, 37), (2, 1500), (600, 3)] {
        let x = tensor::<_, E, D>(device, shape, -1.0, 1.0);
        let name = |operator: &str| format!("{operator} of {shape:?}");
        record(results, &name("sum rows"), x.leaky_trace().sum::<Rows, Axis<1>>(), &[&x]);
        record(results, &name("sum columns"), x.leaky_trace().sum::<Rows, Axis<0>>(), &[&x]);
        record(results, &name("mean rows"), x.leaky_trace().mean::<Rows, Axis<1>>(), &[&x]);
        record(results, &name("max rows"), x.leaky_trace().max::<Rows, Axis<1>>(), &[&x]);
        record(results, &name("max columns"), x.leaky_trace().max::<Rows, Axis<0>>(), &[&x]);
        record(results, &name("min rows"), x.leaky_trace().min::<Rows, Axis<1>>(), &[&x]);
        record(results, &name("min columns"), x.leaky_trace().min::<Rows, Axis<0>>(), &[&x]);
        record(results, &name("logsumexp"), x.leaky_trace().logsumexp::<Rows, Axis<1>>(), &[&x]);
        record(results, &name("stddev"), x.leaky_trace().stddev::<Rows, Axis<1>>(1e-3), &[&x]);
    }
    let x = tensor::<_, E, D>(device, (4usize, 5usize, 6usize), -1.0, 1.0);
    record(results, "sum of the middle", x.leaky_trace().sum::<_, Axis<1>>(), &[&x]);
    record(results, "sum of all", x.leaky_trace().sum::<Rank0, _>(), &[&x]);
}
