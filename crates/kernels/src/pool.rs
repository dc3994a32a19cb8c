//! Maximum, average and global average pooling over NHWC images, forward and backward.

use crate::error::{Axis, check_lengths};
use crate::{Error, ImageShape, Window};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPool {
    input: ImageShape,
    output: ImageShape,
    window: Window,
}

/// Average pooling of fixed, validated geometry.
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
    /// Those of [`Window::output`]; [`Error::PoolPadding`], [`Error::PoolDilation`],
    /// [`Error::TooLarge`] if a position within an image does not fit 32 bits.
    pub fn new(input: ImageShape, window: Window) -> Result<Self, Error> {
        let output = pool_output(input, &window, Rounding::Floor)?;
        if u32::try_from(input.height.saturating_mul(input.width)).is_err() {
            return Err(Error::TooLarge { what: "a position within an image" });
        }
        Ok(Self { input, output, window })
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

    /// Overwrites `y` with each window's maximum and `argmax` with its position
    /// (`row * width + column`) in its image.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn forward(&self, x: &[f32], y: &mut [f32], argmax: &mut [u32]) -> Result<(), Error> {
        let (i, o) = (self.input, self.output);
        check_lengths(
            "MaxPool::forward",
            &[
                ("x", x.len(), i.len()),
                ("y", y.len(), o.len()),
                ("argmax", argmax.len(), o.len()),
            ],
        )?;
        y.fill(f32::NEG_INFINITY);
        argmax.fill(u32::MAX);
        each_tap(i, o, &self.window, |n, oh, ow, ih, iw| {
            for c in 0..i.channels {
                let v = x[((n * i.height + ih) * i.width + iw) * i.channels + c];
                let at = ((n * o.height + oh) * o.width + ow) * o.channels + c;
                if v > y[at] || v.is_nan() || argmax[at] == u32::MAX {
                    y[at] = v;
                    argmax[at] = (ih * i.width + iw) as u32;
                }
            }
        });
        Ok(())
    }

    /// Adds each window's gradient to the pixel that won it.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward(&self, argmax: &[u32], dy: &[f32], dx: &mut [f32]) -> Result<(), Error> {
        let (i, o) = (self.input, self.output);
        check_lengths(
            "MaxPool::backward",
            &[
                ("argmax", argmax.len(), o.len()),
                ("dy", dy.len(), o.len()),
                ("dx", dx.len(), i.len()),
            ],
        )?;
        each_tap(i, o, &self.window, |n, oh, ow, ih, iw| {
            for c in 0..i.channels {
                let at = ((n * o.height + oh) * o.width + ow) * o.channels + c;
                if argmax[at] == (ih * i.width + iw) as u32 {
                    dx[((n * i.height + ih) * i.width + iw) * i.channels + c] += dy[at];
                }
            }
        });
        Ok(())
    }
}

impl AvgPool {
    /// Average pooling of `input`.
    ///
    /// # Errors
    ///
    /// Those of [`Window::output`]; [`Error::PoolPadding`], [`Error::PoolDilation`].
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
        let (i, o) = (self.input, self.output);
        check_lengths("AvgPool::forward", &[("x", x.len(), i.len()), ("y", y.len(), o.len())])?;
        y.fill(0.0);
        each_tap(i, o, &self.window, |n, oh, ow, ih, iw| {
            let weight = 1.0 / self.divisor_at(oh, ow);
            for c in 0..i.channels {
                y[((n * o.height + oh) * o.width + ow) * o.channels + c] +=
                    weight * x[((n * i.height + ih) * i.width + iw) * i.channels + c];
            }
        });
        Ok(())
    }

    /// Adds each window's gradient, divided, to all of its pixels.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if a slice does not fit its shape.
    pub fn backward(&self, dy: &[f32], dx: &mut [f32]) -> Result<(), Error> {
        let (i, o) = (self.input, self.output);
        check_lengths("AvgPool::backward", &[("dy", dy.len(), o.len()), ("dx", dx.len(), i.len())])?;
        each_tap(i, o, &self.window, |n, oh, ow, ih, iw| {
            let weight = 1.0 / self.divisor_at(oh, ow);
            for c in 0..i.channels {
                dx[((n * i.height + ih) * i.width + iw) * i.channels + c] +=
                    weight * dy[((n * o.height + oh) * o.width + ow) * o.channels + c];
            }
        });
        Ok(())
    }

    fn divisor_at(&self, oh: usize, ow: usize) -> f32 {
        let size = |o: usize, a: usize, input: usize| {
            let start = o * self.window.stride[a];
            let pad = self.window.padding[a];
            let end = (start + self.window.kernel[a]).min(input + 2 * pad);
            match self.divisor {
                Divisor::Window => end - start,
                Divisor::Valid => end.min(input + pad) - start.max(pad),
            }
        };
        (size(oh, 0, self.input.height) * size(ow, 1, self.input.width)) as f32
    }
}

