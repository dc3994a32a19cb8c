//! Which source pixels each destination pixel of a convolution sees, along one axis.
//!
//! The forward pass is one regular grid of destinations. In the gradient of the input, pixels whose
//! positions differ modulo the stride see different taps of the kernel, so each residue is a grid of
//! its own, and no product with a structural zero is ever computed.

use crate::Window;

/// The grids of one axis.
#[derive(Debug)]
pub(crate) struct Stencil {
    /// Destinations from one of a grid to the next.
    pub(crate) step: usize,
    /// Sources that the taps move by from one destination of a grid to the next.
    pub(crate) stride: usize,
    pub(crate) grids: Vec<Grid>,
}

/// For `i` in `0..count`, destination `first + step * i` sees the sources `stride * i + tap.source`,
/// some of which may lie outside of the source image.
#[derive(Debug)]
pub(crate) struct Grid {
    pub(crate) first: usize,
    pub(crate) count: usize,
    /// In ascending order of their sources, never empty.
    pub(crate) taps: Vec<Tap>,
}

/// A position in the kernel, and the source pixel that it meets for destination 0 of its grid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tap {
    pub(crate) kernel: usize,
    pub(crate) source: isize,
}

impl Stencil {
    /// The forward pass along `axis`: every output, every tap.
    pub(crate) fn forward(window: &Window, axis: usize, output: usize) -> Self {
        let tap = |kernel: usize| {
            let source = (kernel * window.dilation[axis]) as isize;
            Tap { kernel, source: source - window.padding[axis] as isize }
        };
        let taps = (0..window.kernel[axis]).map(tap).collect();
        let grids = vec![Grid { first: 0, count: output, taps }];
        Self { step: 1, stride: window.stride[axis], grids }
    }

    /// The gradient of the input along `axis`, without the inputs that no window sees.
    pub(crate) fn backward(window: &Window, axis: usize, input: usize) -> Self {
        let step = window.stride[axis];
        // Output `o` meets input `stride * o + dilation * kernel - padding`; solved for `o`.
        let tap = |first: usize, kernel: usize| {
            let at =
                (first + window.padding[axis]) as isize - (kernel * window.dilation[axis]) as isize;
            let is_output = at % step as isize == 0;
            is_output.then_some(Tap { kernel, source: at / step as isize })
        };
        let grid = |first: usize| Grid {
            first,
            count: (input - first).div_ceil(step),
            taps: (0..window.kernel[axis]).rev().filter_map(|kernel| tap(first, kernel)).collect(),
        };
        let grids = (0..step.min(input)).map(grid).filter(|grid| !grid.taps.is_empty()).collect();
        Self { step, stride: 1, grids }
    }

    /// The first source that a first destination sees.
    pub(crate) fn lowest(&self) -> isize {
        self.grids.iter().map(|grid| grid.taps[0].source).min().unwrap_or(0)
    }

    /// How many sources lie from the first to the last one that `count` destinations of each grid
    /// see.
    pub(crate) fn extent(&self, count: usize) -> usize {
        let highest = self.grids.iter().filter_map(|grid| grid.taps.last()).map(|tap| tap.source);
        let reach = highest.max().unwrap_or(0) - self.lowest();
        (count - 1) * self.stride + reach.unsigned_abs() + 1
    }

    /// Whether all destinations see only sources in `0..size`.
    pub(crate) fn is_inside(&self, size: usize) -> bool {
        let ends = |grid: &Grid| {
            let taps = [grid.taps[0].source, grid.taps[grid.taps.len() - 1].source];
            let last = ((grid.count - 1) * self.stride) as isize + taps[1];
            taps[0] >= 0 && last < size as isize
        };
        self.grids.iter().all(ends)
    }
}
