//! Laws that hold for every augmentation, and for the order and content of batches.

#![allow(clippy::unwrap_used)]

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use trickbag_data::{
    Augment, Batch, Change, Dataset, Error, Image, Keep, Loading, Normalize, Source,
};

const AUGMENTS: [Augment; 5] = [
    Augment::PadCrop(0),
    Augment::PadCrop(4),
    Augment::PadCrop(9),
    Augment::HorizontalFlip,
    Augment::RandomResizedCrop,
];

/// Full-size images as they may come, and the size that the data set promises.
const SIZES: [([usize; 3], [usize; 2]); 6] = [
    ([28, 28, 1], [28, 28]),
    ([32, 32, 3], [32, 32]),
    ([61, 40, 3], [20, 20]),
    ([9, 90, 3], [30, 30]),
    ([90, 9, 1], [30, 30]),
    ([1, 1, 3], [5, 5]),
];

fn image([height, width, channels]: [usize; 3]) -> Image {
    let pixels = (0..height * width * channels).map(|i| 100 + (i * 7 % 50) as u8).collect();
    Image::new(height, width, channels, pixels).unwrap()
}

fn draws(augment: &Augment, image: &Image, size: [usize; 2], count: usize) -> Vec<Change> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    (0..count).map(|_| augment.draw(image, size, &mut rng)).collect()
}

#[test]
fn every_change_fits_its_image_and_only_depends_on_the_draws() {
    for augment in &AUGMENTS {
        for (shape, size) in SIZES {
            let image = image(shape);
            let changes = draws(augment, &image, size, 300);
            assert_eq!(changes, draws(augment, &image, size, 300), "{augment:?} {shape:?}");
            let resizes = *augment == Augment::RandomResizedCrop;
            let [height, width] = if resizes { size } else { [shape[0], shape[1]] };
            for change in changes {
                let changed = change.apply(image.clone()).unwrap();
                assert_eq!(changed.shape(), [height, width, shape[2]], "{change:?}");
                let known = |pixel: &u8| *pixel == 0 || (100..150).contains(pixel);
                assert!(changed.pixels().iter().all(known), "{change:?}");
            }
        }
    }
}

#[test]
fn resized_crops_have_torchvisions_areas_and_ratios() {
    let [height, width] = [300, 400];
    let changes = draws(&Augment::RandomResizedCrop, &image([height, width, 1]), [9, 9], 4000);
    let windows = changes.iter().map(|change| match change {
        Change::ResizedCrop { window, .. } => *window,
        other => unreachable!("{other:?}"),
    });
    let mut mean_area = 0.0;
    for window in windows {
        let area = (window.height * window.width) as f64 / (height * width) as f64;
        let ratio = window.width as f64 / window.height as f64;
        assert!((0.079..=1.0).contains(&area), "{window:?}");
        assert!((0.74..=1.35).contains(&ratio), "{window:?}");
        assert!(window.top + window.height <= height, "{window:?}");
        assert!(window.left + window.width <= width, "{window:?}");
        mean_area += area / changes.len() as f64;
    }
    // The mean over 100,000 draws of torchvision 0.29's `get_params` for this size.
    assert!((mean_area - 0.434).abs() < 0.01, "{mean_area}");
}

#[test]
fn flips_and_shifts_are_uniform() {
    let image = image([8, 8, 1]);
    let flips = draws(&Augment::HorizontalFlip, &image, [8, 8], 2000);
    let flipped = flips.iter().filter(|change| **change == Change::Flip).count();
    assert!((900..1100).contains(&flipped), "{flipped}");

    let shifts = draws(&Augment::PadCrop(2), &image, [8, 8], 5000);
    for down in -2..=2 {
        for right in -2..=2 {
            let count = shifts.iter().filter(|s| **s == Change::Shift { down, right }).count();
            assert!((140..260).contains(&count), "{down} {right}: {count}");
        }
    }
}

fn digits() -> Dataset {
    Dataset::open(&Source::Mnist10k, Keep::Decoded).unwrap()
}

fn loading(seed: u64, batch_size: usize) -> Loading {
    let augment = vec![Augment::PadCrop(2), Augment::HorizontalFlip];
    Loading { seed, batch_size, augment, normalize: Source::Mnist10k.normalize() }
}

fn batches(dataset: &Dataset, loading: &Loading, epoch: u64, first: usize) -> Vec<Batch> {
    let batches = dataset.train_batches(loading, epoch, first).unwrap();
    batches.collect::<Result<_, Error>>().unwrap()
}

fn indices(batches: &[Batch]) -> Vec<usize> {
    batches.iter().flat_map(|batch| batch.indices.clone()).collect()
}

