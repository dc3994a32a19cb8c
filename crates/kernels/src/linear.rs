//! The fully connected layer, forward and backward.

use crate::element::Element;
use crate::error::check_lengths;
use crate::{Conv, Error, ImageShape, Window, Write};

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
    pub fn forward<E: Element>(
        &self,
        x: &[E],
        weight: &[E],
        bias: &[E],
        y: &mut [E],
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
        y.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
        self.conv.run_forward(Write::Add, x, weight, y);
        Ok(())
    }

    /// Writes the gradient of the input to `dx` (batch x inputs).
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward_input<E: Element>(
        &self,
        dy: &[E],
        weight: &[E],
        write: Write,
        dx: &mut [E],
    ) -> Result<(), Error> {
        let [input, weights, output] = self.conv.lengths();
        check_lengths(
            "Linear::backward_input",
            &[("dy", dy.len(), output), ("weight", weight.len(), weights), ("dx", dx.len(), input)],
        )?;
        self.conv.backward_input(dy, weight, write, dx)
    }

    /// Adds the gradients of the weight and the bias to `dweight` and `dbias`.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward_weight<E: Element>(
        &self,
        x: &[E],
        dy: &[E],
        dweight: &mut [E],
        dbias: &mut [E],
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
        let mut sums: Vec<f32> = dbias.iter().map(|sum| sum.to_f32()).collect();
        for row in dy.chunks_exact(dbias.len()) {
            sums.iter_mut().zip(row).for_each(|(sum, dy)| *sum += dy.to_f32());
        }
        dbias.iter_mut().zip(sums).for_each(|(dbias, sum)| *dbias = E::from_f32(sum));
        Ok(())
    }
}
