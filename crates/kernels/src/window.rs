//! The sliding window that convolution and pooling share: kernel, stride, padding and dilation.

use std::ops::Range;

use crate::Error;
use crate::error::Axis;

/// A window that slides over the two spatial axes of an image; each field is `[height, width]`.
///
/// ```
/// use trickbag_kernels::Window;
///
/// let stem = Window::square(7).stride(2).padding(3);
/// assert_eq!(stem.output([224, 224]), Ok([112, 112]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Taps along each axis.
    pub kernel: [usize; 2],
    /// Input pixels from one window to the next.
    pub stride: [usize; 2],
    /// Zeros on each side of the input.
    pub padding: [usize; 2],
    /// Input pixels from one tap to the next; 1 leaves no gaps.
    pub dilation: [usize; 2],
}

impl Window {
    /// `kernel` x `kernel` taps with stride 1, no padding and no gaps.
    #[must_use]
    pub fn square(kernel: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [1; 2], padding: [0; 2], dilation: [1; 2] }
    }

    /// The same window with this stride along both axes.
    #[must_use]
    pub fn stride(self, stride: usize) -> Self {
        Self { stride: [stride; 2], ..self }
    }

    /// The same window with this padding on every side.
    #[must_use]
    pub fn padding(self, padding: usize) -> Self {
        Self { padding: [padding; 2], ..self }
    }

    /// The same window with this dilation along both axes.
    #[must_use]
    pub fn dilation(self, dilation: usize) -> Self {
        Self { dilation: [dilation; 2], ..self }
    }

    /// The number of windows along each axis of an input of `[height, width]` pixels:
    /// `floor((input + 2 padding - dilation (kernel - 1) - 1) / stride) + 1`, as in PyTorch.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a kernel, stride or dilation of 0, [`Error::WindowTooLarge`] if not even
    /// one window fits, and [`Error::TooLarge`] if a number overflows.
    pub fn output(&self, input: [usize; 2]) -> Result<[usize; 2], Error> {
        Ok([self.axis_output(input, 0)?, self.axis_output(input, 1)?])
    }

    fn axis_output(&self, input: [usize; 2], axis: usize) -> Result<usize, Error> {
        for (size, dimension) in [
            (self.kernel[axis], "the window's kernel"),
            (self.stride[axis], "the window's stride"),
            (self.dilation[axis], "the window's dilation"),
        ] {
            if size == 0 {
                return Err(Error::Zero { dimension });
            }
        }
        let padded = self.padding[axis].checked_mul(2).and_then(|p| p.checked_add(input[axis]));
        let reach = (self.kernel[axis] - 1).checked_mul(self.dilation[axis]);
        let fits = |&size: &usize| size <= isize::MAX as usize;
        let (Some(padded), Some(reach), true) =
            (padded.filter(fits), reach, fits(&self.stride[axis]))
        else {
            return Err(Error::TooLarge { what: "the window or the padded input" });
        };
        if reach >= padded {
            let span = reach.saturating_add(1);
            return Err(Error::WindowTooLarge { axis: Axis::BOTH[axis], span, padded });
        }
        Ok((padded - reach - 1) / self.stride[axis] + 1)
    }

    /// The inputs in `0..size` that window `output` covers along an axis, if it has no gaps.
    pub(crate) fn covered(&self, axis: usize, output: usize, size: usize) -> Range<usize> {
        let start = output * self.stride[axis];
        let inside = |padded: usize| padded.saturating_sub(self.padding[axis]).min(size);
        inside(start)..inside(start + self.kernel[axis])
    }

    /// The windows in `0..outputs` that cover `input` along an axis, if they have no gaps.
    pub(crate) fn covering(&self, axis: usize, input: usize, outputs: usize) -> Range<usize> {
        let padded = input + self.padding[axis];
        let stride = self.stride[axis];
        let first = (padded + 1).saturating_sub(self.kernel[axis]).div_ceil(stride);
        first..(padded / stride + 1).min(outputs)
    }
}
