//! The plans of the recipes of this repository, and laws that hold for recipes and plans.
#![allow(clippy::unwrap_used)]

use std::fs;

use trickbag_models::ZeroGamma;
use trickbag_param_groups::{Kind, Lars};
use trickbag_recipe::{Document, Plan};
use trickbag_schedules::Schedule;

const TRICKS: [&str; 7] = [
    "Precision(F32)",
    "ZeroGamma",
    "CosineAnnealing(min: 1e-5)",
    "LabelSmoothing(0.1)",
    "NoBiasDecay",
    "Warmup(steps: 10, from: 0.01)",
    "LinearScaling(base_batch: 128)",
];

fn recipes() -> Vec<Document> {
    let mut paths: Vec<_> =
        fs::read_dir("../../recipes").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.into_iter().map(|path| Document::read(path).unwrap()).collect()
}

fn with_tricks(tricks: &[&str]) -> Document {
    document("Sgd(lr: 0.1, momentum: 0.9, weight_decay: 1e-4)", tricks)
}

fn document(optimizer: &str, tricks: &[&str]) -> Document {
    let text = format!(
        "(name: \"law\", seed: 1, data: Mnist10k, model: ResNet(depth: 8, stem: Cifar, width: 4),
        batch_size: 256, epochs: 4, optimizer: {optimizer}, tricks: [{}])",
        tricks.join(", ")
    );
    Document::new("law", text).unwrap()
}

fn plan(document: &Document) -> Plan {
    Plan::new(document, &document.facts().unwrap()).unwrap()
}

#[test]
fn every_recipe_has_its_plan() {
    for document in recipes() {
        let plan = plan(&document);
        insta::assert_snapshot!(plan.name.clone(), plan.explain(&document));
    }
}

#[test]
fn recipes_read_back_as_they_are_written() {
    let decays = [
        "StepDecay(every: Epochs(1), factor: 0.1)",
        "ExponentialDecay(factor: 0.9, every: Steps(7))",
    ];
    let more = [with_tricks(&TRICKS), with_tricks(&decays)];
    for document in recipes().into_iter().chain(more) {
        let mut recipe = document.recipe().clone();
        let again = Document::new("again", recipe.to_string()).unwrap();
        recipe.tricks.sort_by_key(|trick| (trick.card().slot, trick.card().name));
        assert_eq!(*again.recipe(), recipe);
        assert_eq!(again.recipe().hash(), recipe.hash());
    }
}

#[test]
fn the_hash_sees_what_a_recipe_says_and_not_how() {
    let document = |text: &str| Document::new("hash", text).unwrap().recipe().hash();
    let plain =
        "(name: \"a\", seed: 1, data: Mnist10k, model: ResNet(depth: 8), batch_size: 2, epochs: 1,
        optimizer: Sgd(lr: 0.1), tricks: [NoBiasDecay, CosineAnnealing])";
    let same = "Recipe( // a comment
        seed: 0x1, name: r\"a\", optimizer: Sgd(lr: 1e-1, nesterov: false), augment: [],
        batch_size: 2, data: Mnist10k, model: ResNet(depth: 8, stem: ImageNet), epochs: 1,
        tricks: [CosineAnnealing(min: 0), NoBiasDecay()],)";
    assert_eq!(document(plain), document(same));
    assert_eq!(document(plain).len(), 64);
    for other in [("seed: 1", "seed: 2"), ("lr: 0.1", "lr: 0.2"), ("NoBiasDecay, ", "")] {
        assert_ne!(document(plain), document(&plain.replace(other.0, other.1)), "{other:?}");
    }
}

#[test]
fn the_order_of_tricks_has_no_meaning() {
    let expected = plan(&with_tricks(&TRICKS));
    let mut tricks = TRICKS;
    let mut seen = 0;
    permute(&mut tricks, 0, &mut |tricks| {
        seen += 1;
        assert!(plan(&with_tricks(tricks)) == expected, "{tricks:?}");
    });
    assert_eq!(seen, 5040);
}

#[test]
fn without_tricks_a_plan_is_the_baseline() {
    let plan = plan(&with_tricks(&[]));
    assert_eq!(plan.learning_rate, Schedule::constant(0.1).unwrap());
    assert_eq!(plan.targets.label_smoothing, 0.0);
    assert_eq!(plan.zero_gamma, ZeroGamma::Off);
    assert!(plan.groups.rows().iter().all(|row| row.group.weight_decay == 1e-4));
    assert!(plan.tricks.is_empty());
}

#[test]
fn optimisers_that_adapt_rates_spare_biases_and_norms() {
    for (optimizer, spares) in [
        ("Lars(lr: 1.0, momentum: 0.9)", true),
        ("Lamb(lr: 0.01)", true),
        ("AdamW(lr: 0.01)", false),
        ("RmsProp(lr: 0.01)", false),
    ] {
        let plan = plan(&document(optimizer, &[]));
        for (spec, row) in plan.network.parameters().iter().zip(plan.groups.rows()) {
            let weight = matches!(spec.parameter.kind, Kind::ConvWeight | Kind::LinearWeight);
            let expected = if spares && !weight { Lars::Excluded } else { Lars::Included };
            assert_eq!(row.group.lars, expected, "{optimizer}: {}", row.name);
        }
    }
}

#[test]
fn independent_decay_follows_the_scaled_peak() {
    for (decay, lr) in [("Independent", 0.2), ("Decoupled", 0.1), ("Coupled", 0.1)] {
        let sgd = format!("Sgd(lr: 0.1, weight_decay: 1e-4, decay: {decay})");
        let plan = plan(&document(&sgd, &["LinearScaling(base_batch: 128)"]));
        assert_eq!(plan.optimizer.lr(), lr, "{decay}");
    }
}

fn permute(tricks: &mut [&'static str; 7], from: usize, visit: &mut impl FnMut(&[&str])) {
    if from == tricks.len() {
        return visit(tricks);
    }
    for i in from..tricks.len() {
        tricks.swap(from, i);
        permute(tricks, from + 1, visit);
        tricks.swap(from, i);
    }
}
