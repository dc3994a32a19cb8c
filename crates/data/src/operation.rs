//! The operations on pixels that colour jitter and the automatic augmentations put together.

mod affine;
mod color;
mod sharpness;
mod tone;

use crate::Image;
use serde::{Deserialize, Serialize};

/// An operation on the pixels of an image; the size stays.
///
/// Convention: numbers and rounding are those of torchvision's functional transforms on Pillow
/// images (`_apply_op` in its `autoaugment.py`), bit for bit. What comes into view is 0. A factor
/// blends with a degenerate image, in `f32`, cut off to a whole grey level: 0 gives the degenerate
/// image, 1 the original, 2 doubles the difference. On a grey image saturation and hue do nothing.
///
/// ```
/// use trickbag_data::{Image, Interpolation, Operation};
///
/// let image = Image::new(1, 3, 1, vec![0, 100, 200])?;
/// let darker = Operation::Brightness(0.5).apply(image, Interpolation::Nearest);
/// assert_eq!(darker.pixels(), [0, 50, 100]);
/// let moved = Operation::TranslateX(1).apply(darker, Interpolation::Nearest);
/// assert_eq!(moved.pixels(), [0, 0, 50]);
/// # Ok::<(), trickbag_data::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Operation {
    /// Nothing.
    Identity,
    /// Moves each row left by so many pixels per row from the top.
    ShearX(f64),
    /// Moves each column up by so many pixels per column from the left.
    ShearY(f64),
    /// Moves right by so many pixels; negative is left.
    TranslateX(isize),
    /// Moves down by so many pixels; negative is up.
    TranslateY(isize),
    /// Turns around the centre by so many degrees, counter-clockwise.
    Rotate(f64),
    /// Blends with black by this factor.
    Brightness(f64),
    /// Blends with the grey image by this factor (`Color` in the papers).
    Saturation(f64),
    /// Blends with the mean grey level by this factor.
    Contrast(f64),
    /// Blends with a smoothed image by this factor; the edge is not smoothed.
    Sharpness(f64),
    /// Turns the hue by this fraction of the colour circle, in steps of 1/255 (Pillow's HSV).
    Hue(f64),
    /// Keeps so many high bits of each value, 0 to 8.
    Posterize(u8),
    /// Inverts values from this threshold on.
    Solarize(f64),
    /// Stretches each channel to 0..=255.
    AutoContrast,
    /// Spreads the values of each channel evenly over 0..=255.
    Equalize,
    /// Turns each value into 255 minus the value.
    Invert,
}

/// How [`Operation::ShearX`], [`Operation::ShearY`] and [`Operation::Rotate`] read between pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interpolation {
    /// The pixel that the point lies in, the default of torchvision's automatic augmentations.
    #[default]
    Nearest,
    /// The four pixels around the point, as AugMix has it.
    Bilinear,
}

impl Operation {
    /// The changed image.
    pub fn apply(self, image: Image, interpolation: Interpolation) -> Image {
        match self {
            Operation::Identity => image,
            Operation::ShearX(slope) => affine::shear_x(&image, slope, interpolation),
            Operation::ShearY(slope) => affine::shear_y(&image, slope, interpolation),
            Operation::TranslateX(right) => image.shift(0, right),
            Operation::TranslateY(down) => image.shift(down, 0),
            Operation::Rotate(degrees) => affine::rotate(&image, degrees, interpolation),
            Operation::Brightness(factor) => tone::brightness(image, factor as f32),
            Operation::Saturation(factor) => color::saturation(image, factor as f32),
            Operation::Contrast(factor) => tone::contrast(image, factor as f32),
            Operation::Sharpness(factor) => sharpness::sharpness(&image, factor as f32),
            Operation::Hue(turn) => color::hue(image, turn),
            Operation::Posterize(bits) => tone::posterize(image, bits),
            Operation::Solarize(threshold) => tone::solarize(image, threshold),
            Operation::AutoContrast => tone::auto_contrast(image),
            Operation::Equalize => tone::equalize(image),
            Operation::Invert => tone::invert(image),
        }
    }
}

/// From `degenerate` to `original` and beyond; Pillow's `blend`, which cuts off the fraction.
fn blend(degenerate: u8, original: u8, factor: f32) -> u8 {
    let (from, to) = (f32::from(degenerate), f32::from(original));
    (from + factor * (to - from)) as u8
}
