//! Operators of one tensor that keep its shape.

use dfdx::prelude::*;

use super::{Matrix, SHAPE, number, record, tensor};
use crate::results::Results;

type Traced<E, D> = Tensor<Matrix, E, D, OwnedTape<E, D>>;
type Operator<E, D> = fn(Traced<E, D>) -> Traced<E, D>;

pub(super) fn run<E: Dtype, D: Device<E>>(device: &D, results: &mut Results) {
    let operators: &[(&str, f64, f64, Operator<E, D>)] = &[
        ("abs", -2.0, 2.0, |x| x.abs()),
        ("accurate_gelu", -3.0, 3.0, |x| x.accurate_gelu()),
        ("add scalar", -2.0, 2.0, |x| x + number::<E>(1.5)),
        ("clamp", -2.0, 2.0, |x| x.clamp(-0.5, 0.75)),
        ("cos", -6.0, 6.0, |x| x.cos()),
        ("div scalar", -2.0, 2.0, |x| x / number::<E>(3.0)),
        ("exp", -4.0, 4.0, |x| x.exp()),
        ("fast_gelu", -3.0, 3.0, |x| x.fast_gelu()),
        ("ln", 0.1, 9.0, |x| x.ln()),
        ("mul scalar", -2.0, 2.0, |x| x * number::<E>(-0.7)),
        ("nans_to", -2.0, 2.0, |x| x.sqrt().nans_to(0.5)),
        ("negate", -2.0, 2.0, |x| -x),
        ("powf", 0.2, 2.0, |x| x.powf(2.5)),
        ("powi", -2.0, 2.0, |x| x.powi(3)),
        ("recip", 0.5, 2.0, |x| x.recip()),
        ("relu", -2.0, 2.0, |x| x.relu()),
        ("sigmoid", -5.0, 5.0, |x| x.sigmoid()),
        ("sin", -6.0, 6.0, |x| x.sin()),
        ("sqrt", 0.1, 4.0, |x| x.sqrt()),
        ("square", -2.0, 2.0, |x| x.square()),
        ("sub scalar", -2.0, 2.0, |x| x - number::<E>(1.5)),
        ("tanh", -3.0, 3.0, |x| x.tanh()),
        ("log_softmax", -3.0, 3.0, |x| x.log_softmax::<Axis<1>>()),
        ("softmax", -3.0, 3.0, |x| x.softmax::<Axis<1>>()),
        ("normalize", -3.0, 3.0, |x| x.normalize::<Axis<1>>(1e-3)),
    ];
    for (name, low, high, operator) in operators {
        let x = tensor::<_, E, D>(device, SHAPE, *low, *high);
        let gradients: &[_] = if *name == "nans_to" { &[] } else { &[&x] };
        record(results, name, operator(x.leaky_trace()), gradients);
    }
    let x = tensor::<_, E, D>(device, SHAPE, -3.0, 3.0);
    results.add("to f32", &x.clone().to_dtype::<f32>());
    results.add("to f64 and back", &x.to_dtype::<f64>().to_dtype::<E>());
    // Angles that need the slow reduction of the argument.
    let far = tensor::<_, E, D>(device, SHAPE, -6e4, 6e4);
    results.add("sin far", &far.clone().to_dtype::<f32>().to_dtype::<E>().sin());
}
