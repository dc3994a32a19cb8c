//! Convolution over NHWC images, forward and backward.

use crate::channels::Direction;
use crate::correlate::correlate;
use crate::error::check_lengths;
use crate::image::check_addressable;
use crate::lanes::LANES;
use crate::stencil::Stencil;
use crate::weight_gradient::weight_gradient;
use crate::{Error, ImageShape, Window};

/// A convolution of fixed, validated geometry.
///
/// Images are (batch, height, width, channels). The weight is (kernel height, kernel width,
/// input channels / groups, output channels), row-major; output channel `o` belongs to group
/// `o / (output channels / groups)` and sees that group's slice of the input channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    input: ImageShape,
    output: ImageShape,
    window: Window,
    groups: usize,
}

impl Conv {
    /// The convolution of `input` into `out_channels` channels.
    ///
    /// # Errors
    ///
    /// Those of [`Window::output`], [`Error::Zero`] for an empty dimension, [`Error::Groups`] if
    /// `groups` does not divide both channel counts, [`Error::TooLarge`].
    pub fn new(
        input: ImageShape,
        out_channels: usize,
        window: Window,
        groups: usize,
    ) -> Result<Self, Error> {
        input.check()?;
        let in_channels = input.channels;
        if groups == 0 || in_channels % groups != 0 || out_channels % groups != 0 {
            return Err(Error::Groups { groups, in_channels, out_channels });
        }
        let [height, width] = window.output([input.height, input.width])?;
        let output = ImageShape { batch: input.batch, height, width, channels: out_channels };
        output.check()?;
        let conv = Self { input, output, window, groups };
        check_addressable(conv.weight_len(), "the weight")?;
        check_addressable(conv.padded_len(), "a padded image")?;
        Ok(conv)
    }

    /// The shape of the input.
    #[must_use]
    pub fn input(&self) -> ImageShape {
        self.input
    }

    /// The shape of the output.
    #[must_use]
    pub fn output(&self) -> ImageShape {
        self.output
    }

    /// Numbers in the weight.
    #[must_use]
    pub fn weight_len(&self) -> usize {
        let [height, width] = self.window.kernel;
        height
            .saturating_mul(width)
            .saturating_mul(self.input.channels / self.groups)
            .saturating_mul(self.output.channels)
    }

    /// Multiply-accumulates of one forward pass, those with padding included.
    #[must_use]
    pub fn macs(&self) -> u64 {
        (self.output.pixels() as u64).saturating_mul(self.weight_len() as u64)
    }

    /// Overwrites `y` with the convolution of `x` by `weight`.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn forward(&self, x: &[f32], weight: &[f32], y: &mut [f32]) -> Result<(), Error> {
        self.check("Conv::forward", ("x", x), ("weight", weight), ("y", y))?;
        correlate(self, Direction::Forward, x, weight, y);
        Ok(())
    }

    /// Adds the gradient of the input to `dx`, given the gradient `dy` of the output.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward_input(&self, dy: &[f32], weight: &[f32], dx: &mut [f32]) -> Result<(), Error> {
        self.check("Conv::backward_input", ("dx", dx), ("weight", weight), ("dy", dy))?;
        correlate(self, Direction::Backward, dy, weight, dx);
        Ok(())
    }

    /// Adds the gradient of the weight to `dweight`, given the gradient `dy` of the output.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward_weight(&self, x: &[f32], dy: &[f32], dweight: &mut [f32]) -> Result<(), Error> {
        self.check("Conv::backward_weight", ("x", x), ("dweight", dweight), ("dy", dy))?;
        weight_gradient(self, x, dy, dweight);
        Ok(())
    }

    fn check(
        &self,
        operator: &'static str,
        (x, x_data): (&'static str, &[f32]),
        (weight, weight_data): (&'static str, &[f32]),
        (y, y_data): (&'static str, &[f32]),
    ) -> Result<(), Error> {
        check_lengths(
            operator,
            &[
                (x, x_data.len(), self.input.len()),
                (weight, weight_data.len(), self.weight_len()),
                (y, y_data.len(), self.output.len()),
            ],
        )
    }

    /// No copy of an image's part needs more numbers.
    fn padded_len(&self) -> usize {
        let [height, width] = [self.input.height, self.input.width];
        let channels = self.input.channels.max(self.output.channels) + LANES;
        (height + 2 * self.window.padding[0])
            .saturating_mul(width + 2 * self.window.padding[1])
            .saturating_mul(channels)
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    /// Which pixels meet, along the height and along the width.
    pub(crate) fn stencils(&self, direction: Direction) -> [Stencil; 2] {
        let (input, output, window) = (self.input, self.output, &self.window);
        match direction {
            Direction::Forward => [
                Stencil::forward(window, 0, output.height),
                Stencil::forward(window, 1, output.width),
            ],
            Direction::Backward => [
                Stencil::backward(window, 0, input.height),
                Stencil::backward(window, 1, input.width),
            ],
        }
    }

    pub(crate) fn groups(&self) -> usize {
        self.groups
    }
}
