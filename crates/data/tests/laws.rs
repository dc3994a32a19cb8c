//! Laws that hold for the order and content of batches.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use trickbag_data::{
    AugMix, Augment, Batch, ColorJitter, Dataset, Error, Fill, Keep, LabelNoise, Loading,
    Normalize, Order, ProgressiveResizing, RandAugment, RandomErasing, Source, Subset,
};

fn digits() -> Dataset {
    Dataset::open(&Source::Mnist10k, Keep::Decoded).unwrap()
}

fn loading(seed: u64, batch_size: usize) -> Loading {
    let augment = vec![Augment::PadCrop(2), Augment::HorizontalFlip];
    let (size, normalize) = ([28, 28], Source::Mnist10k.normalize());
    Loading { seed, batch_size, size, order: Order::Shuffled, augment, normalize }
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

const ORDERS: [Order; 4] =
    [Order::Shuffled, Order::Balanced, Order::Repeated(1), Order::Repeated(3)];

#[test]
fn a_resumed_epoch_is_the_tail_of_the_unbroken_one() {
    let dataset = digits();
    for (batch_size, order) in [1000, 1700, 8500, 4000].into_iter().zip(ORDERS) {
        let loading = Loading { order, ..loading(7, batch_size) };
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
        let batches = dataset.val_batches(batch_size, &normalize, [28, 28]).unwrap();
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

#[test]
fn repeated_augmentation_shows_copies_side_by_side_and_changed_apart() {
    let dataset = digits();
    let loading = Loading { order: Order::Repeated(4), ..loading(3, 8500) };
    let batch = batches(&dataset, &loading, 2, 0).remove(0);
    let plain = Loading { order: Order::Shuffled, ..loading };
    let shuffled = batches(&dataset, &plain, 2, 0).remove(0);
    let expected = shuffled.indices.iter().flat_map(|index| [*index; 4]).take(8500);
    assert!(expected.eq(batch.indices.iter().copied()));

    let copies: Vec<&[f32]> = batch.images.chunks_exact(784).take(800).collect();
    let distinct = |four: &[&[f32]]| (1..4).filter(|&copy| four[copy] != four[0]).count();
    let changed: usize = copies.chunks_exact(4).map(distinct).sum();
    assert!(changed > 570, "{changed} of 600");
    for first in 0..20 {
        assert!(copies[4 * first] == &shuffled.images[784 * first..784 * (first + 1)], "{first}");
    }
}

#[test]
fn a_balanced_epoch_shows_each_class_alike_and_each_image_of_it() {
    let dataset = digits();
    let loading = Loading { order: Order::Balanced, ..loading(3, 8500) };
    let mut shown = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for epoch in 0..10 {
        let batch = batches(&dataset, &loading, epoch, 0).remove(0);
        seen.extend(batch.indices);
        batch.labels.iter().for_each(|label| *shown.entry(*label).or_insert(0) += 1);
    }
    assert_eq!(shown.len(), 10);
    assert!(shown.values().all(|count| (8200..8800).contains(count)), "{shown:?}");
    assert!(seen.len() > 8490, "{}", seen.len());
}

#[test]
fn a_subset_keeps_a_share_of_each_class_and_of_any_larger_subset() {
    let all = digits();
    let raw = |dataset: &Dataset| -> BTreeSet<Vec<u8>> {
        let split = dataset.train();
        (0..split.len()).map(|index| split.image(index).unwrap().pixels().to_vec()).collect()
    };
    let mut larger = raw(&all);
    for (fraction, length) in [(1.0, 8500), (0.5, 4250), (0.1234, 1049), (0.01, 85)] {
        let subset = Subset { fraction, seed: 5 };
        let dataset = digits().subset(&subset).unwrap();
        assert_eq!(dataset.facts().train_len, length);
        assert_eq!(dataset.train().len(), length);
        assert_eq!(subset.train_len(8500), length);
        assert_eq!(dataset.val().labels(), all.val().labels());
        for class in 0..10 {
            let count = |labels: &[u32]| labels.iter().filter(|l| **l == class).count() as f64;
            let (kept, whole) = (count(dataset.train().labels()), count(all.train().labels()));
            assert!((kept - fraction * whole).abs() <= 1.0, "{fraction} of class {class}: {kept}");
        }
        let smaller = raw(&dataset);
        assert!(smaller.is_subset(&larger), "{fraction}");
        assert_eq!(smaller, raw(&digits().subset(&subset).unwrap()));
        larger = smaller;
    }
    let other = digits().subset(&Subset { fraction: 0.01, seed: 6 }).unwrap();
    assert!(raw(&other) != larger);
}

#[test]
fn label_noise_makes_exactly_its_fraction_wrong() {
    let clean = digits();
    for (fraction, wrong) in [(0.0, 0), (0.2, 1700), (1.0, 8500)] {
        let noisy = |seed| digits().with_label_noise(&LabelNoise { fraction, seed }).unwrap();
        let dataset = noisy(4);
        let pairs = dataset.train().labels().iter().zip(clean.train().labels());
        let mut turns = [0; 10];
        pairs.for_each(|(noisy, clean)| turns[(noisy + 10 - clean) as usize % 10] += 1);
        assert_eq!(turns[0], 8500 - wrong, "{fraction}");
        let alike = |count: &usize| count.abs_diff(wrong / 9) <= 100;
        assert!(turns[1..].iter().all(alike), "{fraction}: {turns:?}");
        assert_eq!(dataset.val().labels(), clean.val().labels());
        assert_eq!(dataset.train().labels(), noisy(4).train().labels());
        assert_eq!(dataset.train().labels() == noisy(5).train().labels(), fraction == 0.0);
    }
}

#[test]
fn training_and_evaluation_have_the_size_that_is_asked_for() {
    let dataset = digits();
    let normalize = Source::Mnist10k.normalize();
    let lists = [vec![], vec![Augment::RandomResizedCrop], vec![Augment::Cutout(4)]];
    for size @ [height, width] in [[28, 28], [14, 20], [40, 40], [1, 1]] {
        for augment in lists.clone() {
            let loading = Loading { size, augment, ..loading(1, 50) };
            let batch = dataset.train_batches(&loading, 0, 0).unwrap().next().unwrap().unwrap();
            assert_eq!((batch.height, batch.width, batch.channels), (height, width, 1));
            assert_eq!(batch.images.len(), 50 * height * width);
        }
        let mut batches = dataset.val_batches(50, &normalize, size).unwrap();
        let batch = batches.next().unwrap().unwrap();
        let first = dataset.val().image(0).unwrap().resize(height, width).unwrap();
        let mut expected = vec![0.0; height * width];
        normalize.table(1).unwrap().apply(first.pixels(), &mut expected);
        assert!(batch.images[..height * width] == expected, "{size:?}");
    }
}

#[test]
fn progressive_resizing_grows_from_its_first_size_to_the_full_one() {
    let slow = ProgressiveResizing { initial_scale: 0.25, delay: 0.0, finetune: 0.0, multiple: 1 };
    let none = ProgressiveResizing { initial_scale: 1.0, ..slow };
    // In floating point, 0.9 and 0.1 leave nothing, and 1 - 0.9 is less than 0.1.
    let sudden = ProgressiveResizing { delay: 0.9, finetune: 0.1, ..Default::default() };
    let late = ProgressiveResizing { delay: 1.0, finetune: 0.0, ..ProgressiveResizing::default() };
    let cases = [
        (slow, [32, 32], 4, vec![[8, 8], [14, 14], [20, 20], [26, 26]]),
        (none, [32, 31], 3, vec![[32, 31]; 3]),
        (late, [32, 30], 2, vec![[16, 16]; 2]),
        (sudden, [32, 30], 10, [vec![[16, 16]; 9], vec![[32, 30]]].concat()),
        (ProgressiveResizing::default(), [3, 5], 2, vec![[3, 4], [3, 4]]),
    ];
    for (settings, full, epochs, expected) in cases {
        settings.check().unwrap();
        let sizes = (0..epochs).map(|epoch| settings.size(full, epoch, epochs));
        assert!(sizes.eq(expected), "{settings:?}");
    }
}

#[test]
fn erasing_leaves_the_mean_and_the_rest_of_the_image() {
    let dataset = digits();
    let plain = Loading { augment: vec![Augment::PadCrop(2)], ..loading(1, 500) };
    let cut = vec![Augment::PadCrop(2), Augment::Cutout(8)];
    let whole = batches(&dataset, &plain, 0, 0).remove(0);
    let erased = batches(&dataset, &Loading { augment: cut, ..plain }, 0, 0).remove(0);
    for (whole, erased) in whole.images.chunks(784).zip(erased.images.chunks(784)) {
        let zeros = erased.iter().filter(|pixel| **pixel == 0.0).count();
        assert!((16..=64).contains(&zeros), "{zeros}");
        assert!(whole.iter().zip(erased).all(|(whole, erased)| *erased == 0.0 || whole == erased));
    }
}

fn normalize(mean: &[f32], std: &[f32]) -> Normalize {
    Normalize { mean: mean.to_vec(), std: std.to_vec() }
}

#[test]
fn impossible_loading_is_refused() {
    let dataset = digits();
    let augment = |list: &[Augment]| Loading { augment: list.to_vec(), ..loading(1, 1) };
    let erasing = RandomErasing::default();
    let mix = AugMix::default();
    let cases = [
        (Loading { batch_size: 0, ..loading(1, 1) }, "`batch_size` is 0, expected at least 1"),
        (
            loading(1, 8501),
            "`batch_size` is 8501, but there are only 8500 training images; expected at most 8500",
        ),
        (
            Loading { size: [28, 0], ..loading(1, 1) },
            "cannot resize an image to 28 x 0 pixels: expected sides above 0 and at most 2^28 \
             pixels in all",
        ),
        (
            Loading { order: Order::Repeated(0), ..loading(1, 1) },
            "`Repeated(0)` shows no images, expected at least 1",
        ),
        (
            augment(&[Augment::PadCrop(29)]),
            "`PadCrop(29)` pads more than the images' 28 x 28 pixels",
        ),
        (
            Loading { size: [20, 20], ..augment(&[Augment::ReflectPadCrop(20)]) },
            "`ReflectPadCrop` has 20 as its `padding`, expected at most 19: images of 20 x 20 \
             pixels have no more to reflect",
        ),
        (
            augment(&[Augment::HorizontalFlip, Augment::RandomResizedCrop]),
            "`RandomResizedCrop` is number 2 of `augment`, expected first: it works on the image \
             at full size",
        ),
        (
            augment(&[Augment::Cutout(2), Augment::RandomErasing(erasing), Augment::PadCrop(2)]),
            "`PadCrop` is number 3 of `augment`, after `RandomErasing`, which acts on normalised \
             pixels: move it before",
        ),
        (
            augment(&[Augment::PcaNoise(0.1)]),
            "`PcaNoise` needs RGB images, but these have 1 channel: remove it",
        ),
        (
            augment(&[Augment::ColorJitter(ColorJitter { hue: 0.6, ..ColorJitter::default() })]),
            "`ColorJitter` has 0.6 as its `hue`, expected 0 to 0.5",
        ),
        (
            augment(&[Augment::ColorJitter(ColorJitter {
                contrast: f64::NAN,
                ..ColorJitter::default()
            })]),
            "`ColorJitter` has NaN as its `contrast`, expected a number of at least 0",
        ),
        (
            augment(&[Augment::RandAugment(RandAugment { ops: 101, magnitude: 9 })]),
            "`RandAugment` has 101 as its `ops`, expected 0 to 100",
        ),
        (
            augment(&[Augment::RandAugment(RandAugment { ops: 2, magnitude: 31 })]),
            "`RandAugment` has 31 as its `magnitude`, expected 0 to 30",
        ),
        (
            augment(&[Augment::AugMix(AugMix { severity: 0, ..mix })]),
            "`AugMix` has 0 as its `severity`, expected 1 to 10",
        ),
        (
            augment(&[Augment::AugMix(AugMix { width: 0, ..mix })]),
            "`AugMix` has 0 as its `width`, expected 1 to 100",
        ),
        (
            augment(&[Augment::AugMix(AugMix { depth: Some(0), ..mix })]),
            "`AugMix` has 0 as its `depth`, expected 1 to 100, or nothing for 1, 2 or 3 at random",
        ),
        (
            augment(&[Augment::AugMix(AugMix { alpha: 0.0, ..mix })]),
            "`AugMix` has 0 as its `alpha`, expected 0.1 to 1000",
        ),
        (
            augment(&[Augment::RandomErasing(RandomErasing { p: 1.5, ..erasing })]),
            "`RandomErasing` has 1.5 as its `p`, expected a probability, 0 to 1",
        ),
        (
            augment(&[Augment::RandomErasing(RandomErasing { scale: (0.3, 0.2), ..erasing })]),
            "`RandomErasing` has 0.2 as its `scale`, expected the smaller part first, and at most 1",
        ),
        (
            augment(&[Augment::RandomErasing(RandomErasing { ratio: (0.0, 3.0), ..erasing })]),
            "`RandomErasing` has 0 as its `ratio`, expected ratios above 0",
        ),
        (
            augment(&[Augment::RandomErasing(RandomErasing {
                value: Fill::Constant(f32::INFINITY),
                ..erasing
            })]),
            "`RandomErasing` has inf as its `value`, expected a finite number",
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

#[test]
fn impossible_parts_are_refused() {
    let subset = |fraction| digits().subset(&Subset { fraction, seed: 1 }).unwrap_err();
    let noise =
        |fraction| digits().with_label_noise(&LabelNoise { fraction, seed: 1 }).unwrap_err();
    let progress = |settings: ProgressiveResizing| settings.check().unwrap_err();
    let usual = ProgressiveResizing::default();
    let cases = [
        (
            subset(0.0),
            "`Subset` has the fraction 0, expected a part of 8500 images, at least one and at most \
             all",
        ),
        (
            subset(1.1),
            "`Subset` has the fraction 1.1, expected a part of 8500 images, at least one and at \
             most all",
        ),
        (
            subset(0.0005),
            "the fraction 0.0005 keeps no image of class 5: choose a larger one, so that every \
             class has something to learn from",
        ),
        (noise(-0.1), "`LabelNoise` has the fraction -0.1, expected 0 to 1"),
        (noise(f64::NAN), "`LabelNoise` has the fraction NaN, expected 0 to 1"),
        (
            LabelNoise { fraction: 0.1, seed: 1 }.check(1).unwrap_err(),
            "there is one class only, so no label can be wrong: remove `LabelNoise`",
        ),
        (
            progress(ProgressiveResizing { initial_scale: 0.0, ..usual }),
            "`ProgressiveResizing` has 0 as its `initial_scale`, expected a part of the side, \
             above 0 and at most 1",
        ),
        (
            progress(ProgressiveResizing { delay: -1.0, ..usual }),
            "`ProgressiveResizing` has -1 as its `delay`, expected a part of the training, 0 to 1",
        ),
        (
            progress(ProgressiveResizing { finetune: 0.6, ..usual }),
            "`ProgressiveResizing` has 0.6 as its `finetune`, expected a part of the training, at \
             most what `delay` leaves",
        ),
        (
            progress(ProgressiveResizing { multiple: 0, ..usual }),
            "`ProgressiveResizing` has 0 as its `multiple`, expected at least 1 pixel",
        ),
    ];
    for (error, expected) in cases {
        assert_eq!(error.to_string(), expected);
    }
}
