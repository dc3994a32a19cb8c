//! The fully connected layer, forward and backward.

use crate::error::check_lengths;
use crate::{Conv, Error, ImageShape, Window};

/// `y[b, o] = sum over i of x[b, i] * weight[i, o] + bias[o]`; the weight is (in, out), row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear {
    /// A fully connected layer is a 1x1 convolution over images of one pixel.
    conv: Conv,
}

impl Linear {
    /// The layer for `batch` rows of `inputs` numbers into `outputs` numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty dimension, [`Error::TooLarge`].
    pub fn new(batch: usize, inputs: usize, outputs: usize) -> Result<Self, Error> {
        let input = ImageShape { batch, height: 1, width: 1, channels: inputs };
        Ok(Self { conv: Conv::new(input, outputs, Window::square(1), 1)? })
    }

    /// Overwrites `y` (batch x out).
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn forward(
        &self,
        x: &[f32],
        weight: &[f32],
        bias: &[f32],
        y: &mut [f32],
    ) -> Result<(), Error> {
        let outputs = self.conv.output().channels;
        check_lengths("Linear::forward", &[("bias", bias.len(), outputs)])?;
        self.conv.forward(x, weight, y)?;
        for row in y.chunks_exact_mut(outputs) {
            row.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
        }
        Ok(())
    }

    /// Adds the gradient of the input to `dx` (batch x in).
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward_input(&self, dy: &[f32], weight: &[f32], dx: &mut [f32]) -> Result<(), Error> {
        self.conv.backward_input(dy, weight, dx)
    }

    /// Adds the gradients of the weight and the bias to `dweight` and `dbias`.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward_weight(
        &self,
        x: &[f32],
        dy: &[f32],
        dweight: &mut [f32],
        dbias: &mut [f32],
    ) -> Result<(), Error> {
        let outputs = self.conv.output().channels;
        check_lengths("Linear::backward_weight", &[("dbias", dbias.len(), outputs)])?;
        self.conv.backward_weight(x, dy, dweight)?;
        for row in dy.chunks_exact(outputs) {
            dbias.iter_mut().zip(row).for_each(|(b, d)| *b += d);
        }
        Ok(())
    }
}
