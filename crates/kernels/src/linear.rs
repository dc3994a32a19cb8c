//! The fully connected layer, forward and backward.

use crate::error::check_lengths;
use crate::{Conv, Error, ImageShape, Window};

/// A fully connected layer: `y[b, o] = sum over i of x[b, i] * weight[i, o] + bias[o]`.
///
/// The weight is (inputs, outputs), row-major: the transpose of PyTorch's.
///
/// ```
/// use trickbag_kernels::Linear;
/// # fn main() -> Result<(), trickbag_kernels::Error> {
/// let layer = Linear::new(1, 2, 3)?;
/// let mut y = [0.0; 3];
/// layer.forward(&[1.0, 10.0], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[0.0, 0.5, 0.0], &mut y)?;
/// assert_eq!(y, [41.0, 52.5, 63.0]);
/// # Ok(())
/// # }
/// ```
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

    /// Overwrites `y` (batch x outputs).
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
        let [input, weights, output] = self.conv.lengths();
        check_lengths(
            "Linear::forward",
            &[
                ("x", x.len(), input),
                ("weight", weight.len(), weights),
                ("bias", bias.len(), self.conv.output().channels),
                ("y", y.len(), output),
            ],
        )?;
        self.conv.forward(x, weight, y)?;
        for row in y.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
        }
        Ok(())
    }

    /// Adds the gradient of the input to `dx` (batch x inputs).
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward_input(&self, dy: &[f32], weight: &[f32], dx: &mut [f32]) -> Result<(), Error> {
        let [input, weights, output] = self.conv.lengths();
        check_lengths(
            "Linear::backward_input",
            &[("dy", dy.len(), output), ("weight", weight.len(), weights), ("dx", dx.len(), input)],
        )?;
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
        let [input, weights, output] = self.conv.lengths();
        check_lengths(
            "Linear::backward_weight",
            &[
                ("x", x.len(), input),
                ("dy", dy.len(), output),
                ("dweight", dweight.len(), weights),
                ("dbias", dbias.len(), self.conv.output().channels),
            ],
        )?;
        self.conv.backward_weight(x, dy, dweight)?;
        for row in dy.chunks_exact(dbias.len()) {
            dbias.iter_mut().zip(row).for_each(|(dbias, dy)| *dbias += dy);
        }
        Ok(())
    }
}
