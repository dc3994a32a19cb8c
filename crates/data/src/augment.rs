//! Random changes of training images: first drawn, then applied.

mod aug_mix;
mod auto_augment;
mod color_jitter;
mod crop;
mod erasing;
mod pca_noise;
mod rand_augment;
mod space;

pub use aug_mix::{AugMix, Chain};
pub use auto_augment::Policy;
pub use color_jitter::ColorJitter;
pub use erasing::{Content, Erasure, Fill, RandomErasing};
pub use rand_augment::RandAugment;

use crate::{Border, Change, Error, Facts, Image, Visit};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// One random change of a training image.
///
/// [`Augment::draw`] uses the generator, [`Change::apply`] is deterministic:
///
/// ```
/// use trickbag_data::{Augment, Change, Image, Visit};
///
/// let image = Image::new(1, 2, 1, vec![10, 20])?;
/// let visit = Visit { seed: 1, epoch: 0, index: 0, turn: 0 };
/// let change = Augment::HorizontalFlip.draw(&image, [1, 2], &visit, &mut visit.generator());
/// assert!(matches!(change, Change::Nothing | Change::Flip));
/// assert_eq!(Change::Flip.apply(image)?.pixels(), [20, 10]);
/// # Ok::<(), trickbag_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Augment {
    /// Pads this many pixels of value 0 on every side, before normalisation, and cuts the original
    /// size out at a uniformly drawn place (torchvision's `RandomCrop(size, padding)`).
    PadCrop(usize),
    /// The same with padding that mirrors the image at its outermost pixels (torchvision's
    /// `padding_mode="reflect"`; airbench moves CIFAR images by up to 2 pixels like this).
    ReflectPadCrop(usize),
    /// Mirrors left to right with probability 1/2.
    HorizontalFlip,
    /// Mirrors left to right in every other epoch; which half of the images begins is drawn. So any
    /// two epochs in a row show each image both ways.
    ///
    /// Source: Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (arXiv 2404.00498),
    /// section 3.6.
    AlternatingFlip,
    /// Cuts a random window out of the image at full size and resizes it to the training size
    /// (bilinear, antialiased): area U(0.08, 1), log-uniform ratio in [3/4, 4/3], 10 tries, else the
    /// centre (torchvision, timm). It must be the first change.
    RandomResizedCrop,
    /// Random brightness, contrast, saturation and hue.
    ColorJitter(ColorJitter),
    /// Adds light of a random colour: ImageNet's principal components of colour, each times its
    /// standard deviation times N(0, this number). Images must be RGB.
    ///
    /// Source: Krizhevsky et al. 2012, section 4.1; Bag of Tricks (arXiv 1812.01187, section 2.1)
    /// has 0.1. Convention: it acts on bytes, so the result is rounded and clipped.
    PcaNoise(f64),
    /// A few random operations of one strength.
    RandAugment(RandAugment),
    /// One random operation of a random strength.
    ///
    /// Source: Mueller and Hutter 2021 (arXiv 2103.10158), the "wide" space. Convention:
    /// torchvision's `TrivialAugmentWide`: 14 operations, 31 strengths.
    TrivialAugment,
    /// A learned pair of operations, drawn from 25.
    ///
    /// Source: Cubuk et al. 2018 (arXiv 1805.09501). Convention: torchvision's lists and ten
    /// magnitudes.
    AutoAugment(Policy),
    /// A mixture of changed copies.
    AugMix(AugMix),
    /// Erases a random rectangle.
    RandomErasing(RandomErasing),
    /// Erases a square with this side around a uniformly drawn pixel, clipped at the edge: the
    /// normalised value becomes 0, the data set's mean. Nothing but an erasing can follow it.
    ///
    /// Source: DeVries and Taylor 2017 (arXiv 1708.04552), whose code this follows: an odd side is
    /// rounded down to an even one.
    Cutout(usize),
}

