//! Average pooling over NHWC images, forward and backward.

use std::ops::Range;

use crate::direction::Direction;
use crate::error::check_lengths;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::pool::{Rounding, image_and_row, pool_output};
use crate::{Element, Error, ImageShape, Isa, Window, tasks};

/// What an average divides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Divisor {
    /// The window's size within the padded input (PyTorch's `count_include_pad=True`).
    Window,
    /// The number of input pixels in the window.
    Valid,
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
    pub fn forward<E: Element>(&self, x: &[E], y: &mut [E]) -> Result<(), Error> {
        let (input, output) = (self.input.len(), self.output.len());
        check_lengths("AvgPool::forward", &[("x", x.len(), input), ("y", y.len(), output)])?;
        self.write_averages(Direction::Forward, (self.input, x), (self.output, y));
        Ok(())
    }

    /// Adds each window's gradient, divided like its average, to all of its pixels.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward<E: Element>(&self, dy: &[E], dx: &mut [E]) -> Result<(), Error> {
        let (input, output) = (self.input.len(), self.output.len());
        check_lengths("AvgPool::backward", &[("dy", dy.len(), output), ("dx", dx.len(), input)])?;
        self.write_averages(Direction::Backward, (self.output, dy), (self.input, dx));
        Ok(())
    }

    fn write_averages<E: Element>(
        &self,
        direction: Direction,
        (from, source): (ImageShape, &[E]),
        (to, destination): (ImageShape, &mut [E]),
    ) {
        let isa = Isa::current();
        let rows = destination.chunks_exact_mut(to.width * to.channels);
        tasks::for_each(rows, |row, destination| {
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

    /// Lists where the sources of a destination pixel begin in an image of `from`, and the weight of
    /// each.
    fn list_taps(
        &self,
        direction: Direction,
        from: ImageShape,
        [row, column]: [usize; 2],
        taps: &mut Vec<(usize, f32)>,
    ) {
        taps.clear();
        let columns = self.sources(direction, 1, column);
        for r in self.sources(direction, 0, row) {
            for c in columns.clone() {
                let window = match direction {
                    Direction::Forward => [row, column],
                    Direction::Backward => [r, c],
                };
                taps.push(((r * from.width + c) * from.channels, self.share(window)));
            }
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

/// One row of the output or of the input's gradient.
struct AverageRow<'a, E> {
    pool: &'a AvgPool,
    direction: Direction,
    /// One image.
    source: &'a [E],
    from: ImageShape,
    row: usize,
    destination: &'a mut [E],
}

impl<E: Element> Kernel for AverageRow<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { pool, direction, from, row, .. } = self;
        let mut taps = Vec::new();
        for (column, pixel) in self.destination.chunks_exact_mut(from.channels).enumerate() {
            pool.list_taps(direction, from, [row, column], &mut taps);
            for (block, pixel) in pixel.chunks_mut(LANES).enumerate() {
                let mut sum = match direction {
                    Direction::Forward => L::splat(0.0),
                    Direction::Backward => L::load_padded(pixel),
                };
                for &(at, share) in &taps {
                    let source = L::load_padded(&self.source[at + block * LANES..]);
                    sum = source.mul_add(L::splat(share), sum);
                }
                sum.store_part(pixel);
            }
        }
    }
}
