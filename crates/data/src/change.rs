//! What an augmentation has drawn for one image, and how it is applied.

use crate::{Chain, Erasure, Error, Image, Interpolation, Operation, Window};

/// What an [`Augment`](crate::Augment) has drawn for one image.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The image stays as it is.
    Nothing,
    /// Mirrored left to right.
    Flip,
    /// Moved down and right by so many pixels.
    Shift {
        /// Rows; negative is up.
        down: isize,
        /// Columns; negative is left.
        right: isize,
        /// What comes into view.
        border: Border,
    },
    /// The window, resized to `height` x `width`.
    ResizedCrop {
        /// What is cut out.
        window: Window,
        /// Rows of the result.
        height: usize,
        /// Columns of the result.
        width: usize,
    },
    /// One operation after the other, with [`Interpolation::Nearest`].
    Operations(Vec<Operation>),
    /// So many grey levels added to each channel, rounded and clipped.
    Light([f64; 3]),
    /// A weighted sum of the image and of changed copies of it, cut off to whole grey levels.
    Mix {
        /// The part of the image itself.
        original: f32,
        /// The copies, changed with [`Interpolation::Bilinear`].
        chains: Vec<Chain>,
    },
    /// A rectangle to erase once the pixels are normalised.
    Erase(Erasure),
}

/// What a shifted image shows beyond its edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// The value 0, before normalisation.
    Zero,
    /// The image mirrored at its outermost pixels, which are not repeated.
    Reflect,
}

impl Change {
    /// The changed image. [`Change::Erase`] leaves it as it is: [`Erasure::apply`] follows when the
    /// pixels are normalised.
    ///
    /// # Errors
    /// Those of [`Image::crop`] and [`Image::resize`]; none for a change that was drawn for `image`.
    pub fn apply(self, image: Image) -> Result<Image, Error> {
        match self {
            Change::Nothing | Change::Erase(_) => Ok(image),
            Change::Flip => Ok(image.flip()),
            Change::Shift { down, right, border: Border::Zero } => Ok(image.shift(down, right)),
            Change::Shift { down, right, border: Border::Reflect } => {
                Ok(image.shift_reflected(down, right))
            }
            Change::ResizedCrop { window, height, width } => {
                image.crop(window)?.resize(height, width)
            }
            Change::Operations(list) => Ok(operate(list, image, Interpolation::Nearest)),
            Change::Light(light) => Ok(lit(image, light)),
            Change::Mix { original, chains } => Ok(mixed(image, original, chains)),
        }
    }
}

fn operate(list: Vec<Operation>, image: Image, interpolation: Interpolation) -> Image {
    list.into_iter().fold(image, |image, operation| operation.apply(image, interpolation))
}

fn lit(mut image: Image, light: [f64; 3]) -> Image {
    for (channel, gain) in light.into_iter().take(image.channels()).enumerate() {
        let table = std::array::from_fn(|value| (value as f64 + gain).round() as u8);
        image.map_channel(channel, &table);
    }
    image
}

fn mixed(mut image: Image, original: f32, chains: Vec<Chain>) -> Image {
    let mut sum: Vec<f32> = image.pixels().iter().map(|v| original * f32::from(*v)).collect();
    for Chain { weight, operations } in chains {
        let copy = operate(operations, image.clone(), Interpolation::Bilinear);
        for (sum, value) in sum.iter_mut().zip(copy.pixels()) {
            *sum += weight * f32::from(*value);
        }
    }
    for (value, sum) in image.pixels_mut().iter_mut().zip(sum) {
        *value = sum as u8;
    }
    image
}