impl Augment {
    /// Draws the change of `image` in one `visit`; `size` is the `[height, width]` to train at.
    ///
    /// # Panics
    /// Where [`Augment::check_all`] would refuse.
    pub fn draw(
        &self,
        image: &Image,
        size: [usize; 2],
        visit: &Visit,
        rng: &mut impl Rng,
    ) -> Change {
        let shape @ [height, width, _] = image.shape();
        match self {
            Augment::PadCrop(pad) => crop::draw_shift(*pad, Border::Zero, rng),
            Augment::ReflectPadCrop(pad) => crop::draw_shift(*pad, Border::Reflect, rng),
            Augment::HorizontalFlip => flip(rng.gen_bool(0.5)),
            Augment::AlternatingFlip => flip(visit.coin() != visit.epoch.is_multiple_of(2)),
            Augment::RandomResizedCrop => {
                let window = crop::draw_window(height, width, rng);
                Change::ResizedCrop { window, height: size[0], width: size[1] }
            }
            Augment::ColorJitter(settings) => settings.draw(rng),
            Augment::PcaNoise(deviation) => pca_noise::draw(*deviation, rng),
            Augment::RandAugment(settings) => settings.draw([height, width], rng),
            Augment::TrivialAugment => rand_augment::draw_trivial(rng),
            Augment::AutoAugment(policy) => policy.draw([height, width], rng),
            Augment::AugMix(settings) => settings.draw([height, width], rng),
            Augment::RandomErasing(settings) => settings.draw(shape, rng),
            Augment::Cutout(side) => erasing::draw_cutout(*side, shape, rng),
        }
    }

    /// Its name in a recipe.
    pub fn name(&self) -> &'static str {
        match self {
            Augment::PadCrop(_) => "PadCrop",
            Augment::ReflectPadCrop(_) => "ReflectPadCrop",
            Augment::HorizontalFlip => "HorizontalFlip",
            Augment::AlternatingFlip => "AlternatingFlip",
            Augment::RandomResizedCrop => "RandomResizedCrop",
            Augment::ColorJitter(_) => "ColorJitter",
            Augment::PcaNoise(_) => "PcaNoise",
            Augment::RandAugment(_) => "RandAugment",
            Augment::TrivialAugment => "TrivialAugment",
            Augment::AutoAugment(_) => "AutoAugment",
            Augment::AugMix(_) => "AugMix",
            Augment::RandomErasing(_) => "RandomErasing",
            Augment::Cutout(_) => "Cutout",
        }
    }

    /// Checks that `list` can be applied, in this order, to images of the data set, where the
    /// height and width of `facts` are those to train at.
    ///
    /// # Errors
    /// [`Error::PadTooLarge`], [`Error::AugmentSetting`], [`Error::ResizedCropNotFirst`],
    /// [`Error::AfterErasing`], [`Error::NotColored`].
    pub fn check_all(list: &[Augment], facts: &Facts) -> Result<(), Error> {
        for (position, augment) in list.iter().enumerate() {
            if *augment == Augment::RandomResizedCrop && position > 0 {
                return Err(Error::ResizedCropNotFirst { position });
            }
            let before = position.checked_sub(1).map(|before| &list[before]);
            if let Some(erasing) = before.filter(|before| before.erases() && !augment.erases()) {
                let (augment, erasing) = (augment.name(), erasing.name());
                return Err(Error::AfterErasing { augment, position, erasing });
            }
            augment.check(facts)?;
        }
        Ok(())
    }

    fn erases(&self) -> bool {
        matches!(self, Augment::RandomErasing(_) | Augment::Cutout(_))
    }

    fn check(&self, facts: &Facts) -> Result<(), Error> {
        let Facts { height, width, channels, .. } = *facts;
        let short = height.min(width);
        match self {
            Augment::PadCrop(pad) if *pad > short => {
                Err(Error::PadTooLarge { pad: *pad, height, width })
            }
            Augment::ReflectPadCrop(pad) => {
                let most = short.saturating_sub(1);
                let expected = format!(
                    "at most {most}: images of {height} x {width} pixels have no more to reflect"
                );
                check_setting(self.name(), "padding", *pad as f64, 0.0..=most as f64, &expected)
            }
            Augment::PcaNoise(deviation) => {
                if channels != 3 {
                    return Err(Error::NotColored { augment: self.name(), channels });
                }
                let legal = 0.0..=f64::MAX;
                check_setting(self.name(), "deviation", *deviation, legal, "a number of at least 0")
            }
            Augment::ColorJitter(settings) => settings.check(),
            Augment::RandAugment(settings) => settings.check(),
            Augment::AugMix(settings) => settings.check(),
            Augment::RandomErasing(settings) => settings.check(),
            _ => Ok(()),
        }
    }
}

fn flip(flips: bool) -> Change {
    if flips { Change::Flip } else { Change::Nothing }
}

fn pick<T: Copy>(from: &[T], rng: &mut impl Rng) -> T {
    from[rng.gen_range(0..from.len() as u64) as usize]
}

/// NaN is in no range.
fn check_setting(
    augment: &'static str,
    setting: &'static str,
    found: f64,
    legal: RangeInclusive<f64>,
    expected: &str,
) -> Result<(), Error> {
    if legal.contains(&found) {
        return Ok(());
    }
    Err(Error::AugmentSetting { augment, setting, found, expected: expected.to_owned() })
}
