//! Maximum and average pooling over NHWC images, forward and backward.
//!
//! Every pass gathers: each destination pixel visits the windows or pixels that concern it, so the
//! destination's rows can be shared out among threads.

use std::ops::Range;

use rayon::prelude::*;

use crate::direction::Direction;
use crate::error::{Axis, check_lengths};
use crate::lanes::{Kernel, LANES, Lanes, first_lanes};
use crate::{Error, ImageShape, Isa, Window};

/// How many windows fit where the stride does not divide the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Only whole windows.
    Floor,
    /// Also a last window that reaches over the end, if it starts inside the input or the left
    /// padding (PyTorch's `ceil_mode`).
    Ceil,
}

/// What an average divides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Divisor {
    /// The window's size within the padded input (PyTorch's `count_include_pad=True`).
    Window,
    /// The number of input pixels in the window.
    Valid,
}

/// Maximum pooling of fixed, validated geometry.
///
/// The first maximum of a window wins, padding never does, and NaN counts as larger than every
/// number, as in PyTorch.
///
/// ```
/// use trickbag_kernels::{ImageShape, MaxPool, Window};
/// # fn main() -> Result<(), trickbag_kernels::Error> {
/// let input = ImageShape { batch: 1, height: 2, width: 2, channels: 1 };
/// let pool = MaxPool::new(input, Window::square(2).stride(2))?;
/// let (mut y, mut argmax) = ([0.0], [0]);
/// pool.forward(&[1.0, 5.0, 2.0, 5.0], &mut y, &mut argmax)?;
/// assert_eq!((y, argmax), ([5.0], [1]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPool {
    input: ImageShape,
    output: ImageShape,
    window: Window,
}

/// Average pooling of fixed, validated geometry.
///
/// ```
/// use trickbag_kernels::{AvgPool, Divisor, ImageShape, Rounding, Window};
/// # fn main() -> Result<(), trickbag_kernels::Error> {
/// let input = ImageShape { batch: 1, height: 1, width: 3, channels: 1 };
/// let window = Window { kernel: [1, 2], stride: [1, 2], padding: [0, 0], dilation: [1, 1] };
/// let pool = AvgPool::new(input, window, Rounding::Ceil, Divisor::Valid)?;
/// let mut y = [0.0; 2];
/// pool.forward(&[1.0, 3.0, 5.0], &mut y)?;
/// assert_eq!(y, [2.0, 5.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvgPool {
    input: ImageShape,
    output: ImageShape,
    window: Window,
    divisor: Divisor,
}

impl MaxPool {
    /// Maximum pooling of `input`, with as many windows as [`Window::output`] says.
    ///
    /// # Errors
    ///
    /// Those of [`Window::output`]; [`Error::Zero`], [`Error::PoolPadding`],
    /// [`Error::PoolDilation`]; [`Error::TooLarge`] if a position within an image does not fit 32
    /// bits.
    pub fn new(input: ImageShape, window: Window) -> Result<Self, Error> {
        let output = pool_output(input, &window, Rounding::Floor)?;
        if u32::try_from(input.height * input.width).is_err() {
            return Err(Error::TooLarge { what: "a position within an image" });
        }
        Ok(Self { input, output, window })
    }

    /// The shape of the input.
    #[must_use]
    pub fn input(&self) -> ImageShape {
        self.input
    }

    /// The shape of the output, of which `argmax` has one entry for each number.
    #[must_use]
    pub fn output(&self) -> ImageShape {
        self.output
    }

    /// Overwrites `y` with each window's maximum, and `argmax` with its position
    /// (`row * width + column`) in its image.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn forward(&self, x: &[f32], y: &mut [f32], argmax: &mut [u32]) -> Result<(), Error> {
        let (input, output) = (self.input.len(), self.output.len());
        check_lengths(
            "MaxPool::forward",
            &[("x", x.len(), input), ("y", y.len(), output), ("argmax", argmax.len(), output)],
        )?;
        let isa = Isa::current();
        let row_len = self.output.width * self.output.channels;
        let rows = y.par_chunks_exact_mut(row_len).zip(argmax.par_chunks_exact_mut(row_len));
        rows.enumerate().for_each(|(row, (y, argmax))| {
            let (x, row) = image_and_row(x, row, self.input, self.output);
            isa.run(MaxRow { pool: self, x, row, y, argmax });
        });
        Ok(())
    }

    /// Adds each window's gradient to the pixel that was its maximum.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward(&self, argmax: &[u32], dy: &[f32], dx: &mut [f32]) -> Result<(), Error> {
        let (input, output) = (self.input.len(), self.output.len());
        check_lengths(
            "MaxPool::backward",
            &[("argmax", argmax.len(), output), ("dy", dy.len(), output), ("dx", dx.len(), input)],
        )?;
        let isa = Isa::current();
        let row_len = self.input.width * self.input.channels;
        dx.par_chunks_exact_mut(row_len).enumerate().for_each(|(row, dx)| {
            let (dy, _) = image_and_row(dy, row, self.output, self.input);
            let (argmax, row) = image_and_row(argmax, row, self.output, self.input);
            isa.run(MaxGradientRow { pool: self, argmax, dy, row, dx });
        });
        Ok(())
    }
}

