//! Which source pixels each destination pixel of a convolution sees, along one axis.
//!
//! Destinations that see the same taps form a regular grid. At the edges some taps meet the padding,
//! so the pixels there are grids of their own; and in the gradient of the input, pixels whose
//! positions differ modulo the stride see different taps. So there are no padded copies, and no
//! products with zeros that are known beforehand.

use std::ops::Range;

use crate::Window;

/// The grids of one axis.
#[derive(Debug)]
pub(crate) struct Stencil {
    /// Destinations from one of a grid to the next.
    pub(crate) step: usize,
    /// Sources from those of one destination of a grid to those of the next.
    pub(crate) stride: usize,
    /// Sources from tap to tap.
    pub(crate) spacing: usize,
    /// The positions in the kernel, in an order in which those of each grid follow each other.
    pub(crate) kernel: Vec<usize>,
    pub(crate) grids: Vec<Grid>,
}

/// Destinations that see the same taps: for `i` in `0..count`, destination `first + step * i` sees
/// source `source + stride * i + spacing * j` with its tap number `j`.
#[derive(Debug)]
pub(crate) struct Grid {
    pub(crate) first: usize,
    pub(crate) count: usize,
    /// Positions in [`Stencil::kernel`]; none, if the grid sees padding only.
    pub(crate) taps: Range<usize>,
    pub(crate) source: usize,
}

impl Stencil {
    /// The forward pass along an axis.
    pub(crate) fn forward(window: &Window, axis: usize, input: usize, output: usize) -> Self {
        let source = |kernel: usize| (kernel * window.dilation[axis]) as isize;
        let taps = (0..window.kernel[axis])
            .map(|kernel| (kernel, source(kernel) - window.padding[axis] as isize));
        let stride = window.stride[axis];
        let mut stencil = Self { step: 1, stride, spacing: 1, kernel: vec![], grids: vec![] };
        stencil.push(0, output, taps.collect(), input);
        stencil
    }

    /// The gradient of the input along an axis.
    pub(crate) fn backward(window: &Window, axis: usize, input: usize, output: usize) -> Self {
        let step = window.stride[axis];
        let mut stencil = Self { step, stride: 1, spacing: 1, kernel: vec![], grids: vec![] };
        for first in 0..step.min(input) {
            // Output `o` meets input `stride * o + dilation * kernel - padding`; solved for `o`.
            let tap = |kernel: usize| {
                let at = (first + window.padding[axis]) as isize
                    - (kernel * window.dilation[axis]) as isize;
                (at % step as isize == 0).then_some((kernel, at / step as isize))
            };
            let taps = (0..window.kernel[axis]).rev().filter_map(tap);
            stencil.push(first, (input - first).div_ceil(step), taps.collect(), output);
        }
        stencil
    }

    /// Adds the grids of every `step`th destination from `first` on, given their taps as positions in
    /// the kernel and the sources, in ascending order, that they meet for the first destination.
    fn push(&mut self, first: usize, count: usize, taps: Vec<(usize, isize)>, sources: usize) {
        let known = self.kernel.len();
        if let [(_, a), (_, b), ..] = taps[..] {
            self.spacing = (b - a).unsigned_abs();
        }
        let mut grids: Vec<Grid> = Vec::new();
        for i in 0..count {
            let at = |tap: &(usize, isize)| tap.1 + (i * self.stride) as isize;
            let from = taps.partition_point(|tap| at(tap) < 0);
            let to = taps.partition_point(|tap| at(tap) < sources as isize);
            let seen = known + from..known + to;
            match grids.last_mut() {
                Some(grid) if grid.taps == seen => grid.count += 1,
                _ => grids.push(Grid {
                    first: first + self.step * i,
                    count: 1,
                    taps: seen,
                    source: taps[from..to].first().map_or(0, |tap| at(tap).unsigned_abs()),
                }),
            }
        }
        self.grids.append(&mut grids);
        self.kernel.extend(taps.into_iter().map(|(kernel, _)| kernel));
    }

    /// The sources that the grid's destinations number `range` see.
    pub(crate) fn sources(&self, grid: &Grid, range: Range<usize>) -> Range<usize> {
        if range.is_empty() || grid.taps.is_empty() {
            return 0..0;
        }
        let last = grid.source + (range.end - 1) * self.stride;
        let reach = (grid.taps.len() - 1) * self.spacing;
        grid.source + range.start * self.stride..last + reach + 1
    }

    /// The numbers of the grid's destinations that lie in `destinations`.
    pub(crate) fn within(&self, grid: &Grid, destinations: Range<usize>) -> Range<usize> {
        let below = |end: usize| end.saturating_sub(grid.first).div_ceil(self.step).min(grid.count);
        below(destinations.start)..below(destinations.end)
    }
}
