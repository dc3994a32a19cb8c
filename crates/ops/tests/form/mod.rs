//! The two forms of an operator, the formula that fills its inputs, and how gradients are pulled
//! out of it.
#![allow(dead_code, unreachable_pub)] // each test uses a part of it

use crate::golden::fill;
use dfdx::prelude::*;

pub type Traced<S> = Tensor<S, f32, Cpu, OwnedTape<f32, Cpu>>;
pub type Dims = (usize, usize, usize, usize);

/// Which form of an operator a test runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    Fast,
    Composed,
}

pub const FORMS: [Form; 2] = [Form::Fast, Form::Composed];

pub fn formula<S: Shape>(tag: &str, shape: S, offset: f64, gain: f64) -> Tensor<S, f32, Cpu> {
    let values = fill(tag, shape.num_elements(), offset, gain);
    Cpu::default().tensor_from_vec(values, shape)
}

/// The gradients that flow back when `dy` flows into `y`.
pub fn pull<S>(y: Traced<S>, dy: Tensor<S, f32, Cpu>) -> Gradients<f32, Cpu>
where
    S: Shape + ReduceShapeTo<(), S::AllAxes>,
{
    (y * dy).sum::<(), S::AllAxes>().backward()
}
