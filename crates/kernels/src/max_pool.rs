//! Maximum pooling over NHWC images, forward and backward.

use crate::error::check_lengths;
use crate::lanes::{Kernel, LANES, Lanes, first_lanes};
use crate::pool::{Rounding, image_and_row, pool_output};
use crate::{Element, Error, ImageShape, Isa, Window, tasks};

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
    pub fn forward<E: Element>(
        &self,
        x: &[E],
        y: &mut [E],
        argmax: &mut [u32],
    ) -> Result<(), Error> {
        let (input, output) = (self.input.len(), self.output.len());
        check_lengths(
            "MaxPool::forward",
            &[("x", x.len(), input), ("y", y.len(), output), ("argmax", argmax.len(), output)],
        )?;
        let isa = Isa::current();
        let row_len = self.output.width * self.output.channels;
        let rows = y.chunks_exact_mut(row_len).zip(argmax.chunks_exact_mut(row_len));
        tasks::for_each(rows, |row, (y, argmax)| {
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
    pub fn backward<E: Element>(
        &self,
        argmax: &[u32],
        dy: &[E],
        dx: &mut [E],
    ) -> Result<(), Error> {
        let (input, output) = (self.input.len(), self.output.len());
        check_lengths(
            "MaxPool::backward",
            &[("argmax", argmax.len(), output), ("dy", dy.len(), output), ("dx", dx.len(), input)],
        )?;
        let isa = Isa::current();
        let row_len = self.input.width * self.input.channels;
        tasks::for_each(dx.chunks_exact_mut(row_len), |row, dx| {
            let (dy, _) = image_and_row(dy, row, self.output, self.input);
            let (argmax, row) = image_and_row(argmax, row, self.output, self.input);
            isa.run(MaxGradientRow { pool: self, argmax, dy, row, dx });
        });
        Ok(())
    }
}

/// One row of the output.
struct MaxRow<'a, E> {
    pool: &'a MaxPool,
    /// One image.
    x: &'a [E],
    row: usize,
    y: &'a mut [E],
    argmax: &'a mut [u32],
}

impl<E: Element> Kernel for MaxRow<'_, E> {
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
struct MaxGradientRow<'a, E> {
    pool: &'a MaxPool,
    /// One image.
    argmax: &'a [u32],
    /// One image.
    dy: &'a [E],
    row: usize,
    dx: &'a mut [E],
}

impl<E: Element> Kernel for MaxGradientRow<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let ImageShape { height, width, channels, .. } = self.pool.output;
        let rows = self.pool.window.covering(0, self.row, height);
        let mut windows = Vec::new();
        for (column, dx) in self.dx.chunks_exact_mut(channels).enumerate() {
            let position = (self.row * self.pool.input.width + column) as u32;
            let columns = self.pool.window.covering(1, column, width);
            windows.clear();
            for row in rows.clone() {
                windows.extend(columns.clone().map(|column| (row * width + column) * channels));
            }
            for (block, dx) in dx.chunks_mut(LANES).enumerate() {
                let mut sum = L::load_padded(dx);
                for window in &windows {
                    let at = window + block * LANES;
                    let argmax = L::load_bits(&first_lanes(&self.argmax[at..]));
                    let dy = L::load_padded(&self.dy[at..]);
                    sum = sum.add(L::select(argmax.has_bits(position), dy, L::splat(0.0)));
                }
                sum.store_part(dx);
            }
        }
    }
}