impl AvgPool {
    /// Average pooling of `input`.
    ///
    /// # Errors
    ///
    /// Those of [`Window::output`]; [`Error::Zero`], [`Error::PoolPadding`],
    /// [`Error::PoolDilation`].
    pub fn new(
        input: ImageShape,
        window: Window,
        rounding: Rounding,
        divisor: Divisor,
    ) -> Result<Self, Error> {
        let output = pool_output(input, &window, rounding)?;
        Ok(Self { input, output, window, divisor })
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

    /// Overwrites `y` with each window's average.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn forward(&self, x: &[f32], y: &mut [f32]) -> Result<(), Error> {
        let (input, output) = (self.input.len(), self.output.len());
        check_lengths("AvgPool::forward", &[("x", x.len(), input), ("y", y.len(), output)])?;
        y.fill(0.0);
        self.add_averages(Direction::Forward, (self.input, x), (self.output, y));
        Ok(())
    }

    /// Adds each window's gradient, divided like its average, to all of its pixels.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward(&self, dy: &[f32], dx: &mut [f32]) -> Result<(), Error> {
        let (input, output) = (self.input.len(), self.output.len());
        check_lengths("AvgPool::backward", &[("dy", dy.len(), output), ("dx", dx.len(), input)])?;
        self.add_averages(Direction::Backward, (self.output, dy), (self.input, dx));
        Ok(())
    }

    fn add_averages(
        &self,
        direction: Direction,
        (from, source): (ImageShape, &[f32]),
        (to, destination): (ImageShape, &mut [f32]),
    ) {
        let isa = Isa::current();
        let rows = destination.par_chunks_exact_mut(to.width * to.channels);
        rows.enumerate().for_each(|(row, destination)| {
            let (source, row) = image_and_row(source, row, from, to);
            isa.run(AverageRow { pool: self, direction, source, from, row, destination });
        });
    }

    /// The sources along an axis that a destination sums.
    fn sources(&self, direction: Direction, axis: usize, destination: usize) -> Range<usize> {
        let size = |shape: ImageShape| [shape.height, shape.width][axis];
        match direction {
            Direction::Forward => self.window.covered(axis, destination, size(self.input)),
            Direction::Backward => self.window.covering(axis, destination, size(self.output)),
        }
    }

    /// The weight of each pixel of a window.
    fn share(&self, window: [usize; 2]) -> f32 {
        let size = [self.input.height, self.input.width];
        let pixels = [0, 1].map(|axis| {
            let start = window[axis] * self.window.stride[axis];
            let end = start + self.window.kernel[axis];
            match self.divisor {
                Divisor::Window => end.min(size[axis] + 2 * self.window.padding[axis]) - start,
                Divisor::Valid => self.window.covered(axis, window[axis], size[axis]).len(),
            }
        });
        1.0 / (pixels[0] * pixels[1]) as f32
    }
}

/// One row of the output.
struct MaxRow<'a> {
    pool: &'a MaxPool,
    /// One image.
    x: &'a [f32],
    row: usize,
    y: &'a mut [f32],
    argmax: &'a mut [u32],
}

impl Kernel for MaxRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let ImageShape { height, width, channels, .. } = self.pool.input;
        let rows = self.pool.window.covered(0, self.row, height);
        let pixels = self.y.chunks_exact_mut(channels).zip(self.argmax.chunks_exact_mut(channels));
        for (column, (y, argmax)) in pixels.enumerate() {
            let columns = self.pool.window.covered(1, column, width);
            let blocks = y.chunks_mut(LANES).zip(argmax.chunks_mut(LANES));
            for (block, (y, argmax)) in blocks.enumerate() {
                let mut max = L::splat(f32::NEG_INFINITY);
                let mut at = L::load_bits(&[(rows.start * width + columns.start) as u32; LANES]);
                for row in rows.clone() {
                    for position in row * width + columns.start..row * width + columns.end {
                        let x = L::load_padded(&self.x[position * channels + block * LANES..]);
                        let exceeds = x.exceeds(max);
                        max = L::select(exceeds, x, max);
                        at = L::select(exceeds, L::load_bits(&[position as u32; LANES]), at);
                    }
                }
                max.store_part(y);
                let mut positions = [0; LANES];
                at.store_bits(&mut positions);
                argmax.copy_from_slice(&positions[..argmax.len()]);
            }
        }
    }
}

