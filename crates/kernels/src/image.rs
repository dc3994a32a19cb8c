//! The shape of a batch of images, stored as contiguous (batch, height, width, channels).

use crate::Error;

/// The shape of a batch of images in NHWC order, without gaps.
///
/// ```
/// use trickbag_kernels::ImageShape;
///
/// let cifar = ImageShape { batch: 128, height: 32, width: 32, channels: 3 };
/// assert_eq!((cifar.pixels(), cifar.len()), (131_072, 393_216));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageShape {
    /// Images.
    pub batch: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Numbers per pixel.
    pub channels: usize,
}

impl ImageShape {
    /// Numbers in the batch, or `usize::MAX` if there are more than that.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no operator accepts an empty shape")]
    pub fn len(&self) -> usize {
        self.pixels().saturating_mul(self.channels)
    }

    /// Pixels in the batch, or `usize::MAX` if there are more than that.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.batch.saturating_mul(self.height).saturating_mul(self.width)
    }

    /// Checks that there is at least one number, and no more than memory can hold.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (size, dimension) in [
            (self.batch, "the batch"),
            (self.height, "the height"),
            (self.width, "the width"),
            (self.channels, "the number of channels"),
        ] {
            if size == 0 {
                return Err(Error::Zero { dimension });
            }
        }
        check_addressable(self.len(), "the image batch")
    }
}

/// Checks that a buffer of `len` numbers can exist.
pub(crate) fn check_addressable(len: usize, what: &'static str) -> Result<(), Error> {
    let limit = isize::MAX as usize / size_of::<f64>();
    if len > limit { Err(Error::TooLarge { what }) } else { Ok(()) }
}
