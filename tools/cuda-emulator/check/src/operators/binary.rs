//! Operators of two tensors, comparisons and choices.

use dfdx::prelude::*;

use super::{Matrix, SHAPE, record, tensor};
use crate::results::Results;

type Traced<E, D> = Tensor<Matrix, E, D, OwnedTape<E, D>>;
type Operator<E, D> = fn(Traced<E, D>, Tensor<Matrix, E, D>) -> Traced<E, D>;
type Relation<E, D> = fn(&Tensor<Matrix, E, D>, &Tensor<Matrix, E, D>) -> Tensor<Matrix, bool, D>;

pub(super) fn run<E: Dtype, D: Device<E>>(device: &D, results: &mut Results) {
    let operators: &[(&str, Operator<E, D>)] = &[
        ("add", |a, b| a + b),
        ("sub", |a, b| a - b),
        ("mul", |a, b| a * b),
        ("div", |a, b| a / b),
        ("bce_with_logits", |a, b| a.bce_with_logits(b)),
        ("huber_error", |a, b| a.huber_error(b, 0.4)),
        ("maximum", |a, b| a.maximum(b)),
        ("minimum", |a, b| a.minimum(b)),
    ];
    let a = tensor::<_, E, D>(device, SHAPE, -1.0, 2.0);
    let b = tensor::<_, E, D>(device, SHAPE, 2.0, 0.25);
    for (name, operator) in operators {
        record(results, name, operator(a.leaky_trace(), b.clone()), &[&a, &b]);
    }
    let relations: &[(&str, Relation<E, D>)] = &[
        ("eq", |a, b| a.eq(b)),
        ("ne", |a, b| a.ne(b)),
        ("gt", |a, b| a.gt(b)),
        ("ge", |a, b| a.ge(b)),
        ("lt", |a, b| a.lt(b)),
        ("le", |a, b| a.le(b)),
    ];
    for (name, relation) in relations {
        let chosen = relation(&a, &b).choose(a.leaky_trace(), b.clone());
        record(results, &format!("choose {name}"), chosen, &[&a, &b]);
    }
    let row = tensor::<_, E, D>(device, (SHAPE.1,), -1.0, 1.0);
    let spread = row.leaky_trace().broadcast_like::<_, Axis<0>>(&SHAPE);
    record(results, "broadcast and mul", spread * a.clone(), &[&row]);
    let mut sum = a.clone();
    sum.axpy(0.5, &b, 2.0);
    results.add("axpy", &sum);
}
