//! The geometry of the blur before a subsampling, which both forms share.

use trickbag_kernels::ImageShape;

use crate::Error;

/// The binomial filter, along each axis.
pub(crate) const BLUR: [f32; 3] = [0.25, 0.5, 0.25];

/// Input pixels from one output pixel to the next.
const STRIDE: usize = 2;

/// The input pixel that tap `tap` of output pixel `output` sees along an axis of `size` pixels: the
/// border is a mirror, and the outermost pixel is not repeated.
pub(crate) fn reflected(output: usize, tap: usize, size: usize) -> usize {
    let padded = STRIDE * output + tap;
    match padded.checked_sub(1) {
        None => 1,
        Some(inside) if inside < size => inside,
        Some(outside) => 2 * (size - 1) - outside,
    }
}

/// The shape of the output.
pub(crate) fn blurred(input: ImageShape) -> Result<ImageShape, Error> {
    let ImageShape { height, width, .. } = input;
    if height < 2 || width < 2 {
        return Err(Error::Mirror { height, width });
    }
    let [height, width] = [height, width].map(|size| size.div_ceil(STRIDE));
    Ok(ImageShape { height, width, ..input })
}
