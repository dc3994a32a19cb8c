//! Mixup and CutMix: pairs of images, and of their targets, become one.

use std::ops::Range;

use rand::Rng;
use rand_distr::{Beta, Distribution};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Mixup (Zhang et al., arXiv 1710.09412): an image is blended with its partner.
///
/// Convention (timm, gluon): the labels are smoothed first, then mixed; the partner is the batch
/// reversed; one lambda for the batch. (torchvision's partner is the batch rolled by one, Composer's
/// a permutation.)
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixUp {
    /// Lambda, the share of the image itself, is drawn from Beta(alpha, alpha); positive. Small
    /// values mix little: ImageNet has 0.2 in the Bag of Tricks paper.
    pub alpha: f64,
    /// Share of the batches that are blended, from 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
}

/// CutMix (Yun et al., arXiv 1905.04899): a box of an image is replaced by that of its partner.
///
/// Convention (timm): smoothing, partner and lambda as for [`MixUp`]. The box has the area `1 -
/// lambda` and its centre anywhere in the image; lambda is computed again from what lies inside.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutMix {
    /// Lambda, the share of the image itself, is drawn from Beta(alpha, alpha); positive. The paper
    /// has 1: any share is as likely as any other.
    pub alpha: f64,
    /// Share of the batches that get a box, from 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
}

/// What may happen to a batch: one of the two, or nothing.
///
/// With both, the probabilities share out the batches, and must not sum to more than 1. timm's
/// `prob` and `switch_prob` are the probabilities `prob * (1 - switch_prob)` of mixup and
/// `prob * switch_prob` of CutMix.
///
/// ```
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
/// use trickbag_losses::{CutMix, MixUp, Mixing};
///
/// let mixing = Mixing {
///     mixup: Some(MixUp { alpha: 0.2, probability: 0.5 }),
///     cutmix: Some(CutMix { alpha: 1.0, probability: 0.5 }),
/// };
/// let mix = mixing.draw([32, 32], &mut ChaCha8Rng::seed_from_u64(1))?;
/// let mut images = vec![0.0; 4 * 32 * 32 * 3];
/// mix.images(&mut images, [4, 32, 32, 3])?;
/// # Ok::<(), trickbag_losses::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mixing {
    /// Blending of whole images.
    pub mixup: Option<MixUp>,
    /// Boxes from other images.
    pub cutmix: Option<CutMix>,
}

/// What happens to one batch. Image `i` of `n` has image `n - 1 - i` for its partner; the middle one
/// of an odd batch is its own and stays as it is. (timm refuses odd batches.) A batch is mixed before
/// it is cut into micro-batches, so that accumulation changes no partner.
///
/// ```
/// use trickbag_losses::{Mix, CrossEntropy};
///
/// let mix = Mix::Blend { lambda: 0.75 };
/// let mut images = [0.0, 4.0]; // two images of one pixel
/// mix.images(&mut images, [2, 1, 1, 1])?;
/// assert_eq!(images, [1.0, 3.0]);
///
/// let mut targets = CrossEntropy::default().target_rows(&[0, 2], 3)?;
/// mix.targets(&mut targets, 3)?;
/// assert_eq!(targets, [0.75, 0.0, 0.25, 0.25, 0.0, 0.75]);
/// # Ok::<(), trickbag_losses::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Mix {
    /// Nothing.
    Nothing,
    /// Mixup: `lambda` of the image and the rest of its partner.
    Blend {
        /// From 0 to 1.
        lambda: f64,
    },
    /// CutMix.
    Paste(Patch),
}

/// A box of an image, which its partner fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Rows of the box.
    pub rows: Range<usize>,
    /// Columns of the box.
    pub columns: Range<usize>,
    /// Rows and columns of the image.
    pub image: [usize; 2],
}

impl Mixing {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the first setting out of its range; [`Error::Probabilities`].
    pub fn validate(&self) -> Result<(), Error> {
        for (alpha, probability) in self.settings() {
            if alpha <= 0.0 || !alpha.is_finite() {
                let (field, expected) = ("alpha", "a positive number");
                return Err(Error::Setting { field, found: alpha, expected });
            }
            if !(0.0..=1.0).contains(&probability) {
                let (field, expected) = ("probability", "a number from 0 to 1");
                return Err(Error::Setting { field, found: probability, expected });
            }
        }
        match self.settings().map(|(_, probability)| probability).sum() {
            sum if sum > 1.0 => Err(Error::Probabilities(sum)),
            _ => Ok(()),
        }
    }

    /// Draws what happens to a batch of images of so many rows and columns.
    ///
    /// Which of the two it is, lambda and the box all come from `rng`, so that a batch is mixed alike
    /// whenever the generator is seeded alike.
    ///
    /// # Errors
    ///
    /// Those of [`validate`](Self::validate), and [`Error::Slice`] for an image without pixels.
    pub fn draw(&self, [height, width]: [usize; 2], rng: &mut impl Rng) -> Result<Mix, Error> {
        self.validate()?;
        if height * width == 0 {
            return Err(Error::Slice { what: "pixels of an image", found: 0, expected: 1 });
        }
        let choice = rng.gen_range(0.0..1.0);
        let blended = self.mixup.map_or(0.0, |mixup| mixup.probability);
        match (self.mixup, self.cutmix) {
            (Some(mixup), _) if choice < blended => {
                Ok(Mix::Blend { lambda: lambda(mixup.alpha, rng)? })
            }
            (_, Some(cutmix)) if choice < blended + cutmix.probability => {
                let lambda = lambda(cutmix.alpha, rng)?;
                let centre = [rng.gen_range(0..height), rng.gen_range(0..width)];
                Ok(Mix::Paste(Patch::new(centre, lambda, [height, width])))
            }
            _ => Ok(Mix::Nothing),
        }
    }

