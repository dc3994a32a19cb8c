//! Laws that hold for every augmentation, and the distributions that they draw from.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use trickbag_data::{
    AugMix, Augment, Border, Change, ColorJitter, Content, Erasure, Fill, Image, Operation, Policy,
    RandAugment, RandomErasing, Visit,
};

const JITTER: ColorJitter =
    ColorJitter { brightness: 0.4, contrast: 1.5, saturation: 0.4, hue: 0.2 };
const ERASING: RandomErasing =
    RandomErasing { p: 1.0, scale: (0.02, 0.33), ratio: (0.3, 3.3), value: Fill::Constant(0.5) };
const MIX: AugMix = AugMix { severity: 10, width: 3, depth: None, alpha: 1.0 };

/// Those that only move pixels, and put zeros where none were.
const MOVES: [Augment; 8] = [
    Augment::PadCrop(0),
    Augment::PadCrop(4),
    Augment::PadCrop(9),
    Augment::ReflectPadCrop(0),
    Augment::ReflectPadCrop(2),
    Augment::HorizontalFlip,
    Augment::AlternatingFlip,
    Augment::RandomResizedCrop,
];

const OTHERS: [Augment; 14] = [
    Augment::ColorJitter(JITTER),
    Augment::PcaNoise(0.1),
    Augment::RandAugment(RandAugment { ops: 2, magnitude: 9 }),
    Augment::RandAugment(RandAugment { ops: 0, magnitude: 30 }),
    Augment::TrivialAugment,
    Augment::AutoAugment(Policy::Cifar10),
    Augment::AutoAugment(Policy::ImageNet),
    Augment::AutoAugment(Policy::Svhn),
    Augment::AugMix(MIX),
    Augment::AugMix(AugMix { severity: 1, width: 1, depth: Some(2), alpha: 0.1 }),
    Augment::RandomErasing(ERASING),
    Augment::RandomErasing(RandomErasing { value: Fill::Noise, ..ERASING }),
    Augment::Cutout(8),
    Augment::Cutout(1000),
];

/// Full-size images as they may come, and the size to train at.
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

/// The changes of many images in one epoch.
fn draws(augment: &Augment, image: &Image, size: [usize; 2], count: usize) -> Vec<Change> {
    let visits = (0..count).map(|index| Visit { seed: 1, epoch: 3, index, turn: 0 });
    visits.map(|visit| augment.draw(image, size, &visit, &mut visit.generator())).collect()
}

fn check(augment: &Augment, count: usize, check_change: fn(&Change, &Image)) {
    for (shape, size) in SIZES {
        let image = image(shape);
        let changes = draws(augment, &image, size, count);
        assert_eq!(changes, draws(augment, &image, size, count), "{augment:?} {shape:?}");
        let resizes = *augment == Augment::RandomResizedCrop;
        let [height, width] = if resizes { size } else { [shape[0], shape[1]] };
        for change in changes {
            let changed = change.clone().apply(image.clone()).unwrap();
            assert_eq!(changed.shape(), [height, width, shape[2]], "{change:?}");
            assert_eq!(changed, change.clone().apply(image.clone()).unwrap(), "{change:?}");
            check_change(&change, &changed);
        }
    }
}

fn check_move(change: &Change, changed: &Image) {
    let known = |pixel: &u8| *pixel == 0 || (100..150).contains(pixel);
    assert!(changed.pixels().iter().all(known), "{change:?}");
}

/// The pixels inside the window are replaced, and no others.
fn check_erasure(change: &Change, image: &Image) {
    let Change::Erase(erasure) = change else { return };
    let shape @ [height, width, channels] = image.shape();
    let mut pixels = vec![f32::MAX; height * width * channels];
    erasure.apply(&mut pixels, shape);
    let replaced = pixels.iter().filter(|pixel| **pixel != f32::MAX).count();
    let window = erasure.window;
    assert_eq!(replaced, window.height * window.width * channels, "{window:?} of {shape:?}");
    assert!(window.top + window.height <= height, "{window:?} of {shape:?}");
    assert!(window.left + window.width <= width, "{window:?} of {shape:?}");
}

