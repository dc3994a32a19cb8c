//! What can be wrong with the geometry or the buffers that a caller hands in.

use crate::Isa;

/// Why an operator refused its arguments. Nothing has been written when one is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A slice does not have the length that the operator's shape asks for.
    #[error("{operator}: `{operand}` holds {found} numbers, but its shape needs {expected}")]
    Length {
        /// The function that checked.
        operator: &'static str,
        /// The argument's name.
        operand: &'static str,
        /// The slice's length.
        found: usize,
        /// The length that the shape needs.
        expected: usize,
    },
    /// A slice does not divide into rows of the given number of channels.
    #[error(
        "{operator}: `{operand}` holds {found} numbers, which is not a positive multiple of its {channels} channels"
    )]
    Rows {
        /// The function that checked.
        operator: &'static str,
        /// The argument's name.
        operand: &'static str,
        /// The slice's length.
        found: usize,
        /// Numbers in a row.
        channels: usize,
    },
    /// A dimension is zero.
    #[error("{dimension} is 0, but must be at least 1")]
    Zero {
        /// Which dimension.
        dimension: &'static str,
    },
    /// The window does not fit into the padded input.
    #[error(
        "the window spans {span} pixels of {axis}, but the padded input has only {padded}: use a smaller kernel or dilation, or more padding"
    )]
    WindowTooLarge {
        /// Along which axis.
        axis: Axis,
        /// `dilation * (kernel - 1) + 1`.
        span: usize,
        /// Input plus padding on both sides.
        padded: usize,
    },
    /// A pooling window could lie entirely in the padding.
    #[error(
        "pooling pads {axis} by {padding}, but at most half of the kernel's {kernel} is allowed, else a window could see padding only"
    )]
    PoolPadding {
        /// Along which axis.
        axis: Axis,
        /// Padding on each side.
        padding: usize,
        /// Kernel size.
        kernel: usize,
    },
    /// Pooling windows have no gaps.
    #[error("pooling has a dilation of {dilation} along {axis}, but supports only 1")]
    PoolDilation {
        /// Along which axis.
        axis: Axis,
        /// The window's dilation.
        dilation: usize,
    },
    /// The channels cannot be divided into the groups.
    #[error(
        "{groups} groups do not divide {in_channels} input and {out_channels} output channels evenly"
    )]
    Groups {
        /// Number of groups.
        groups: usize,
        /// Input channels.
        in_channels: usize,
        /// Output channels.
        out_channels: usize,
    },
    /// A buffer would not fit into memory.
    #[error("{what} needs more numbers than can be addressed")]
    TooLarge {
        /// Which buffer.
        what: &'static str,
    },
    /// The processor does not have the instructions that were asked for.
    #[error("this processor does not support {0:?}")]
    MissingIsa(Isa),
}

/// A spatial axis of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// From row to row.
    Height,
    /// From column to column.
    Width,
}

impl Axis {
    /// Both axes, in the order in which [`Window`](crate::Window) stores them.
    pub(crate) const BOTH: [Self; 2] = [Self::Height, Self::Width];
}

impl std::fmt::Display for Axis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Height => "height",
            Self::Width => "width",
        })
    }
}

/// Checks that each named slice length is the one expected.
pub(crate) fn check_lengths(
    operator: &'static str,
    operands: &[(&'static str, usize, usize)],
) -> Result<(), Error> {
    match operands.iter().find(|(_, found, expected)| found != expected) {
        Some(&(operand, found, expected)) => {
            Err(Error::Length { operator, operand, found, expected })
        }
        None => Ok(()),
    }
}