    /// Alpha and probability of each of the two.
    fn settings(&self) -> impl Iterator<Item = (f64, f64)> {
        let mixup = self.mixup.map(|MixUp { alpha, probability }| (alpha, probability));
        let cutmix = self.cutmix.map(|CutMix { alpha, probability }| (alpha, probability));
        mixup.into_iter().chain(cutmix)
    }
}

impl Patch {
    /// The box of area `1 - lambda` around a pixel, as far as it lies inside the image.
    ///
    /// Its sides are those of the image times `sqrt(1 - lambda)`, rounded down (timm).
    pub fn new(centre: [usize; 2], lambda: f64, image: [usize; 2]) -> Self {
        let span = |centre: usize, side: usize| {
            let length = (side as f64 * (1.0 - lambda).sqrt()) as usize;
            let clipped = |end: usize| end.min(side);
            clipped(centre.saturating_sub(length / 2))..clipped(centre + length.div_ceil(2))
        };
        Self { rows: span(centre[0], image[0]), columns: span(centre[1], image[1]), image }
    }

    /// The share of the image that is left outside the box.
    fn lambda(&self) -> f64 {
        let area = self.rows.len() * self.columns.len();
        1.0 - area as f64 / (self.image[0] * self.image[1]) as f64
    }
}

impl Mix {
    /// The share of each image, and of its target, that is its own.
    pub fn lambda(&self) -> f64 {
        match self {
            Self::Nothing => 1.0,
            Self::Blend { lambda } => *lambda,
            Self::Paste(patch) => patch.lambda(),
        }
    }

    /// Mixes images, which lie as `[batch, height, width, channels]`.
    ///
    /// # Errors
    ///
    /// [`Error::Alone`] for a batch of 1, [`Error::Slice`] for images of another shape, or of another
    /// size than the box was drawn for.
    pub fn images(&self, images: &mut [f32], shape: [usize; 4]) -> Result<(), Error> {
        let [batch, height, width, channels] = shape;
        let len = height * width * channels;
        check_len("images", images.len(), batch * len)?;
        match self {
            Self::Nothing => Ok(()),
            Self::Blend { lambda } => each_pair(images, len, |a, b| blend(a, b, *lambda as f32)),
            Self::Paste(patch) => {
                check_len("rows of an image", height, patch.image[0])?;
                check_len("columns of an image", width, patch.image[1])?;
                each_pair(images, len, |a, b| swap(a, b, patch, channels))
            }
        }
    }

    /// Mixes target distributions, row after row: `lambda` of the own and the rest of the partner's.
    ///
    /// # Errors
    ///
    /// [`Error::Alone`] for a batch of 1, [`Error::Slice`] for rows that are no whole number.
    pub fn targets(&self, targets: &mut [f32], classes: usize) -> Result<(), Error> {
        check_len("targets", targets.len(), targets.len() / classes.max(1) * classes)?;
        match self {
            Self::Nothing => Ok(()),
            _ => each_pair(targets, classes, |a, b| blend(a, b, self.lambda() as f32)),
        }
    }
}

/// Calls `mix` with each item of `len` values and its partner, once for both.
fn each_pair(
    values: &mut [f32],
    len: usize,
    mut mix: impl FnMut(&mut [f32], &mut [f32]),
) -> Result<(), Error> {
    let len = len.max(1); // without values there is nothing to mix
    let batch = values.len() / len;
    if batch == 1 {
        return Err(Error::Alone);
    }
    let (front, back) = values.split_at_mut(batch / 2 * len);
    let partners = back.chunks_exact_mut(len).rev();
    front.chunks_exact_mut(len).zip(partners).for_each(|(a, b)| mix(a, b));
    Ok(())
}

fn blend(a: &mut [f32], b: &mut [f32], lambda: f32) {
    for (a, b) in a.iter_mut().zip(b) {
        let own = [*a, *b];
        *a = own[0] * lambda + own[1] * (1.0 - lambda);
        *b = own[1] * lambda + own[0] * (1.0 - lambda);
    }
}

fn swap(a: &mut [f32], b: &mut [f32], patch: &Patch, channels: usize) {
    let [_, width] = patch.image;
    for row in patch.rows.clone() {
        let [start, end] = [patch.columns.start, patch.columns.end]
            .map(|column| (row * width + column) * channels);
        a[start..end].swap_with_slice(&mut b[start..end]);
    }
}

fn lambda(alpha: f64, rng: &mut impl Rng) -> Result<f64, Error> {
    let beta = Beta::new(alpha, alpha).map_err(|_| Error::Setting {
        field: "alpha",
        found: alpha,
        expected: "a positive number",
    })?;
    Ok(beta.sample(rng))
}

fn check_len(what: &'static str, found: usize, expected: usize) -> Result<(), Error> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::Slice { what, found, expected }),
    }
}

fn always() -> f64 {
    1.0
}
