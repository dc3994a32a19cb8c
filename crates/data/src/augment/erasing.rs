//! Erasing a part of the normalised image: random erasing and cutout.

use super::{check_setting, crop};
use crate::{Change, Error, Window};
use rand::Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

/// Tries before an image is left whole.
const TRIES: usize = 10;

/// Erases a random rectangle with probability `p`: `RandomErasing(p: 0.1)`.
///
/// It acts on normalised pixels, so 0 is the data set's mean, and nothing but another erasing can
/// follow it.
///
/// Source: Zhong et al. 2017 (arXiv 1708.04896). Convention: torchvision's `RandomErasing`: area
/// U(scale), log-uniform ratio of height to width, ten tries to fit strictly inside, else nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomErasing {
    /// The probability, 0 to 1.
    pub p: f64,
    /// Smallest and largest erased part of the image's area, 0 to 1.
    pub scale: (f64, f64),
    /// Smallest and largest ratio of height to width, above 0.
    pub ratio: (f64, f64),
    /// What is written.
    pub value: Fill,
}

/// What an erased rectangle is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Fill {
    /// This number in every channel, in units of normalised pixels.
    Constant(f32),
    /// N(0, 1) for every value.
    Noise,
}

/// A rectangle and what it is filled with, drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Erasure {
    /// The rectangle, inside the image; it may be empty.
    pub window: Window,
    /// What is written.
    pub content: Content,
}

/// What an [`Erasure`] writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// The same number everywhere.
    Constant(f32),
    /// A number for each value of the window, rows from the top, channels last.
    Values(Vec<f32>),
}

impl Default for RandomErasing {
    fn default() -> Self {
        Self { p: 0.5, scale: (0.02, 0.33), ratio: (0.3, 3.3), value: Fill::Constant(0.0) }
    }
}

impl RandomErasing {
    pub(super) fn check(&self) -> Result<(), Error> {
        let check = |setting, value, range, expected| {
            check_setting("RandomErasing", setting, value, range, expected)
        };
        let Self { p, scale, ratio, value } = *self;
        check("p", p, 0.0..=1.0, "a probability, 0 to 1")?;
        check("scale", scale.0, 0.0..=1.0, "parts of the area, 0 to 1")?;
        check("scale", scale.1, scale.0..=1.0, "the smaller part first, and at most 1")?;
        check("ratio", ratio.0, f64::MIN_POSITIVE..=f64::MAX, "ratios above 0")?;
        check("ratio", ratio.1, ratio.0..=f64::MAX, "the smaller ratio first")?;
        match value {
            Fill::Constant(value) => {
                let finite = f64::from(f32::MIN)..=f64::from(f32::MAX);
                check("value", f64::from(value), finite, "a finite number")
            }
            Fill::Noise => Ok(()),
        }
    }

    pub(super) fn draw(&self, shape: [usize; 3], rng: &mut impl Rng) -> Change {
        let window = if rng.gen_bool(self.p) { self.draw_window(shape, rng) } else { None };
        let Some(window) = window else { return Change::Nothing };
        let content = match self.value {
            Fill::Constant(value) => Content::Constant(value),
            Fill::Noise => {
                let count = window.height * window.width * shape[2];
                Content::Values(rng.sample_iter(StandardNormal).take(count).collect())
            }
        };
        Change::Erase(Erasure { window, content })
    }

    fn draw_window(&self, [height, width, _]: [usize; 3], rng: &mut impl Rng) -> Option<Window> {
        let (ratio_low, ratio_high) = (self.ratio.0.ln(), self.ratio.1.ln());
        (0..TRIES).find_map(|_| {
            let area = (height * width) as f64 * rng.gen_range(self.scale.0..=self.scale.1);
            let ratio = rng.gen_range(ratio_low..=ratio_high).exp();
            let rows = (area * ratio).sqrt().round_ties_even() as usize;
            let columns = (area / ratio).sqrt().round_ties_even() as usize;
            let fits = rows < height && columns < width;
            fits.then(|| crop::place([rows, columns], [height, width], rng))
        })
    }
}

/// Cutout (DeVries and Taylor 2017, arXiv 1708.04552): a square around a uniformly drawn pixel,
/// clipped at the edge.
pub(super) fn draw_cutout(side: usize, shape: [usize; 3], rng: &mut impl Rng) -> Change {
    let (top, height) = clipped(side, shape[0], rng.gen_range(0..shape[0] as u64));
    let (left, width) = clipped(side, shape[1], rng.gen_range(0..shape[1] as u64));
    let window = Window { top, left, height, width };
    Change::Erase(Erasure { window, content: Content::Constant(0.0) })
}

/// First index and length of the part inside the image; an odd side loses a pixel, as in the
/// authors' code.
fn clipped(side: usize, length: usize, centre: u64) -> (usize, usize) {
    let (half, centre) = (side / 2, centre as usize);
    let first = centre.saturating_sub(half);
    (first, length.min(centre + half) - first)
}

impl Erasure {
    /// Erases in the normalised pixels of an image of `shape` (height, width, channels).
    ///
    /// # Panics
    /// When the window reaches over the edge, or [`Content::Values`] does not fill it; not for an
    /// erasure that was drawn for an image of this shape.
    pub fn apply(&self, pixels: &mut [f32], shape: [usize; 3]) {
        let [_, width, channels] = shape;
        let Window { top, left, height, width: columns } = self.window;
        let rows = pixels.chunks_exact_mut(width * channels).skip(top).take(height);
        for (row, out) in rows.enumerate() {
            let out = &mut out[left * channels..(left + columns) * channels];
            match &self.content {
                Content::Constant(value) => out.fill(*value),
                Content::Values(values) => {
                    let length = columns * channels;
                    out.copy_from_slice(&values[row * length..(row + 1) * length]);
                }
            }
        }
    }
}
