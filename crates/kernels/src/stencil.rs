//! Which source pixels each destination pixel of a convolution sees, as regular grids.
//!
//! The forward pass is one grid. In the gradient of the input, pixels whose positions differ modulo
//! the stride see different taps of the kernel, so each residue is a grid of its own.

use crate::{ImageShape, Window};

/// A grid of destination pixels that see the same taps: the rows' axis and the columns' axis.
pub(crate) type Stencil = [AxisStencil; 2];

/// One axis of a [`Stencil`]: for `i` in `0..count`, destination `first + step * i` sees the sources
/// `stride * i + tap.source`, some of which may lie outside of the source image.
#[derive(Debug, Clone)]
pub(crate) struct AxisStencil {
    pub(crate) first: usize,
    pub(crate) step: usize,
    pub(crate) count: usize,
    pub(crate) stride: usize,
    /// In ascending order of their sources, never empty.
    pub(crate) taps: Vec<Tap>,
}

/// A position in the kernel, and the source pixel that it meets for destination 0 of the grid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tap {
    pub(crate) kernel: usize,
    pub(crate) source: isize,
}

/// The grid of the forward pass: every output pixel, every tap.
pub(crate) fn forward(window: &Window, output: ImageShape) -> Stencil {
    [axis_forward(window, 0, output.height), axis_forward(window, 1, output.width)]
}

/// The grids of the input's gradient, without the input pixels that no window sees.
pub(crate) fn backward(window: &Window, input: ImageShape) -> Vec<Stencil> {
    let columns = axis_backward(window, 1, input.width);
    let pair = |row: AxisStencil| columns.iter().map(move |column| [row.clone(), column.clone()]);
    axis_backward(window, 0, input.height).into_iter().flat_map(pair).collect()
}

impl AxisStencil {
    /// The first source that destination 0 sees.
    pub(crate) fn lowest(&self) -> isize {
        self.taps[0].source
    }

    /// How many sources lie between the first and the last one that `count` destinations see.
    pub(crate) fn extent(&self, count: usize) -> usize {
        let reach = self.taps[self.taps.len() - 1].source - self.lowest();
        count.saturating_sub(1) * self.stride + reach.unsigned_abs() + 1
    }

    /// Whether all destinations see only sources in `0..size`.
    pub(crate) fn is_inside(&self, size: usize) -> bool {
        let lowest = self.lowest();
        lowest >= 0 && lowest.unsigned_abs() + self.extent(self.count) <= size
    }
}

fn axis_forward(window: &Window, axis: usize, count: usize) -> AxisStencil {
    let source = |kernel| (kernel * window.dilation[axis]) as isize - window.padding[axis] as isize;
    let taps = (0..window.kernel[axis]).map(|kernel| Tap { kernel, source: source(kernel) });
    AxisStencil { first: 0, step: 1, count, stride: window.stride[axis], taps: taps.collect() }
}

/// Output `o` meets input `stride * o + dilation * kernel - padding`, solved here for `o`.
fn axis_backward(window: &Window, axis: usize, input: usize) -> Vec<AxisStencil> {
    let step = window.stride[axis];
    let tap = |first: usize, kernel: usize| {
        let at = (first + window.padding[axis]) as isize - (kernel * window.dilation[axis]) as isize;
        (at % step as isize == 0).then_some(Tap { kernel, source: at / step as isize })
    };
    let grid = |first| AxisStencil {
        first,
        step,
        count: (input - first).div_ceil(step),
        stride: 1,
        taps: (0..window.kernel[axis]).rev().filter_map(|kernel| tap(first, kernel)).collect(),
    };
    (0..step.min(input)).map(grid).filter(|grid| !grid.taps.is_empty()).collect()
}
