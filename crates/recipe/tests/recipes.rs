//! The plans of the recipes of this repository, and laws that hold for recipes and plans.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use trickbag_models::ZeroGamma;
use trickbag_param_groups::{Kind, Lars};
use trickbag_recipe::{Document, Plan};
use trickbag_schedules::Schedule;

const TRICKS: [&str; 7] = [
    "Precision(F32)",
    "ZeroGamma",
    "CosineAnnealing(min: 1e-5)",
    "LabelSmoothing(0.1)",
    "NoNormDecay",
    "Warmup(steps: 10, from: 0.01)",
    "LinearScaling(base_batch: 128)",
];

const RECIPES: &str = "recipes";

/// Where people start the program: recipes name other recipes by paths from there.
fn go_to_root() {
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
}

fn recipes() -> Vec<Document> {
    paths().into_iter().map(|path| Document::read(path).unwrap()).collect()
}

fn paths() -> Vec<PathBuf> {
    go_to_root();
    let mut paths = Vec::new();
    collect(Path::new(RECIPES), &mut paths);
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// The files of a folder and of those in it.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, paths) } else { paths.push(path) }
    }
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

/// Folders in which each recipe is the one before with one thing added.
const LADDERS: [&str; 6] = [
    "bag-of-tricks/inception-v3",
    "bag-of-tricks/mobilenet",
    "bag-of-tricks/resnet50",
    "cifar10/resnet18",
    "cifar10/resnet20",
    "torchvision",
];

/// The snapshot holds, for each rung, the lines that it takes from the rung below and those that it
/// adds: they must be what its name says.
#[test]
fn rungs_of_ladders_differ_by_what_their_names_say() {
    go_to_root();
    let mut changes = String::new();
    for ladder in LADDERS {
        let mut paths = Vec::new();
        collect(&Path::new(RECIPES).join(ladder), &mut paths);
        paths.sort();
        for pair in paths.windows(2) {
            let [below, rung] = [&pair[0], &pair[1]].map(|path| statements(path));
            let name = pair[1].file_stem().unwrap().to_str().unwrap();
            changes += &format!("{ladder}/{name}\n");
            let lacks = |lines: &[String], line: &String| !lines.contains(line);
            for line in below.iter().filter(|line| lacks(&rung, line)) {
                changes += &format!("  - {line}\n");
            }
            for line in rung.iter().filter(|line| lacks(&below, line)) {
                changes += &format!("  + {line}\n");
            }
        }
    }
    insta::assert_snapshot!("ladders", changes);
}

/// The lines of a recipe without comments and its name.
fn statements(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with("name:")).map(str::to_owned).collect()
}

#[test]
fn recipes_are_named_after_their_files() {
    for (path, document) in paths().into_iter().zip(recipes()) {
        let file = path.with_extension("");
        let parts = file.strip_prefix(RECIPES).unwrap().iter().map(|part| part.to_str().unwrap());
        assert_eq!(document.recipe().name, parts.collect::<Vec<_>>().join("-"));
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
fn an_unfrozen_network_has_the_groups_of_one_that_was_never_frozen() {
    let decay = "NoBiasDecay";
    let frozen = plan(&with_tricks(&["Freeze([\"conv1.*\"])", "Unfreeze(at: Steps(40))", decay]));
    let free = plan(&with_tricks(&[decay]));
    let unfrozen = frozen.unfreeze.unwrap();
    assert_eq!((unfrozen.step, &unfrozen.groups), (40, &free.groups));
    assert_ne!(frozen.groups, free.groups);
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