#[test]
fn an_epoch_is_a_permutation_that_differs_by_epoch_and_seed() {
    let dataset = digits();
    let mut orders = BTreeSet::new();
    for (seed, epoch) in [(1, 0), (1, 1), (1, 2), (2, 0), (0, 1)] {
        let order = indices(&batches(&dataset, &loading(seed, 500), epoch, 0));
        let again = indices(&batches(&dataset, &loading(seed, 500), epoch, 0));
        assert_eq!(order, again, "seed {seed} epoch {epoch}");
        let distinct: BTreeSet<usize> = order.iter().copied().collect();
        assert!(distinct.into_iter().eq(0..8500), "seed {seed} epoch {epoch}");
        assert!(orders.insert(order), "seed {seed} epoch {epoch} repeats another order");
    }
}

#[test]
fn a_resumed_epoch_is_the_tail_of_the_unbroken_one() {
    let dataset = digits();
    for batch_size in [1000, 1700, 8500] {
        let loading = loading(7, batch_size);
        let whole = batches(&dataset, &loading, 3, 0);
        assert_eq!(whole.len(), 8500 / batch_size);
        for first in 0..=whole.len() {
            assert!(
                batches(&dataset, &loading, 3, first) == whole[first..],
                "{batch_size} {first}"
            );
        }
        let past = dataset.train_batches(&loading, 3, whole.len() + 1).unwrap_err();
        assert!(matches!(past, Error::PastEnd { .. }), "{past}");
    }
}

#[test]
fn a_sample_is_changed_alike_in_batches_of_any_size_and_anew_in_each_epoch() {
    let dataset = digits();
    let pixels = |batches: &[Batch]| -> Vec<f32> {
        batches.iter().flat_map(|batch| batch.images.clone()).collect()
    };
    let large = batches(&dataset, &loading(7, 1700), 0, 0);
    let small = batches(&dataset, &loading(7, 50), 0, 0);
    assert!(pixels(&large) == pixels(&small));

    let next = batches(&dataset, &loading(7, 8500), 1, 0).remove(0);
    let first = batches(&dataset, &loading(7, 8500), 0, 0).remove(0);
    let image = |batch: &Batch, index: usize| -> Vec<f32> {
        let position = batch.indices.iter().position(|i| *i == index).unwrap();
        batch.images[position * 784..(position + 1) * 784].to_vec()
    };
    let changed = (0..200).filter(|&index| image(&first, index) != image(&next, index)).count();
    assert!(changed > 180, "{changed}");
}

#[test]
fn validation_sees_every_image_once_in_order_and_unchanged() {
    let dataset = digits();
    let normalize = Source::Mnist10k.normalize();
    for batch_size in [1, 128, 1500, 4000] {
        let batches = dataset.val_batches(batch_size, &normalize).unwrap();
        let batches: Vec<Batch> = batches.collect::<Result<_, _>>().unwrap();
        assert!(indices(&batches).into_iter().eq(0..1500), "{batch_size}");
        let last = if 1500 % batch_size == 0 { batch_size } else { 1500 % batch_size };
        assert_eq!(batches.last().unwrap().len(), last);
        let labels: Vec<u32> = batches.iter().flat_map(|b| b.labels.clone()).collect();
        assert_eq!(labels, dataset.val().labels());
        let first = dataset.val().image(0).unwrap();
        let expected = first.pixels().iter().map(|&byte| (byte as f32 / 255.0 - 0.1311) / 0.3087);
        assert!(expected.eq(batches[0].images[..784].iter().copied()), "{batch_size}");
    }
}

fn normalize(mean: &[f32], std: &[f32]) -> Normalize {
    Normalize { mean: mean.to_vec(), std: std.to_vec() }
}

#[test]
fn impossible_loading_is_refused() {
    let dataset = digits();
    let cases = [
        (Loading { batch_size: 0, ..loading(1, 1) }, "`batch_size` is 0, expected at least 1"),
        (
            loading(1, 8501),
            "`batch_size` is 8501, but there are only 8500 training images; expected at most 8500",
        ),
        (
            Loading { augment: vec![Augment::PadCrop(29)], ..loading(1, 1) },
            "`PadCrop(29)` pads more than the images' 28 x 28 pixels",
        ),
        (
            Loading {
                augment: vec![Augment::HorizontalFlip, Augment::RandomResizedCrop],
                ..loading(1, 1)
            },
            "`RandomResizedCrop` is number 2 of `augment`, expected first: it works on the image \
             at full size",
        ),
        (
            Loading { normalize: normalize(&[0.5; 3], &[0.5; 3]), ..loading(1, 1) },
            "`normalize` has 3 means and 3 deviations, expected 1 of each (one per channel)",
        ),
        (
            Loading { normalize: normalize(&[0.5], &[0.0]), ..loading(1, 1) },
            "`normalize` has 0 in `std`, expected a finite number (for `std`, above 0)",
        ),
        (
            Loading { normalize: normalize(&[f32::NAN], &[1.0]), ..loading(1, 1) },
            "`normalize` has NaN in `mean`, expected a finite number (for `std`, above 0)",
        ),
    ];
    for (loading, expected) in cases {
        assert_eq!(dataset.train_batches(&loading, 0, 0).unwrap_err().to_string(), expected);
    }
}
