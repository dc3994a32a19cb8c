//! The statistics of an ablation and the table that it prints.
#![allow(clippy::unwrap_used)]

use trickbag_report::{
    Ablation, Ending, EpochRecord, RunFacts, Sample, Variant, VariantRun, ablation_csv,
    ablation_page,
};

/// By SciPy 1.17.1: `scipy.stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)`.
#[test]
fn intervals_are_scipys() {
    let check = |a: &[f64], b: &[f64], expected: [f64; 2]| {
        let difference = Sample::of(b).unwrap().minus(&Sample::of(a).unwrap());
        let found = difference.interval.unwrap();
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9 * expected.abs(), "{found} is not {expected}");
        }
        assert!((difference.mean - (expected[0] + expected[1]) / 2.0).abs() < 1e-12);
        assert_eq!(difference.is_shown(), expected[0] > 0.0 || expected[1] < 0.0);
    };
    check(
        &[0.9, 0.91, 0.905],
        &[0.92, 0.91, 0.918],
        [-0.000_684_640_955_245_844_5, 0.022_684_640_955_246_086],
    );
    check(
        &[0.5, 0.6],
        &[0.9, 0.91, 0.92, 0.93, 0.95],
        [-0.192_681_258_856_214, 0.936_681_258_856_214],
    );
    check(
        &[-1.0, 4.0, 2.0, 8.0],
        &[3.0, 1.0, 7.0, 5.0, 5.0],
        [-4.669_872_112_527_752, 6.569_872_112_527_753],
    );
}

#[test]
fn without_spread_nothing_is_shown() {
    let check = |a: &[f64], b: &[f64], mean: f64| {
        let difference = Sample::of(b).unwrap().minus(&Sample::of(a).unwrap());
        assert_eq!((difference.mean, difference.interval), (mean, None));
        assert!(!difference.is_shown());
    };
    check(&[0.5], &[0.75], 0.25);
    check(&[0.5, 0.25], &[0.75], 0.375);
    check(&[0.5, 0.5], &[0.75, 0.75], 0.25);
    assert_eq!(Sample::of(&[]), None);
    assert_eq!(Sample::of(&[0.5]), Some(Sample { count: 1, mean: 0.5, sd: None }));
    assert_eq!(
        Sample::of(&[1.0, 3.0]),
        Some(Sample { count: 2, mean: 2.0, sd: Some(2f64.sqrt()) })
    );
}

#[test]
fn the_table_says_what_is_shown_and_what_is_not() {
    let ablation = Ablation::new("digits", "stack", None, &variants());
    insta::assert_snapshot!(ablation_page(&ablation));
    insta::assert_snapshot!("csv", ablation_csv(&ablation));

    let folder = tempfile::tempdir().unwrap();
    ablation.write(folder.path()).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("table.md").trim_end(), ablation_page(&ablation));
    assert_eq!(read("table.csv"), ablation_csv(&ablation));
    let first = variants().remove(0);
    let short = Ablation::new("digits", "stack", Some(0.9), &[first]);
    short.write(folder.path()).unwrap();
    insta::assert_snapshot!("json", read("table.json"));
}

#[test]
fn one_seed_proves_nothing() {
    let one = |variant: Variant| Variant { runs: variant.runs[..1].to_vec(), ..variant };
    let variants: Vec<Variant> = variants().into_iter().map(one).collect();
    insta::assert_snapshot!(ablation_page(&Ablation::new("digits", "each", Some(0.97), &variants)));
}

#[test]
fn a_reference_that_diverged_compares_with_nothing() {
    let mut variants = variants();
    variants[0].runs[2].ending = Ending::Diverged(200);
    insta::assert_snapshot!(ablation_page(&Ablation::new("digits", "each", None, &variants)));
}

/// Three seeds each; the last variant diverges once.
fn variants() -> Vec<Variant> {
    let variant = |name: &str, accuracies: [f64; 3]| Variant {
        name: name.into(),
        runs: (1..).zip(accuracies).map(|(seed, top1)| run(seed, top1)).collect(),
    };
    let mut broken = variant("+ LinearScaling", [0.975, 0.976, 0.976]);
    broken.runs[1].ending = Ending::Diverged(150);
    broken.runs[1].epochs.truncate(1);
    vec![
        variant("baseline", [0.951, 0.953, 0.955]),
        variant("+ Warmup", [0.9525, 0.951, 0.958]),
        variant("+ CosineAnnealing", [0.972, 0.9705, 0.973]),
        variant("+ ZeroGamma", [0.94, 0.94, 0.94]),
        broken,
    ]
}

/// Two epochs of ten seconds on two threads, the second of which ends at `top1`.
fn run(seed: u64, top1: f64) -> VariantRun {
    let facts = RunFacts {
        recipe: "digits".into(),
        recipe_hash: "5e884898".into(),
        seed,
        parameters: 77_754,
        device: "cpu".into(),
        precision: "F32".into(),
        threads: 2,
        version: "0.1.0".into(),
    };
    let epoch = |epoch, val_top1| EpochRecord {
        epoch,
        step: 100 * epoch,
        train_loss: 0.3,
        train_top1: 0.7,
        val_loss: 0.25,
        val_top1,
        learning_rate: 0.1,
        seconds: 10.0,
        eval_seconds: 1.0,
        images_per_second: 1000.0,
        loss_scale: None,
    };
    let epochs = vec![epoch(1, 0.5), epoch(2, top1)];
    VariantRun { facts, folder: format!("runs/digits/{seed}"), epochs, ending: Ending::Finished }
}
