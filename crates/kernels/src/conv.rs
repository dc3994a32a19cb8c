//! Convolution over NHWC images, forward and backward.

use crate::correlate::correlate;
use crate::direction::Direction;
use crate::error::check_lengths;
use crate::image::check_addressable;
use crate::stencil::Stencil;
use crate::weight_gradient::weight_gradient;
use crate::winograd::{self, Geometry};
use crate::{Error, ImageShape, Window};

/// A convolution of fixed, validated geometry.
///
/// Images are (batch, height, width, channels). The weight is (kernel height, kernel width,
/// input channels / groups, output channels), row-major; output channel `o` belongs to group
/// `o / (output channels / groups)` and sees that group's slice of the input channels.
///
/// ```
/// use trickbag_kernels::{Conv, ImageShape, Window};
/// # fn main() -> Result<(), trickbag_kernels::Error> {
/// let input = ImageShape { batch: 1, height: 1, width: 3, channels: 1 };
/// let window = Window { kernel: [1, 2], ..Window::square(1) };
/// let difference = Conv::new(input, 1, window, 1)?;
/// let mut y = [0.0; 2];
/// difference.forward(&[1.0, 4.0, 9.0], &[-1.0, 1.0], &mut y)?;
/// assert_eq!(y, [3.0, 5.0]);
///
/// let mut dx = [0.0; 3];
/// difference.backward_input(&[1.0, 1.0], &[-1.0, 1.0], &mut dx)?;
/// assert_eq!(dx, [-1.0, 0.0, 1.0]);
/// # Ok(())
/// # }
/// ```
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
        let divides = |channels: usize| groups != 0 && channels.is_multiple_of(groups);
        if !divides(in_channels) || !divides(out_channels) {
            return Err(Error::Groups { groups, in_channels, out_channels });
        }
        let [height, width] = window.output([input.height, input.width])?;
        let output = ImageShape { batch: input.batch, height, width, channels: out_channels };
        output.check()?;
        let conv = Self { input, output, window, groups };
        check_addressable(conv.weight_len(), "the weight")?;
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
        let [input, weights, output] = self.lengths();
        check_lengths(
            "Conv::forward",
            &[("x", x.len(), input), ("weight", weight.len(), weights), ("y", y.len(), output)],
        )?;
        match Geometry::new(self, Direction::Forward) {
            Some(geometry) => winograd::correlate(&geometry, Direction::Forward, x, weight, y),
            None => correlate(self, Direction::Forward, x, weight, y),
        }
        Ok(())
    }

    /// Adds the gradient of the input to `dx`, given the gradient `dy` of the output.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward_input(&self, dy: &[f32], weight: &[f32], dx: &mut [f32]) -> Result<(), Error> {
        let [input, weights, output] = self.lengths();
        check_lengths(
            "Conv::backward_input",
            &[("dy", dy.len(), output), ("weight", weight.len(), weights), ("dx", dx.len(), input)],
        )?;
        match Geometry::new(self, Direction::Backward) {
            Some(geometry) => winograd::correlate(&geometry, Direction::Backward, dy, weight, dx),
            None => correlate(self, Direction::Backward, dy, weight, dx),
        }
        Ok(())
    }

    /// Adds the gradient of the weight to `dweight`, given the gradient `dy` of the output.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward_weight(&self, x: &[f32], dy: &[f32], dweight: &mut [f32]) -> Result<(), Error> {
        let [input, weights, output] = self.lengths();
        check_lengths(
            "Conv::backward_weight",
            &[("x", x.len(), input), ("dy", dy.len(), output), ("dweight", dweight.len(), weights)],
        )?;
        match Geometry::new(self, Direction::Forward) {
            Some(geometry) => winograd::weight_gradient(&geometry, x, dy, dweight),
            None => weight_gradient(self, x, dy, dweight),
        }
        Ok(())
    }

    /// Numbers in the input, the weight and the output.
    pub(crate) fn lengths(&self) -> [usize; 3] {
        [self.input.len(), self.weight_len(), self.output.len()]
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    /// Which pixels meet, along the height and along the width.
    pub(crate) fn stencils(&self, direction: Direction) -> [Stencil; 2] {
        let (input, output) = (self.input, self.output);
        let new = match direction {
            Direction::Forward => Stencil::forward,
            Direction::Backward => Stencil::backward,
        };
        [
            new(&self.window, 0, input.height, output.height),
            new(&self.window, 1, input.width, output.width),
        ]
    }

    pub(crate) fn groups(&self) -> usize {
        self.groups
    }
}