#[test]
fn every_change_fits_its_image_and_only_depends_on_the_draws() {
    MOVES.iter().for_each(|augment| check(augment, 300, check_move));
    OTHERS.iter().for_each(|augment| check(augment, 60, check_erasure));
}

#[test]
fn settings_that_ask_for_nothing_change_nothing() {
    let still = [
        Augment::PadCrop(0),
        Augment::ReflectPadCrop(0),
        Augment::ColorJitter(ColorJitter::default()),
        Augment::PcaNoise(0.0),
        Augment::RandAugment(RandAugment { ops: 0, magnitude: 9 }),
        Augment::RandAugment(RandAugment { ops: 0, magnitude: 0 }),
        Augment::RandomErasing(RandomErasing { p: 0.0, ..ERASING }),
    ];
    for augment in still {
        for change in draws(&augment, &image([32, 32, 3]), [32, 32], 50) {
            assert_eq!(change.apply(image([32, 32, 3])).unwrap(), image([32, 32, 3]));
        }
    }
    let nothing = |change: Change| matches!(change, Change::Nothing);
    let erasing = Augment::RandomErasing(RandomErasing { p: 0.0, ..ERASING });
    assert!(draws(&erasing, &image([9, 9, 3]), [9, 9], 50).into_iter().all(nothing));
}

