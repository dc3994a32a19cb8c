//! What maximum and average pooling share: how many windows there are, and rows of pixels.
//!
//! Every pass gathers: each destination pixel visits the windows or pixels that concern it, so the
//! destination's rows can be shared out among threads.

use crate::error::Axis;
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

/// The image of `from` that row `row` of all rows of `to` belongs to, and the row within its image.
pub(crate) fn image_and_row<T>(
    data: &[T],
    row: usize,
    from: ImageShape,
    to: ImageShape,
) -> (&[T], usize) {
    let image_len = from.height * from.width * from.channels;
    (&data[row / to.height * image_len..][..image_len], row % to.height)
}

pub(crate) fn pool_output(
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
