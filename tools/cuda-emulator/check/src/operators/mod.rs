//! The operators, by kind. Each one records its output and the gradients of its inputs.

mod binary;
mod index;
mod optimizer;
mod product;
mod reduce;
mod unary;

use dfdx::prelude::*;

use crate::results::Results;

/// A matrix whose size the program does not know.
pub type Matrix = (usize, usize);
/// More elements than a block has threads, and no multiple of it.
pub const SHAPE: Matrix = (7, 37);

/// All results of a device.
pub fn all<E: Dtype, D: Device<E>>(device: &D) -> Results {
    let mut results = Results::default();
    unary::run::<E, D>(device, &mut results);
    binary::run::<E, D>(device, &mut results);
    reduce::run::<E, D>(device, &mut results);
    index::run::<E, D>(device, &mut results);
    product::run::<E, D>(device, &mut results);
    optimizer::run::<E, D>(device, &mut results);
    results
}

/// Values from `low` to `high` in an order that looks random and is the same everywhere.
pub fn tensor<S: Shape, E: Dtype, D: Device<E>>(
    device: &D,
    shape: S,
    low: f64,
    high: f64,
) -> Tensor<S, E, D> {
    let value = |index: usize| {
        let unit = (index * 7919 + 13) % 1009;
        number(low + (high - low) * unit as f64 / 1009.0)
    };
    device.tensor_from_vec((0..shape.num_elements()).map(value).collect(), shape)
}

/// `value` in the format of `E`.
pub fn number<E: Dtype>(value: f64) -> E {
    E::from_f64(value).unwrap_or_default()
}

/// Records `output` and the gradients with respect to `inputs` of a sum with uneven weights.
pub fn record<S, T, E: Dtype, D: Device<E>>(
    results: &mut Results,
    name: &str,
    output: Tensor<S, E, D, OwnedTape<E, D>>,
    inputs: &[&Tensor<T, E, D>],
) where
    S: Shape,
    T: Shape,
{
    results.add(name, &output);
    let weights = tensor(&output.device().clone(), *output.shape(), 0.25, 1.0);
    let elements = output.shape().num_elements();
    let flat = (output * weights).reshape_like(&(elements,));
    let gradients = flat.sum::<Rank0, Axis<0>>().backward();
    for (index, input) in inputs.iter().enumerate() {
        results.add(&format!("{name}, gradient {index}"), &gradients.get(*input));
    }
}