/// Overwrites `y` (batch x channels) with the average of each image's pixels.
///
/// # Errors
///
/// [`Error::Zero`] for an empty shape, [`Error::Length`] if a slice does not fit it.
pub fn global_avg_pool(input: ImageShape, x: &[f32], y: &mut [f32]) -> Result<(), Error> {
    input.check()?;
    let pixels = input.height * input.width;
    check_lengths(
        "global_avg_pool",
        &[("x", x.len(), input.len()), ("y", y.len(), input.batch * input.channels)],
    )?;
    y.fill(0.0);
    for (image, y) in
        x.chunks_exact(pixels * input.channels).zip(y.chunks_exact_mut(input.channels))
    {
        for (i, v) in image.iter().enumerate() {
            y[i % input.channels] += v / pixels as f32;
        }
    }
    Ok(())
}

/// Adds the gradient of [`global_avg_pool`]'s input to `dx`.
///
/// # Errors
///
/// [`Error::Zero`] for an empty shape, [`Error::Length`] if a slice does not fit it.
pub fn global_avg_pool_backward(
    input: ImageShape,
    dy: &[f32],
    dx: &mut [f32],
) -> Result<(), Error> {
    input.check()?;
    let pixels = input.height * input.width;
    check_lengths(
        "global_avg_pool_backward",
        &[("dy", dy.len(), input.batch * input.channels), ("dx", dx.len(), input.len())],
    )?;
    for (image, dy) in
        dx.chunks_exact_mut(pixels * input.channels).zip(dy.chunks_exact(input.channels))
    {
        for (i, v) in image.iter_mut().enumerate() {
            *v += dy[i % input.channels] / pixels as f32;
        }
    }
    Ok(())
}

fn pool_output(
    input: ImageShape,
    window: &Window,
    rounding: Rounding,
) -> Result<ImageShape, Error> {
    input.check()?;
    let size = [input.height, input.width];
    let [mut height, mut width] = window.output(size)?;
    for (a, axis) in Axis::BOTH.into_iter().enumerate() {
        let (padding, kernel, dilation) =
            (window.padding[a], window.kernel[a], window.dilation[a]);
        if dilation != 1 {
            return Err(Error::PoolDilation { axis, dilation });
        }
        if padding > kernel / 2 {
            return Err(Error::PoolPadding { axis, padding, kernel });
        }
        if rounding == Rounding::Ceil {
            let rest = size[a] + 2 * padding - kernel;
            let out = rest.div_ceil(window.stride[a]) + 1;
            let out =
                if (out - 1) * window.stride[a] >= size[a] + padding { out - 1 } else { out };
            *[&mut height, &mut width][a] = out;
        }
    }
    Ok(ImageShape { height, width, ..input })
}

fn each_tap(
    i: ImageShape,
    o: ImageShape,
    w: &Window,
    mut f: impl FnMut(usize, usize, usize, usize, usize),
) {
    for n in 0..o.batch {
        for oh in 0..o.height {
            for ow in 0..o.width {
                for kh in 0..w.kernel[0] {
                    for kw in 0..w.kernel[1] {
                        let ih = (oh * w.stride[0] + kh).wrapping_sub(w.padding[0]);
                        let iw = (ow * w.stride[1] + kw).wrapping_sub(w.padding[1]);
                        if ih < i.height && iw < i.width {
                            f(n, oh, ow, ih, iw);
                        }
                    }
                }
            }
        }
    }
}
