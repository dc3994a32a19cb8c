//! What can go wrong in an operator.

use std::fmt::Display;

/// An operator's failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Operands whose shapes do not fit each other or the geometry.
    #[error(transparent)]
    Shape(#[from] trickbag_kernels::Error),
    /// A filter whose shape does not fit the feature map.
    #[error(
        "a filter of shape {filter:?} cannot be applied to {channels} input channels in {groups} \
         groups: expected (kernel height, kernel width, {}, outputs), with the window's kernel {kernel:?} \
         and outputs divisible by the groups",
        channels / (*groups).max(1)
    )]
    Filter {
        /// The filter's shape.
        filter: [usize; 4],
        /// The window's kernel.
        kernel: [usize; 2],
        /// Channels of the feature map.
        channels: usize,
        /// Groups asked for.
        groups: usize,
    },
    /// A per-channel vector or a residual of the wrong size.
    #[error("{what} has shape {found:?}, expected {expected:?}")]
    Operand {
        /// Which operand.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that fits.
        expected: Vec<usize>,
    },
    /// An image too small to be continued by reflection.
    #[error(
        "an image of {height} x {width} pixels cannot be blurred: its border is a mirror, which takes \
         2 pixels along each axis; use larger images"
    )]
    Mirror {
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
    },
    /// A batch that cannot be divided into so many equal parts.
    #[error(
        "a batch of {batch} images has no {ghosts} equal parts; choose a number that divides it"
    )]
    Ghosts {
        /// Images of the batch.
        batch: usize,
        /// Parts asked for.
        ghosts: usize,
    },
    /// The ranks of the training came apart.
    #[error(transparent)]
    Collective(#[from] trickbag_collective::Error),
    /// There is no such device.
    #[error("there is no such CUDA device: {0}")]
    NoDevice(String),
    /// The device failed, most likely out of memory.
    #[error("the device failed: {0}; a smaller batch needs less memory")]
    Device(String),
}

impl Error {
    /// Wraps an error of a dfdx device, whose type depends on the device.
    pub fn device(error: impl Display) -> Self {
        Self::Device(error.to_string())
    }

    pub(crate) fn operand(what: &'static str, found: &[usize], expected: &[usize]) -> Self {
        Self::Operand { what, found: found.to_vec(), expected: expected.to_vec() }
    }
}
