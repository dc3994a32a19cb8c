//! What mixing draws, what it keeps, and what it refuses.
#![allow(clippy::unwrap_used)]

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use trickbag_losses::{CutMix, Error, Mix, MixUp, Mixing, Patch};

const SIZE: [usize; 2] = [8, 12];

fn mixing(mixup: Option<(f64, f64)>, cutmix: Option<(f64, f64)>) -> Mixing {
    Mixing {
        mixup: mixup.map(|(alpha, probability)| MixUp { alpha, probability }),
        cutmix: cutmix.map(|(alpha, probability)| CutMix { alpha, probability }),
    }
}

fn draws(mixing: Mixing) -> Vec<Mix> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    (0..4000).map(|_| mixing.draw(SIZE, &mut rng).unwrap()).collect()
}

#[test]
fn probabilities_share_out_the_batches() {
    let cases = [
        (None, None, [1.0, 0.0, 0.0]),
        (Some((0.2, 1.0)), None, [0.0, 1.0, 0.0]),
        (None, Some((1.0, 1.0)), [0.0, 0.0, 1.0]),
        (Some((0.2, 0.3)), None, [0.7, 0.3, 0.0]),
        (None, Some((1.0, 0.6)), [0.4, 0.0, 0.6]),
        (Some((0.8, 0.5)), Some((1.0, 0.5)), [0.0, 0.5, 0.5]),
        (Some((0.1, 0.2)), Some((1.0, 0.3)), [0.5, 0.2, 0.3]),
    ];
    for (mixup, cutmix, expected) in cases {
        let draws = draws(mixing(mixup, cutmix));
        let share = |is: fn(&Mix) -> bool| {
            draws.iter().filter(|mix| is(mix)).count() as f64 / draws.len() as f64
        };
        let found = [
            share(|mix| matches!(mix, Mix::Nothing)),
            share(|mix| matches!(mix, Mix::Blend { .. })),
            share(|mix| matches!(mix, Mix::Paste(_))),
        ];
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 0.03, "{mixup:?} {cutmix:?}: {found}, {expected}");
        }
    }
}

/// Beta(alpha, alpha) has the mean 1/2 and the variance 1 / (8 alpha + 4).
#[test]
fn lambda_is_of_the_beta_distribution() {
    for alpha in [0.01, 0.1, 0.2, 1.0, 4.0] {
        let lambdas: Vec<f64> =
            draws(mixing(Some((alpha, 1.0)), None)).iter().map(Mix::lambda).collect();
        assert!(lambdas.iter().all(|lambda| (0.0..=1.0).contains(lambda)), "{alpha}");
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let squares: Vec<f64> = lambdas.iter().map(|lambda| (lambda - 0.5).powi(2)).collect();
        let (found, expected) = (mean(&squares), 1.0 / (8.0 * alpha + 4.0));
        assert!((mean(&lambdas) - 0.5).abs() < 0.03, "{alpha}: {}", mean(&lambdas));
        assert!((found / expected - 1.0).abs() < 0.06, "{alpha}: {found}, expected {expected}");
    }
}

#[test]
fn the_same_generator_draws_the_same() {
    let both = mixing(Some((0.2, 0.5)), Some((1.0, 0.5)));
    assert_eq!(draws(both), draws(both));
}

/// Mixing keeps the sum of a pair, pixel by pixel and target by target, and targets stay
/// distributions; what is mixed twice by a box is as before.
#[test]
fn pairs_keep_their_sums() {
    let images: Vec<f32> = (0..5 * 96 * 2).map(|i| (i * i % 61) as f32).collect();
    let targets: Vec<f32> = (0..5 * 4).map(|i| f32::from(i % 4 == i / 4 % 3)).collect();
    let sums = |values: &[f32], len: usize| -> Vec<f32> {
        let rows = values.chunks(len).zip(values.chunks(len).rev());
        rows.flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b)).collect()
    };
    for mix in draws(mixing(Some((1.0, 0.4)), Some((1.0, 0.4)))).into_iter().take(50) {
        let (mut mixed, mut mixed_targets) = (images.clone(), targets.clone());
        mix.images(&mut mixed, [5, 8, 12, 2]).unwrap();
        mix.targets(&mut mixed_targets, 4).unwrap();
        let close = |a: Vec<f32>, b: Vec<f32>| a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(close(sums(&mixed, 192), sums(&images, 192)), "{mix:?}");
        assert!(close(sums(&mixed_targets, 4), sums(&targets, 4)), "{mix:?}");
        assert_eq!(mixed[2 * 192..3 * 192], images[2 * 192..3 * 192], "the middle, {mix:?}");
        let masses = mixed_targets.chunks(4).map(|row| row.iter().sum::<f32>());
        masses.for_each(|mass| assert!((mass - 1.0).abs() < 1e-6, "{mix:?}"));
        if let Mix::Paste(_) = mix {
            mix.images(&mut mixed, [5, 8, 12, 2]).unwrap();
            assert_eq!(mixed, images);
        }
    }
}

#[test]
fn refuses_settings() {
    let cases = [
        (mixing(Some((0.0, 1.0)), None), "`alpha` is 0, expected a positive number"),
        (mixing(None, Some((f64::NAN, 1.0))), "`alpha` is NaN, expected a positive number"),
        (mixing(Some((1.0, 1.5)), None), "`probability` is 1.5, expected a number from 0 to 1"),
        (
            mixing(Some((0.2, 1.0)), Some((1.0, 1.0))),
            "the probabilities of mixup and CutMix sum to 2, expected at most 1: give each its \
             share of the batches, for instance `probability: 0.5`",
        ),
    ];
    for (mixing, expected) in cases {
        assert_eq!(mixing.validate().unwrap_err().to_string(), expected);
        let drawn = mixing.draw(SIZE, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(drawn.unwrap_err().to_string(), expected);
    }
}

#[test]
fn refuses_batches() {
    let paste = Mix::Paste(Patch::new([1, 1], 0.5, [2, 2]));
    let blend = Mix::Blend { lambda: 0.5 };
    let alone = "a batch of 1 image has no partner to mix with: use batches of 2 or more";
    let check = |result: Result<(), Error>, expected: &str| {
        assert_eq!(result.unwrap_err().to_string(), expected);
    };
    check(blend.images(&mut [0.0; 4], [1, 2, 2, 1]), alone);
    check(paste.images(&mut [0.0; 4], [1, 2, 2, 1]), alone);
    check(blend.targets(&mut [0.0; 3], 3), alone);
    check(blend.targets(&mut [0.0; 7], 3), "targets: found 7, expected 6");
    check(blend.images(&mut [0.0; 7], [2, 2, 2, 1]), "images: found 7, expected 8");
    check(paste.images(&mut [0.0; 12], [2, 3, 2, 1]), "rows of an image: found 3, expected 2");
    check(paste.images(&mut [0.0; 12], [2, 2, 3, 1]), "columns of an image: found 3, expected 2");
    let empty = mixing(Some((1.0, 1.0)), None).draw([0, 2], &mut ChaCha8Rng::seed_from_u64(1));
    check(empty.map(|_| ()), "pixels of an image: found 0, expected 1");
}
