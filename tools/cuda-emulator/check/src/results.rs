//! Named results of one device, and their comparison with another's.

use dfdx::prelude::{Dtype, Shape, Tensor};
use dfdx::tensor::Storage;

/// Results in the order in which they came.
#[derive(Default)]
pub struct Results(Vec<(String, Vec<f64>)>);

impl Results {
    /// Adds a tensor's elements.
    pub fn add<S: Shape, E: Dtype, D: Storage<E>, T>(
        &mut self,
        name: &str,
        tensor: &Tensor<S, E, D, T>,
    ) {
        let values = tensor.as_vec().iter().map(|x| x.to_f64().unwrap_or(f64::NAN)).collect();
        self.0.push((name.into(), values));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// A line for each result of `found` that is far from the one of `expected`.
    pub fn compare(found: &Self, expected: &Self, tolerance: f64) -> Vec<String> {
        let far = |&(&a, &b): &(&f64, &f64)| {
            let same = a == b || (a.is_nan() && b.is_nan());
            !same && !((a - b).abs() <= tolerance * (1.0 + b.abs()))
        };
        let line = |(found, expected): (&(String, Vec<f64>), &(String, Vec<f64>))| {
            let count = found.1.len();
            if count != expected.1.len() {
                return Some(format!("{}: {count} values for {}", found.0, expected.1.len()));
            }
            let mut wrong =
                found.1.iter().zip(&expected.1).enumerate().filter(|(_, pair)| far(pair));
            let (index, (a, b)) = wrong.next()?;
            let more = wrong.count();
            Some(format!("{}[{index}] is {a}, expected {b}; {more} more of {count}", found.0))
        };
        found.0.iter().zip(&expected.0).filter_map(line).collect()
    }
}
