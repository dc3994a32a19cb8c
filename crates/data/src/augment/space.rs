//! The operations of the automatic augmentations and how strong each is at each of its steps.

use crate::Operation;
use rand::Rng;

/// An operation whose strength is still to be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
    Invert,
}

/// What RandAugment and TrivialAugment choose from; AugMix leaves out the first one.
pub(super) const KINDS: [Kind; 14] = [
    Kind::Identity,
    Kind::ShearX,
    Kind::ShearY,
    Kind::TranslateX,
    Kind::TranslateY,
    Kind::Rotate,
    Kind::Brightness,
    Kind::Color,
    Kind::Contrast,
    Kind::Sharpness,
    Kind::Posterize,
    Kind::Solarize,
    Kind::AutoContrast,
    Kind::Equalize,
];

/// How strong each operation is: from nothing at bin 0 to these numbers at the last bin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    pub(super) bins: usize,
    /// Pixels per pixel.
    pub(super) shear: f32,
    /// Pixels to the right, and down.
    pub(super) translate: [f32; 2],
    /// Degrees.
    pub(super) rotate: f32,
    /// Added to or taken from the factor 1 of brightness, colour, contrast and sharpness.
    pub(super) factor: f32,
    /// Bits at bin 0, and how many fewer at the last bin.
    pub(super) bits: [f32; 2],
}

impl Space {
    /// Of RandAugment and AutoAugment.
    pub(super) fn moderate(bins: usize, [height, width]: [usize; 2]) -> Self {
        let translate = [width, height].map(|side| (150.0 / 331.0 * side as f64) as f32);
        Self { bins, shear: 0.3, translate, rotate: 30.0, factor: 0.9, bits: [8.0, 4.0] }
    }

    /// Of TrivialAugment.
    pub(super) fn wide() -> Self {
        let translate = [32.0; 2];
        Self { bins: 31, shear: 0.99, translate, rotate: 135.0, factor: 0.99, bits: [8.0, 6.0] }
    }

    /// Of AugMix.
    pub(super) fn mild([height, width]: [usize; 2]) -> Self {
        let translate = [width, height].map(|side| (side as f64 / 3.0) as f32);
        Self { bins: 10, shear: 0.3, translate, rotate: 30.0, factor: 0.9, bits: [4.0, 4.0] }
    }

    /// The operation at a bin, in a random one of its two directions where it has two.
    pub(super) fn draw(&self, kind: Kind, bin: usize, rng: &mut impl Rng) -> Operation {
        self.operation(kind, bin, if kind.is_signed() && rng.r#gen() { -1.0 } else { 1.0 })
    }

    fn operation(&self, kind: Kind, bin: usize, sign: f64) -> Operation {
        let signed = |end: f32| sign * f64::from(self.step(0.0, end, bin));
        let pixels = |end: f32| signed(end) as isize;
        match kind {
            Kind::Identity => Operation::Identity,
            Kind::ShearX => Operation::ShearX(signed(self.shear)),
            Kind::ShearY => Operation::ShearY(signed(self.shear)),
            Kind::TranslateX => Operation::TranslateX(pixels(self.translate[0])),
            Kind::TranslateY => Operation::TranslateY(pixels(self.translate[1])),
            Kind::Rotate => Operation::Rotate(signed(self.rotate)),
            Kind::Brightness => Operation::Brightness(1.0 + signed(self.factor)),
            Kind::Color => Operation::Saturation(1.0 + signed(self.factor)),
            Kind::Contrast => Operation::Contrast(1.0 + signed(self.factor)),
            Kind::Sharpness => Operation::Sharpness(1.0 + signed(self.factor)),
            Kind::Posterize => Operation::Posterize(self.bits_at(bin)),
            Kind::Solarize => Operation::Solarize(f64::from(self.step(255.0, 0.0, bin))),
            Kind::AutoContrast => Operation::AutoContrast,
            Kind::Equalize => Operation::Equalize,
            Kind::Invert => Operation::Invert,
        }
    }

    fn bits_at(&self, bin: usize) -> u8 {
        let [most, fewer] = self.bits;
        let bins_per_bit = (self.bins - 1) as f32 / fewer;
        (most - (bin as f32 / bins_per_bit).round_ties_even()) as u8
    }

    /// PyTorch's `linspace` in `f32`, which counts from the nearer end and rounds once per number:
    /// TrivialAugment's translation by 32 * 15 / 30 pixels is 15.999999, cut off to 15.
    fn step(&self, start: f32, end: f32, bin: usize) -> f32 {
        let step = (end - start) / (self.bins - 1) as f32;
        if bin < self.bins / 2 {
            step.mul_add(bin as f32, start)
        } else {
            step.mul_add(-((self.bins - 1 - bin) as f32), end)
        }
    }
}

impl Kind {
    fn is_signed(self) -> bool {
        use Kind::*;
        matches!(
            self,
            ShearX
                | ShearY
                | TranslateX
                | TranslateY
                | Rotate
                | Brightness
                | Color
                | Contrast
                | Sharpness
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDENS: &str = include_str!("../../tests/goldens/magnitudes.txt");

    fn space(name: &str, size: [usize; 2]) -> Option<Space> {
        Some(match name {
            "RandAugment" => Space::moderate(31, size),
            "AutoAugment" => Space::moderate(10, size),
            "TrivialAugment" => Space::wide(),
            "AugMix" => Space::mild(size),
            _ => return None,
        })
    }

    fn magnitude(operation: Operation) -> f64 {
        match operation {
            Operation::ShearX(slope) | Operation::ShearY(slope) => slope,
            Operation::TranslateX(pixels) | Operation::TranslateY(pixels) => pixels as f64,
            Operation::Rotate(degrees) => degrees,
            Operation::Brightness(factor) | Operation::Saturation(factor) => factor - 1.0,
            Operation::Contrast(factor) | Operation::Sharpness(factor) => factor - 1.0,
            Operation::Posterize(bits) => f64::from(bits),
            Operation::Solarize(threshold) => threshold,
            other => panic!("{other:?}"),
        }
    }

    fn check(line: &str) -> bool {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, height, width, kind, ref magnitudes @ ..] = words[..] else { panic!("{line}") };
        let size = [height, width].map(|side| side.parse().unwrap_or(0));
        let Some(space) = space(name, size) else { return false };
        let kind = KINDS.into_iter().find(|known| format!("{known:?}") == kind).unwrap();
        assert_eq!(magnitudes.len(), space.bins, "{line}");
        for (bin, expected) in magnitudes.iter().enumerate() {
            let expected: f64 = expected.parse().unwrap();
            let found = magnitude(space.operation(kind, bin, 1.0));
            assert!((found - expected).abs() <= 1e-6 * expected, "{line}: bin {bin} has {found}");
            let back = magnitude(space.operation(kind, bin, -1.0));
            assert_eq!(back, if kind.is_signed() { -found } else { found }, "{line}: bin {bin}");
        }
        true
    }

    #[test]
    fn magnitudes_are_torchvisions() {
        let lines = GOLDENS.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(lines.filter(|line| check(line)).count(), 132);
    }
}
