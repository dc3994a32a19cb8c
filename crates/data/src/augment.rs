//! Random changes of training images: first drawn, then applied.

use crate::{Error, Facts, Image, Window};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Tries of [`Augment::RandomResizedCrop`] before it falls back to the centre.
const TRIES: usize = 10;
const AREA: std::ops::Range<f64> = 0.08..1.0;
const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

/// One random change of a training image.
///
/// [`Augment::draw`] uses the generator, [`Change::apply`] is deterministic:
///
/// ```
/// use rand::SeedableRng;
/// use trickbag_data::{Augment, Change, Image};
///
/// let image = Image::new(1, 2, 1, vec![10, 20])?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let change = Augment::HorizontalFlip.draw(&image, [1, 2], &mut rng);
/// assert!(matches!(change, Change::Nothing | Change::Flip));
/// assert_eq!(Change::Flip.apply(image)?.pixels(), [20, 10]);
/// # Ok::<(), trickbag_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Augment {
    /// Pads this many pixels of value 0 on every side, before normalisation, and cuts the original
    /// size out at a uniformly drawn place (torchvision's `RandomCrop(size, padding)`).
    PadCrop(usize),
    /// Mirrors left to right with probability 1/2.
    HorizontalFlip,
    /// Cuts a random window out of the image at full size and resizes it to the data set's size
    /// (bilinear, antialiased): area U(0.08, 1), log-uniform ratio in [3/4, 4/3], 10 tries, else the
    /// centre (torchvision, timm). It must be the first change.
    RandomResizedCrop,
}

/// What an [`Augment`] has drawn for one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The image stays as it is.
    Nothing,
    /// Mirrored left to right.
    Flip,
    /// Moved down and right by so many pixels; 0 comes into view.
    Shift {
        /// Rows; negative is up.
        down: isize,
        /// Columns; negative is left.
        right: isize,
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
}

impl Augment {
    /// Draws the change of `image`; `size` is the `[height, width]` that the data set promises.
    pub fn draw(&self, image: &Image, size: [usize; 2], rng: &mut impl Rng) -> Change {
        match self {
            Augment::PadCrop(pad) => draw_shift(*pad, rng),
            Augment::HorizontalFlip if rng.gen_bool(0.5) => Change::Flip,
            Augment::HorizontalFlip => Change::Nothing,
            Augment::RandomResizedCrop => {
                let window = draw_window(image.height(), image.width(), rng);
                Change::ResizedCrop { window, height: size[0], width: size[1] }
            }
        }
    }

    /// Checks that `list` can be applied, in this order, to images of the data set.
    ///
    /// # Errors
    /// [`Error::PadTooLarge`], [`Error::ResizedCropNotFirst`].
    pub fn check_all(list: &[Augment], facts: &Facts) -> Result<(), Error> {
        let Facts { height, width, .. } = *facts;
        for (position, augment) in list.iter().enumerate() {
            match augment {
                Augment::PadCrop(pad) if *pad > height.min(width) => {
                    return Err(Error::PadTooLarge { pad: *pad, height, width });
                }
                Augment::RandomResizedCrop if position > 0 => {
                    return Err(Error::ResizedCropNotFirst { position });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Change {
    /// The changed image.
    ///
    /// # Errors
    /// Those of [`Image::crop`] and [`Image::resize`]; none for a change that was drawn for `image`.
    pub fn apply(self, image: Image) -> Result<Image, Error> {
        match self {
            Change::Nothing => Ok(image),
            Change::Flip => Ok(image.flip()),
            Change::Shift { down, right } => Ok(image.shift(down, right)),
            Change::ResizedCrop { window, height, width } => {
                image.crop(window)?.resize(height, width)
            }
        }
    }
}

/// A crop at (top, left) of the padded image shows the original moved by (pad - top, pad - left).
fn draw_shift(pad: usize, rng: &mut impl Rng) -> Change {
    let pad = i64::try_from(pad).unwrap_or(i64::MAX);
    let mut offset = || rng.gen_range(-pad..=pad) as isize;
    Change::Shift { down: offset(), right: offset() }
}

fn draw_window(height: usize, width: usize, rng: &mut impl Rng) -> Window {
    let drawn = (0..TRIES).find_map(|_| {
        let area = (height * width) as f64 * rng.gen_range(AREA);
        let ratio = rng.gen_range(RATIO[0].ln()..RATIO[1].ln()).exp();
        let columns = (area * ratio).sqrt().round_ties_even() as usize;
        let rows = (area / ratio).sqrt().round_ties_even() as usize;
        let fits = (1..=height).contains(&rows) && (1..=width).contains(&columns);
        fits.then(|| Window {
            top: rng.gen_range(0..=(height - rows) as u64) as usize,
            left: rng.gen_range(0..=(width - columns) as u64) as usize,
            height: rows,
            width: columns,
        })
    });
    drawn.unwrap_or_else(|| centre_window(height, width))
}

/// The largest centred window whose ratio is legal.
fn centre_window(height: usize, width: usize) -> Window {
    let widest = (height as f64 * RATIO[1]).round_ties_even() as usize;
    let highest = (width as f64 / RATIO[0]).round_ties_even() as usize;
    let (rows, columns) = (height.min(highest), width.min(widest));
    Window { top: (height - rows) / 2, left: (width - columns) / 2, height: rows, width: columns }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fallback_is_the_largest_legal_centre() {
        // Expected values from torchvision 0.29 (`RandomResizedCrop.get_params` after ten misses).
        let window = |top, left, height, width| Window { top, left, height, width };
        let cases = [
            (30, 30, window(0, 0, 30, 30)),
            (30, 100, window(0, 30, 30, 40)),
            (100, 30, window(30, 0, 40, 30)),
            (30, 40, window(0, 0, 30, 40)),
            (1, 100, window(0, 49, 1, 1)),
            (100, 1, window(49, 0, 1, 1)),
        ];
        for (height, width, expected) in cases {
            assert_eq!(centre_window(height, width), expected, "{height} x {width}");
        }
    }
}
