//! Convolution over NHWC images, forward and backward.

use crate::correlate::correlate;
use crate::direction::Direction;
use crate::element::Element;
use crate::error::check_lengths;
use crate::fresh::{Destination, New};
use crate::image::check_addressable;
use crate::moments::ChunkMoments;
use crate::packed::Weight;
use crate::stencil::Stencil;
use crate::weight_gradient::weight_gradient;
use crate::winograd::{self, Geometry};
use crate::{BatchStats, Error, FixedNorm, ImageShape, Isa, Packed, Window, Write, amx};

/// A convolution of fixed, validated geometry.
///
/// Images are (batch, height, width, channels). The weight is (kernel height, kernel width,
/// input channels / groups, output channels), row-major; output channel `o` belongs to group
/// `o / (output channels / groups)` and sees that group's slice of the input channels.
///
/// ```
/// use trickbag_kernels::{Conv, ImageShape, Window, Write};
/// # fn main() -> Result<(), trickbag_kernels::Error> {
/// let input = ImageShape { batch: 1, height: 1, width: 3, channels: 1 };
/// let window = Window { kernel: [1, 2], ..Window::square(1) };
/// let difference = Conv::new(input, 1, window, 1)?;
/// let mut y = [0.0; 2];
/// difference.forward(&[1.0, 4.0, 9.0], &[-1.0, 1.0], &mut y)?;
/// assert_eq!(y, [3.0, 5.0]);
///
/// let mut dx = [0.0; 3];
/// difference.backward_input(&[1.0, 1.0], &[-1.0, 1.0], Write::Add, &mut dx)?;
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
    pub fn forward<E: Element>(&self, x: &[E], weight: &[E], y: &mut [E]) -> Result<(), Error> {
        self.check("Conv::forward", [("x", x), ("weight", weight), ("y", y)])?;
        self.run_forward(Write::Overwrite, x, weight, y);
        Ok(())
    }

    /// Overwrites `y` with the convolution of `x` by `weight`, and returns what
    /// [`batch_norm_stats`](crate::batch_norm_stats) would for it, up to rounding. Each task gathers
    /// what it has just written, which is faster than to read all of `y` again.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn forward_with_stats<E: Element>(
        &self,
        x: &[E],
        weight: &[E],
        y: &mut [E],
    ) -> Result<BatchStats, Error> {
        self.check("Conv::forward_with_stats", [("x", x), ("weight", weight), ("y", y)])?;
        let (isa, channels) = (Isa::current(), self.output.channels);
        let moments = |_, band: &mut [E]| ChunkMoments::new(isa, band, channels);
        let weight = Weight::new(weight);
        let moments = self.correlate(Direction::Forward, Write::Overwrite, x, weight, y, moments);
        Ok(BatchStats::join(&moments, channels))
    }

    /// The convolution of `x` by `weight`, normalised: the same numbers as of [`Conv::forward`] and
    /// [`batch_norm`](crate::batch_norm) after it. Each task normalises what it has just written, which is
    /// faster than to read all of it again.
    ///
    /// ```
    /// # fn main() -> Result<(), trickbag_kernels::Error> {
    /// use trickbag_kernels::{Activation, BatchStats, Conv, FixedNorm, ImageShape, Window};
    ///
    /// let pixel = ImageShape { batch: 1, height: 1, width: 1, channels: 1 };
    /// let conv = Conv::new(pixel, 1, Window::square(1), 1)?;
    /// let stats = BatchStats { mean: vec![2.0], var: vec![4.0] };
    /// let norm = FixedNorm {
    ///     stats: &stats,
    ///     scale: &[1.0],
    ///     shift: &[0.5],
    ///     eps: 0.0,
    ///     residual: None,
    ///     activation: Activation::Relu,
    /// };
    /// assert_eq!(conv.forward_normalised(&[3.0], &[2.0], norm)?, [2.5]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn forward_normalised<E: Element>(
        &self,
        x: &[E],
        weight: &[E],
        norm: FixedNorm<'_, E>,
    ) -> Result<Vec<E>, Error> {
        self.normalised(x, Weight::new(weight), norm)
    }

    /// The same with a weight that no longer changes: what is packed of it is kept for later calls. `packed` belongs to
    /// this weight and to convolutions that differ from this one in the shape of their input alone. Products may be
    /// added up in another order than by [`Conv::forward_normalised`], so the numbers are the same up to rounding.
    ///
    /// ```
    /// # fn main() -> Result<(), trickbag_kernels::Error> {
    /// use trickbag_kernels::{Activation, BatchStats, Conv, FixedNorm, ImageShape, Packed, Window};
    ///
    /// let (weight, packed) = ([3.0], Packed::default());
    /// let stats = BatchStats { mean: vec![0.0], var: vec![1.0] };
    /// for width in 1..4 {
    ///     let images = ImageShape { batch: 1, height: 1, width, channels: 1 };
    ///     let conv = Conv::new(images, 1, Window::square(1), 1)?;
    ///     let norm = FixedNorm {
    ///         stats: &stats,
    ///         scale: &[1.0],
    ///         shift: &[0.0],
    ///         eps: 0.0,
    ///         residual: None,
    ///         activation: Activation::Identity,
    ///     };
    ///     let y = conv.forward_packed(&vec![1.0; width], &weight, &packed, norm)?;
    ///     assert_eq!(y, vec![3.0; width]);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn forward_packed<E: Element>(
        &self,
        x: &[E],
        weight: &[E],
        packed: &Packed,
        norm: FixedNorm<'_, E>,
    ) -> Result<Vec<E>, Error> {
        self.normalised(x, Weight { values: weight, packed: Some(packed) }, norm)
    }

    fn normalised<E: Element>(
        &self,
        x: &[E],
        weight: Weight<'_, E>,
        norm: FixedNorm<'_, E>,
    ) -> Result<Vec<E>, Error> {
        let operator = "Conv::forward_normalised";
        let [x_len, weight_len, y_len] = self.lengths();
        let operands = [("x", x.len(), x_len), ("weight", weight.values.len(), weight_len)];
        check_lengths(operator, &operands)?;
        norm.check(operator, y_len, self.output.channels)?;
        let rows = norm.rows();
        let normalise = |first, band: &mut [E]| rows.normalise(first, None, band, &mut []);
        let mut y = New::default();
        self.correlate(Direction::Forward, Write::Overwrite, x, weight, &mut y, normalise);
        Ok(y.0)
    }

    /// Writes the gradient of the input to `dx`, given the gradient `dy` of the output.
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
        self.check("Conv::backward_input", [("dx", dx), ("weight", weight), ("dy", dy)])?;
        self.correlate(Direction::Backward, write, dy, Weight::new(weight), dx, |_, _| ());
        Ok(())
    }

    /// Adds the gradient of the weight to `dweight`, given the gradient `dy` of the output.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward_weight<E: Element>(
        &self,
        x: &[E],
        dy: &[E],
        dweight: &mut [E],
    ) -> Result<(), Error> {
        self.check("Conv::backward_weight", [("x", x), ("dweight", dweight), ("dy", dy)])?;
        if amx::weight_gradient(self, x, dy, dweight).is_none() {
            match Geometry::of_gradient::<E>(Isa::current(), self) {
                Some(geometry) => winograd::weight_gradient(&geometry, x, dy, dweight),
                None => weight_gradient(self, x, dy, dweight),
            }
        }
        Ok(())
    }

    /// [`Conv::forward`] for slices that have been checked.
    pub(crate) fn run_forward<E: Element>(&self, write: Write, x: &[E], weight: &[E], y: &mut [E]) {
        self.correlate(Direction::Forward, write, x, Weight::new(weight), y, |_, _| ());
    }

    fn correlate<E: Element, T: Send>(
        &self,
        direction: Direction,
        write: Write,
        source: &[E],
        weight: Weight<'_, E>,
        destination: &mut (impl Destination<E> + ?Sized),
        finish: impl Fn(usize, &mut [E]) -> T + Sync,
    ) -> Vec<T> {
        if let Some(finished) =
            amx::correlate(self, direction, write, source, weight, destination, &finish)
        {
            return finished;
        }
        match Geometry::new(Isa::current(), self, direction, weight) {
            Some(geometry) => winograd::correlate(
                &geometry,
                direction,
                write,
                source,
                weight,
                destination,
                finish,
            ),
            None => correlate(self, direction, write, source, weight, destination, finish),
        }
    }

    /// Checks the lengths of an input, a weight and an output.
    fn check<E>(
        &self,
        operator: &'static str,
        operands: [(&'static str, &[E]); 3],
    ) -> Result<(), Error> {
        let lengths = self.lengths();
        let operand = |i: usize| (operands[i].0, operands[i].1.len(), lengths[i]);
        check_lengths(operator, &[operand(0), operand(1), operand(2)])
    }

    /// Numbers in the input, the weight and the output.
    pub(crate) fn lengths(&self) -> [usize; 3] {
        [self.input.len(), self.weight_len(), self.output.len()]
    }

    /// The window that moves over the input.
    #[must_use]
    pub fn window(&self) -> &Window {
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

    /// Whether each output channel sees the input channel of the same number alone.
    pub(crate) fn is_depthwise(&self) -> bool {
        self.groups > 1 && [self.input.channels, self.output.channels] == [self.groups; 2]
    }

    /// Groups of channels that do not see each other.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups
    }
}