#[test]
fn resized_crops_have_torchvisions_areas_and_ratios() {
    let [height, width] = [300, 400];
    let changes = draws(&Augment::RandomResizedCrop, &image([height, width, 1]), [9, 9], 4000);
    let windows = changes.iter().map(|change| match change {
        Change::ResizedCrop { window, .. } => *window,
        other => panic!("{other:?}"),
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
    for augment in [Augment::HorizontalFlip, Augment::AlternatingFlip] {
        let flips = draws(&augment, &image, [8, 8], 2000);
        let flipped = flips.iter().filter(|change| **change == Change::Flip).count();
        assert!((900..1100).contains(&flipped), "{augment:?}: {flipped}");
    }
    let borders =
        [(Augment::PadCrop(2), Border::Zero), (Augment::ReflectPadCrop(2), Border::Reflect)];
    for (augment, border) in borders {
        let shifts = draws(&augment, &image, [8, 8], 5000);
        for down in -2..=2 {
            for right in -2..=2 {
                let shift = Change::Shift { down, right, border };
                let count = shifts.iter().filter(|drawn| **drawn == shift).count();
                assert!((140..260).contains(&count), "{down} {right}: {count}");
            }
        }
    }
}

#[test]
fn an_alternating_flip_shows_the_other_side_in_the_next_epoch() {
    for (seed, index) in [(1, 0), (1, 1), (7, 123), (u64::MAX, 50_000)] {
        let flips: Vec<Change> = (0..6)
            .map(|epoch| {
                let visit = Visit { seed, epoch, index, turn: 0 };
                let mut generator = visit.generator();
                Augment::AlternatingFlip.draw(&image([2, 2, 1]), [2, 2], &visit, &mut generator)
            })
            .collect();
        assert!(flips.windows(2).all(|pair| pair[0] != pair[1]), "{seed} {index}: {flips:?}");
    }
}

fn operations(augment: &Augment, size: [usize; 2], count: usize) -> Vec<Vec<Operation>> {
    let changes = draws(augment, &image([size[0], size[1], 3]), size, count);
    let listed = |change| match change {
        Change::Operations(list) => list,
        other => panic!("{other:?}"),
    };
    changes.into_iter().map(listed).collect()
}

#[test]
fn color_jitter_draws_torchvisions_factors_in_every_order() {
    let mut orders = BTreeMap::new();
    for list in operations(&Augment::ColorJitter(JITTER), [4, 4], 4800) {
        assert_eq!(list.len(), 4);
        let in_range = |operation: &Operation| match *operation {
            Operation::Brightness(factor) | Operation::Saturation(factor) => {
                (0.6..=1.4).contains(&factor)
            }
            Operation::Contrast(factor) => (0.0..=2.5).contains(&factor),
            Operation::Hue(turn) => (-0.2..=0.2).contains(&turn),
            _ => false,
        };
        assert!(list.iter().all(in_range), "{list:?}");
        let order: Vec<_> = list.iter().map(std::mem::discriminant).collect();
        *orders.entry(format!("{order:?}")).or_insert(0) += 1;
    }
    assert_eq!(orders.len(), 24);
    assert!(orders.values().all(|count| (140..260).contains(count)), "{orders:?}");

    let dim = ColorJitter { brightness: 0.3, ..ColorJitter::default() };
    let means = operations(&Augment::ColorJitter(dim), [4, 4], 3000).into_iter().map(|list| {
        let [Operation::Brightness(factor)] = list[..] else { panic!("{list:?}") };
        factor / 3000.0
    });
    let mean: f64 = means.sum();
    assert!((mean - 1.0).abs() < 0.01, "{mean}");
}

/// How often each operation was drawn, and how often to its negative side.
fn counts(lists: &[Vec<Operation>]) -> BTreeMap<String, (usize, usize)> {
    let mut counts = BTreeMap::new();
    for operation in lists.iter().flatten() {
        let is_negative = match *operation {
            Operation::ShearX(slope) | Operation::ShearY(slope) => slope < 0.0,
            Operation::TranslateX(pixels) | Operation::TranslateY(pixels) => pixels < 0,
            Operation::Rotate(degrees) => degrees < 0.0,
            Operation::Brightness(factor) | Operation::Saturation(factor) => factor < 1.0,
            Operation::Contrast(factor) | Operation::Sharpness(factor) => factor < 1.0,
            _ => false,
        };
        let name = format!("{operation:?}").split('(').next().unwrap().to_owned();
        let (drawn, negative) = counts.entry(name).or_insert((0, 0));
        *drawn += 1;
        *negative += usize::from(is_negative);
    }
    counts
}

#[test]
fn operations_are_drawn_alike_and_in_both_directions() {
    let one_sided = ["Identity", "Posterize", "Solarize", "AutoContrast", "Equalize"];
    let augments = [
        Augment::RandAugment(RandAugment { ops: 2, magnitude: 9 }),
        Augment::RandAugment(RandAugment { ops: 2, magnitude: 30 }),
    ];
    for augment in augments {
        let counts = counts(&operations(&augment, [32, 32], 7000));
        assert_eq!(counts.len(), 14, "{augment:?}");
        for (name, (drawn, negative)) in counts {
            assert!((880..1120).contains(&drawn), "{augment:?} {name}: {drawn}");
            let half = if one_sided.contains(&&*name) { 0..1 } else { 420..580 };
            assert!(half.contains(&negative), "{augment:?} {name}: {negative}");
        }
    }
    let lists = operations(&Augment::TrivialAugment, [32, 32], 14_000);
    assert!(lists.iter().all(|list| list.len() == 1));
    let counts = counts(&lists);
    assert!(counts.values().all(|(drawn, _)| (880..1120).contains(drawn)), "{counts:?}");
    let turns: BTreeSet<String> =
        lists.iter().flatten().map(|operation| format!("{operation:?}")).collect();
    let turns = turns.iter().filter(|name| name.starts_with("Rotate")).count();
    assert_eq!(turns, 62, "31 bins in two directions, 0 and -0 among them");
}

#[test]
fn auto_augment_takes_each_step_with_its_probability() {
    // Sums of the 50 probabilities in the policies.
    let cases = [(Policy::Cifar10, 26.5), (Policy::ImageNet, 31.0), (Policy::Svhn, 32.9)];
    for (policy, sum) in cases {
        let lists = operations(&Augment::AutoAugment(policy), [32, 32], 10_000);
        let mean = lists.iter().map(Vec::len).sum::<usize>() as f64 / 10_000.0;
        assert!((mean - sum / 25.0).abs() < 0.03, "{policy:?}: {mean}");
    }
}

#[test]
fn aug_mix_draws_dirichlet_weights_and_chains_of_one_to_three() {
    let mut mean = 0.0;
    let mut lengths = [0; 4];
    for change in draws(&Augment::AugMix(MIX), &image([32, 32, 3]), [32, 32], 3000) {
        let Change::Mix { original, chains } = change else { panic!("{change:?}") };
        let sum: f32 = original + chains.iter().map(|chain| chain.weight).sum::<f32>();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        assert_eq!(chains.len(), 3);
        mean += f64::from(original) / 3000.0;
        chains.iter().for_each(|chain| lengths[chain.operations.len()] += 1);
    }
    assert!((mean - 0.5).abs() < 0.02, "{mean}");
    assert!(lengths[1..].iter().all(|count| (2800..3200).contains(count)), "{lengths:?}");
}

fn erasures(augment: Augment, shape: [usize; 3], count: usize) -> Vec<Erasure> {
    let changes = draws(&augment, &image(shape), [shape[0], shape[1]], count);
    let erased = |change| match change {
        Change::Erase(erasure) => Some(erasure),
        _ => None,
    };
    changes.into_iter().filter_map(erased).collect()
}

#[test]
fn random_erasing_has_torchvisions_areas() {
    let shape = [64, 48, 1];
    let half = RandomErasing { p: 0.5, ..ERASING };
    let count = erasures(Augment::RandomErasing(half), shape, 4000).len();
    assert!((1900..2100).contains(&count), "{count}");

    let erasures = erasures(Augment::RandomErasing(ERASING), shape, 4000);
    let area = |e: &Erasure| (e.window.height * e.window.width) as f64 / (64.0 * 48.0);
    let mean = erasures.iter().map(area).sum::<f64>() / erasures.len() as f64;
    // The share of hits and their mean area over 40,000 draws of torchvision 0.29's `get_params`.
    assert!(erasures.len() > 3995, "{}", erasures.len());
    assert!((mean - 0.1715).abs() < 0.006, "{mean}");
    assert!(erasures.iter().all(|erasure| erasure.content == Content::Constant(0.5)));
}

#[test]
fn noise_is_standard_normal() {
    let noisy = RandomErasing { value: Fill::Noise, ..ERASING };
    let erasures = erasures(Augment::RandomErasing(noisy), [64, 48, 3], 50);
    let values: Vec<f64> = erasures
        .iter()
        .flat_map(|erasure| match &erasure.content {
            Content::Values(values) => values.iter().map(|value| f64::from(*value)),
            other => panic!("{other:?}"),
        })
        .collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64;
    assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
}

#[test]
fn cutout_centres_its_square_on_any_pixel() {
    let mut windows = BTreeMap::new();
    for erasure in erasures(Augment::Cutout(4), [5, 5, 1], 5000) {
        assert_eq!(erasure.content, Content::Constant(0.0));
        let window = erasure.window;
        let key = (window.top, window.left, window.height, window.width);
        *windows.entry(key).or_insert(0) += 1;
    }
    // Around pixel 0: 0..2; 1: 0..3; 2: 0..4; 3: 1..5; 4: 2..5.
    let spans = [(0, 2), (0, 3), (0, 4), (1, 4), (2, 3)];
    let expected: BTreeSet<_> =
        spans.iter().flat_map(|(y, h)| spans.map(|(x, w)| (*y, x, *h, w))).collect();
    assert!(windows.keys().copied().eq(expected), "{windows:?}");
    assert!(windows.values().all(|count| (140..260).contains(count)), "{windows:?}");
}

#[test]
fn pca_noise_has_the_deviation_of_its_axes() {
    let changes = draws(&Augment::PcaNoise(0.1), &image([1, 1, 3]), [1, 1], 10_000);
    // The roots of the sums of squares of 0.1 * axis * deviation, from numpy 2.4.
    for (channel, expected) in [(0, 3.1665), (1, 3.2225), (2, 3.2541)] {
        let square = |change: &Change| match change {
            Change::Light(light) => light[channel] * light[channel],
            other => panic!("{other:?}"),
        };
        let deviation = (changes.iter().map(square).sum::<f64>() / 10_000.0).sqrt();
        assert!((deviation / expected - 1.0).abs() < 0.03, "{channel}: {deviation}");
    }
    let lit = Change::Light([0.5, -300.0, 300.0]).apply(image([1, 1, 3])).unwrap();
    assert_eq!(lit.pixels(), [101, 0, 255]);
}
