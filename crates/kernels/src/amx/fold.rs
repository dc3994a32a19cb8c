//! The columns of a kernel as channels of a pixel, where channels are so few that they leave most of a tile's rows
//! empty.

use half::bf16;

use super::tiles::ROWS;
use crate::{Conv, ImageShape, Window, tasks};

/// A convolution with the same weight, whose kernel has one column: each pixel holds what a window of `conv` sees
/// of a row. There is none where it would not halve the tiles.
pub(super) fn folded(conv: &Conv) -> Option<Conv> {
    let (window, input, output) = (conv.window(), conv.input(), conv.output());
    let [height, width] = window.kernel;
    let channels = width * input.channels;
    let halved = 2 * channels.div_ceil(ROWS) <= width * input.channels.div_ceil(ROWS);
    if !halved || window.dilation[1] != 1 {
        return None;
    }
    let window = Window {
        kernel: [height, 1],
        stride: [window.stride[0], 1],
        padding: [window.padding[0], 0],
        dilation: [window.dilation[0], 1],
    };
    let input = ImageShape { width: output.width, channels, ..input };
    Conv::new(input, output.channels, window, 1).ok()
}

/// Writes the input of [`folded`].
pub(super) fn fold(conv: &Conv, x: &[bf16], folded: &mut [bf16]) {
    let (window, input, columns) = (conv.window(), conv.input(), conv.output().width);
    let row_len = input.width * input.channels;
    let window_len = window.kernel[1] * input.channels;
    let (stride, padding) = (window.stride[1] * input.channels, window.padding[1] * input.channels);
    let to_len = columns * window_len;
    let rows = tasks::rows(to_len);
    let parts = x.chunks(rows * row_len).zip(folded.chunks_mut(rows * to_len));
    tasks::for_each(parts, |_, (x, folded)| {
        let mut padded = vec![bf16::ZERO; row_len + 2 * padding];
        for (row, windows) in x.chunks_exact(row_len).zip(folded.chunks_exact_mut(to_len)) {
            padded[padding..][..row_len].copy_from_slice(row);
            for (column, window) in windows.chunks_exact_mut(window_len).enumerate() {
                window.copy_from_slice(&padded[column * stride..][..window_len]);
            }
        }
    });
}
