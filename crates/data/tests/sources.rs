//! What the built-in digits are, and how a recipe writes each source.

#![allow(clippy::unwrap_used)]

use ron::extensions::Extensions;
use trickbag_data::{
    AugMix, Augment, CifarBinary, ColorJitter, Dataset, Expect, Fill, Idx, ImageFolder, Keep,
    LabelNoise, OnError, Order, Policy, ProgressiveResizing, RandAugment, RandomErasing, Source,
    Subset,
};

#[test]
fn the_digits_are_those_that_the_readme_counts() {
    let dataset = Dataset::open(&Source::Mnist10k, Keep::Decoded).unwrap();
    assert_eq!(*dataset.facts(), Source::Mnist10k.facts().unwrap());
    let counts = |labels: &[u32]| -> Vec<usize> {
        (0..10).map(|class| labels.iter().filter(|label| **label == class).count()).collect()
    };
    let train = [851, 958, 842, 877, 833, 734, 862, 910, 802, 831];
    let val = [150, 169, 149, 155, 147, 129, 152, 160, 142, 147];
    assert_eq!(counts(dataset.train().labels()), train);
    assert_eq!(counts(dataset.val().labels()), val);
}

#[test]
fn the_digits_normalisation_is_that_of_their_training_split() {
    let dataset = Dataset::open(&Source::Mnist10k, Keep::Decoded).unwrap();
    let images = (0..8500).map(|index| dataset.train().image(index).unwrap());
    let pixels: Vec<f64> =
        images.flat_map(|image| image.pixels().to_vec()).map(|p| f64::from(p) / 255.0).collect();
    let mean = pixels.iter().sum::<f64>() / pixels.len() as f64;
    let variance = pixels.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / pixels.len() as f64;
    let normalize = Source::Mnist10k.normalize();
    assert!((mean - f64::from(normalize.mean[0])).abs() < 5e-5, "{mean}");
    assert!((variance.sqrt() - f64::from(normalize.std[0])).abs() < 5e-5, "{variance}");
}

/// The spelling that recipes are read with.
fn spelling() -> ron::Options {
    let spelling = Extensions::UNWRAP_VARIANT_NEWTYPES | Extensions::IMPLICIT_SOME;
    ron::Options::default().with_default_extension(spelling)
}

#[test]
fn recipes_write_sources_like_this() {
    let folder = ImageFolder {
        path: "data/x".into(),
        size: 32,
        crop: 1.0,
        on_error: OnError::Stop,
        expect: None,
    };
    let full = ImageFolder {
        crop: 0.875,
        on_error: OnError::Skip,
        expect: Some(Expect { train: 3, val: 2, classes: 1 }),
        ..folder.clone()
    };
    let cases = [
        ("Mnist10k", Source::Mnist10k),
        ("ImageFolder(path: \"data/x\", size: 32)", Source::ImageFolder(folder)),
        (
            "ImageFolder(path: \"data/x\", size: 32, crop: 0.875, on_error: Skip, \
             expect: (train: 3, val: 2, classes: 1))",
            Source::ImageFolder(full),
        ),
        ("Idx(path: \"x\")", Source::Idx(Idx { path: "x".into() })),
        ("Cifar10(path: \"x\")", Source::Cifar10(CifarBinary { path: "x".into() })),
        ("Cifar100(path: \"x\")", Source::Cifar100(CifarBinary { path: "x".into() })),
    ];
    let options = spelling();
    for (text, expected) in cases {
        assert_eq!(options.from_str::<Source>(text).unwrap(), expected);
        let written = options.to_string(&expected).unwrap();
        assert_eq!(options.from_str::<Source>(&written).unwrap(), expected);
    }
    assert!(options.from_str::<Source>("ImageFolder(path: \"x\", size: 3, sise: 3)").is_err());
}

#[test]
fn recipes_write_augmentations_like_this() {
    let jitter = ColorJitter { brightness: 0.4, saturation: 0.4, hue: 0.2, contrast: 0.0 };
    let erasing = RandomErasing { p: 0.1, value: Fill::Noise, ..RandomErasing::default() };
    let mix = AugMix { severity: 5, depth: Some(2), ..AugMix::default() };
    let cases = [
        ("RandomResizedCrop", Augment::RandomResizedCrop),
        ("PadCrop(4)", Augment::PadCrop(4)),
        ("ReflectPadCrop(2)", Augment::ReflectPadCrop(2)),
        ("HorizontalFlip", Augment::HorizontalFlip),
        ("AlternatingFlip", Augment::AlternatingFlip),
        ("ColorJitter(brightness: 0.4, saturation: 0.4, hue: 0.2)", Augment::ColorJitter(jitter)),
        ("PcaNoise(0.1)", Augment::PcaNoise(0.1)),
        ("RandAugment()", Augment::RandAugment(RandAugment { ops: 2, magnitude: 9 })),
        ("RandAugment(ops: 1)", Augment::RandAugment(RandAugment { ops: 1, magnitude: 9 })),
        ("TrivialAugment", Augment::TrivialAugment),
        ("AutoAugment(ImageNet)", Augment::AutoAugment(Policy::ImageNet)),
        ("AugMix()", Augment::AugMix(AugMix::default())),
        ("AugMix(severity: 5, depth: 2)", Augment::AugMix(mix)),
        ("RandomErasing(p: 0.1, value: Noise)", Augment::RandomErasing(erasing)),
        ("Cutout(16)", Augment::Cutout(16)),
    ];
    let options = spelling();
    for (text, expected) in cases {
        assert_eq!(options.from_str::<Augment>(text).unwrap(), expected, "{text}");
        let written = options.to_string(&expected).unwrap();
        assert_eq!(options.from_str::<Augment>(&written).unwrap(), expected, "{written}");
        assert!(text.starts_with(expected.name()), "{text}");
    }
    assert!(options.from_str::<Augment>("RandAugment(opps: 2)").is_err());
}

#[test]
fn recipes_write_orders_and_parts_like_this() {
    let options = spelling();
    assert_eq!(options.from_str::<Order>("Repeated(3)").unwrap(), Order::Repeated(3));
    let subset = Subset { fraction: 0.5, seed: 1 };
    assert_eq!(options.from_str::<Subset>("(fraction: 0.5, seed: 1)").unwrap(), subset);
    let noise = LabelNoise { fraction: 0.5, seed: 1 };
    assert_eq!(options.from_str::<LabelNoise>("(fraction: 0.5, seed: 1)").unwrap(), noise);
    let progress = ProgressiveResizing { delay: 0.3, ..ProgressiveResizing::default() };
    assert_eq!(options.from_str::<ProgressiveResizing>("(delay: 0.3)").unwrap(), progress);
}
