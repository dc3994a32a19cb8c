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
        insta::assert_snapshot!(plan.name.clone(), plan);
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
fn removing_a_trick_removes_exactly_that_trick() {
    let changes = [
        ("Precision(F32)", ""),
        ("ZeroGamma", "zero_gamma"),
        ("CosineAnnealing(min: 1e-5)", "learning_rate"),
        ("LabelSmoothing(0.1)", "targets"),
        ("NoBiasDecay", "groups"),
        ("Warmup(steps: 10, from: 0.01)", "learning_rate"),
        ("LinearScaling(base_batch: 128)", "learning_rate"),
        ("MixUp(alpha: 0.2, probability: 0.5)", "mixing"),
        ("CutMix(alpha: 1.0, probability: 0.5)", "mixing"),
        ("GradientClipping(Norm(1.0))", "clip"),
        ("RepeatedAugmentation(2)", "order"),
        ("StochasticDepth(0.1)", "network"),
        ("Dropout(0.1)", "network"),
        ("SqueezeExcite(reduction: 4)", "groups, network"),
        ("BlurPool", "network"),
        ("BinaryCrossEntropy", "loss"),
        ("InitFrom(\"a.safetensors\")", "init_from"),
        ("GradientAccumulation(micro_batch: 32)", "micro_batch"),
        ("Sam(rho: 0.05)", "sam"),
        ("Lookahead(alpha: 0.5, every: 5)", "lookahead"),
        ("WeightAverage(Ema(decay: 0.99))", "average"),
    ];
    let tricks = changes.map(|(trick, _)| trick);
    let all = plan(&with_tricks(&tricks));
    for (trick, expected) in changes {
        let others: Vec<_> = tricks.into_iter().filter(|other| *other != trick).collect();
        let without = plan(&with_tricks(&others));
        assert_eq!(differences(&all, &without), expected, "{trick}");
        let kept: Vec<_> = without.tricks.iter().map(|trick| trick.name).collect();
        let gone: Vec<_> = all.tricks.iter().filter(|t| !kept.contains(&t.name)).collect();
        assert!(gone.len() == 1 && trick.starts_with(gone[0].name), "{trick}");
    }
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

/// The parts that differ and can be told apart, besides the hash and the list of tricks.
fn differences(a: &Plan, b: &Plan) -> String {
    let mut same = b.clone();
    let mut names = Vec::new();
    let mut part = |name, differs| {
        if differs {
            names.push(name);
        }
    };
    part("learning_rate", a.learning_rate != b.learning_rate);
    part("groups", a.groups != b.groups);
    part("targets", a.targets != b.targets);
    part("loss", a.loss != b.loss);
    part("init_from", a.init_from != b.init_from);
    part("micro_batch", a.micro_batch != b.micro_batch);
    part("sam", a.sam != b.sam);
    part("lookahead", a.lookahead != b.lookahead);
    part("average", a.average != b.average);
    part("zero_gamma", a.zero_gamma != b.zero_gamma);
    part("precision", a.precision != b.precision);
    part("mixing", a.mixing != b.mixing);
    part("clip", a.clip != b.clip);
    part("order", a.order != b.order);
    part("network", a.network != b.network);
    same.learning_rate = a.learning_rate.clone();
    same.groups = a.groups.clone();
    (same.targets, same.zero_gamma, same.precision) = (a.targets, a.zero_gamma, a.precision);
    (same.loss, same.init_from) = (a.loss.clone(), a.init_from.clone());
    (same.micro_batch, same.sam) = (a.micro_batch, a.sam);
    (same.lookahead, same.average) = (a.lookahead, a.average);
    (same.network, same.macs) = (a.network.clone(), a.macs);
    (same.mixing, same.clip, same.order) = (a.mixing, a.clip, a.order);
    (same.recipe_hash, same.tricks) = (a.recipe_hash.clone(), a.tricks.clone());
    part("something else", same != *a);
    names.join(", ")
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