/// One row of the input's gradient.
struct MaxGradientRow<'a> {
    pool: &'a MaxPool,
    /// One image.
    argmax: &'a [u32],
    /// One image.
    dy: &'a [f32],
    row: usize,
    dx: &'a mut [f32],
}

impl Kernel for MaxGradientRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let ImageShape { height, width, channels, .. } = self.pool.output;
        let rows = self.pool.window.covering(0, self.row, height);
        for (column, dx) in self.dx.chunks_exact_mut(channels).enumerate() {
            let position = (self.row * self.pool.input.width + column) as u32;
            let columns = self.pool.window.covering(1, column, width);
            for (block, dx) in dx.chunks_mut(LANES).enumerate() {
                let mut sum = L::load_padded(dx);
                for row in rows.clone() {
                    for window in row * width + columns.start..row * width + columns.end {
                        let at = window * channels + block * LANES;
                        let argmax = L::load_bits(&first_lanes(&self.argmax[at..]));
                        let dy = L::load_padded(&self.dy[at..]);
                        sum = sum.add(L::select(argmax.has_bits(position), dy, L::splat(0.0)));
                    }
                }
                sum.store_part(dx);
            }
        }
    }
}

/// One row of the output or of the input's gradient.
struct AverageRow<'a> {
    pool: &'a AvgPool,
    direction: Direction,
    /// One image.
    source: &'a [f32],
    from: ImageShape,
    row: usize,
    destination: &'a mut [f32],
}

impl Kernel for AverageRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let ImageShape { width, channels, .. } = self.from;
        let rows = self.pool.sources(self.direction, 0, self.row);
        for (column, pixel) in self.destination.chunks_exact_mut(channels).enumerate() {
            let columns = self.pool.sources(self.direction, 1, column);
            for r in rows.clone() {
                for c in columns.clone() {
                    let window = match self.direction {
                        Direction::Forward => [self.row, column],
                        Direction::Backward => [r, c],
                    };
                    let source = &self.source[(r * width + c) * channels..];
                    add_share::<L>(pixel, source, self.pool.share(window));
                }
            }
        }
    }
}

#[inline(always)]
fn add_share<L: Lanes>(pixel: &mut [f32], source: &[f32], share: f32) {
    for (block, pixel) in pixel.chunks_mut(LANES).enumerate() {
        let source = L::load_padded(&source[block * LANES..]);
        source.mul_add(L::splat(share), L::load_padded(pixel)).store_part(pixel);
    }
}

/// The image of `from` that row `row` of all rows of `to` belongs to, and the row within its image.
fn image_and_row<T>(data: &[T], row: usize, from: ImageShape, to: ImageShape) -> (&[T], usize) {
    let image_len = from.height * from.width * from.channels;
    (&data[row / to.height * image_len..][..image_len], row % to.height)
}

fn pool_output(
    input: ImageShape,
    window: &Window,
    rounding: Rounding,
) -> Result<ImageShape, Error> {
    input.check()?;
    let size = [input.height, input.width];
    let whole = window.output(size)?;
    for (i, axis) in Axis::BOTH.into_iter().enumerate() {
        let (padding, kernel, dilation) = (window.padding[i], window.kernel[i], window.dilation[i]);
        if dilation != 1 {
            return Err(Error::PoolDilation { axis, dilation });
        }
        if padding > kernel / 2 {
            return Err(Error::PoolPadding { axis, padding, kernel });
        }
    }
    let [height, width] = [0, 1].map(|axis| match rounding {
        Rounding::Floor => whole[axis],
        Rounding::Ceil => windows_with_last(window, axis, size[axis], whole[axis]),
    });
    Ok(ImageShape { height, width, ..input })
}

/// The number of windows along an axis if one more than the `whole` ones may reach over the end.
fn windows_with_last(window: &Window, axis: usize, size: usize, whole: usize) -> usize {
    let next = whole * window.stride[axis];
    let last_end = next - window.stride[axis] + window.kernel[axis];
    let leaves_rest = last_end < size + 2 * window.padding[axis];
    let starts_inside = next < size + window.padding[axis];
    if leaves_rest && starts_inside { whole + 1 } else { whole }
}
