//! What the built-in digits are, and how a recipe writes each source.

#![allow(clippy::unwrap_used)]

use ron::extensions::Extensions;
use trickbag_data::{
    Augment, CifarBinary, Dataset, Expect, Idx, ImageFolder, Keep, OnError, Source,
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

#[test]
fn recipes_write_sources_and_augmentations_like_this() {
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
    // The spelling that recipes are read with.
    let spelling = Extensions::UNWRAP_VARIANT_NEWTYPES | Extensions::IMPLICIT_SOME;
    let options = ron::Options::default().with_default_extension(spelling);
    for (text, expected) in cases {
        assert_eq!(options.from_str::<Source>(text).unwrap(), expected);
        let written = options.to_string(&expected).unwrap();
        assert_eq!(options.from_str::<Source>(&written).unwrap(), expected);
    }
    assert!(options.from_str::<Source>("ImageFolder(path: \"x\", size: 3, sise: 3)").is_err());

    let augment = [Augment::RandomResizedCrop, Augment::PadCrop(4), Augment::HorizontalFlip];
    let text = "[RandomResizedCrop, PadCrop(4), HorizontalFlip]";
    assert_eq!(options.from_str::<Vec<Augment>>(text).unwrap(), augment);
}
