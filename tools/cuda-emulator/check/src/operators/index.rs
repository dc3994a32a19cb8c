//! Operators that move elements: gather, select, slices, concatenation, permutation.

use dfdx::prelude::*;

use super::{SHAPE, record, tensor};
use crate::results::Results;

pub(super) fn run<E: Dtype, D: Device<E>>(device: &D, results: &mut Results) {
    let x = tensor::<_, E, D>(device, SHAPE, -1.0, 1.0);
    let rows: Tensor<(usize,), usize, D> = device.tensor_from_vec(vec![6, 0, 3, 3, 1], (5usize,));
    record(results, "gather rows", x.leaky_trace().gather::<(usize, usize), _>(rows), &[&x]);
    let each: Tensor<(usize,), usize, D> =
        device.tensor_from_vec((0..SHAPE.0).map(|row| row * 5 % SHAPE.1).collect(), (SHAPE.0,));
    record(results, "select", x.leaky_trace().select::<(usize,), _>(each), &[&x]);
    record(results, "slice", x.leaky_trace().slice((1..5, 3..30)), &[&x]);
    record(results, "roll", x.leaky_trace().roll::<Axis<1>>(5), &[&x]);
    record(results, "permute", x.leaky_trace().permute::<(usize, usize), Axes2<1, 0>>(), &[&x]);
    let turned = x.leaky_trace().permute::<(usize, usize), Axes2<1, 0>>();
    record(results, "reshape of a permuted", turned.reshape_like(&(SHAPE.0 * SHAPE.1,)), &[&x]);
    let y = tensor::<_, E, D>(device, SHAPE, 1.0, 2.0);
    let both = (x.leaky_trace(), y.clone());
    record(results, "concat rows", both.concat_along(Axis::<0>), &[&x, &y]);
    let both = (x.leaky_trace(), y.clone());
    record(results, "concat columns", both.concat_along(Axis::<1>), &[&x, &y]);
    let stacked = vec![x.leaky_trace(), y.leaky_trace()].stack();
    record(results, "stack", stacked, &[&x, &y]);
    results.add("upper_tri", &x.clone().upper_tri(1));
    results.add("lower_tri", &x.lower_tri(-1));
    let (zeros, ones): (Tensor<_, E, D>, Tensor<_, E, D>) =
        (device.zeros_like(&SHAPE), device.ones_like(&SHAPE));
    results.add("zeros", &zeros);
    results.add("ones", &ones);
}
