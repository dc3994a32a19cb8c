//! What `explain` says of a plan, as text and as JSON, and where it says that a value comes from.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trickbag_recipe::{Document, Layers, Plan};

const TEXT: &str = r#"Recipe(
    name: "digits",
    seed: 1,
    data: Mnist10k,
    model: ResNet(depth: 8, stem: Cifar, width: 4),
    batch_size: 250,
    epochs: 4,
    optimizer: Sgd(lr: 0.1, momentum: 0.9),
    tricks: [
        LinearScaling(base_batch: 125),
        Warmup(epochs: 1),
        CosineAnnealing,
        Dropout(0.1),
    ],
)
"#;

fn document(assignments: &[&str]) -> Document {
    let mut document = Document::new("digits.ron", TEXT).unwrap();
    assignments.iter().for_each(|assignment| document.set(assignment).unwrap());
    document
}

fn plan(document: &Document) -> Plan {
    Plan::new(document, &document.facts().unwrap()).unwrap()
}

fn explained(assignments: &[&str]) -> Value {
    let document = document(assignments);
    serde_json::to_value(plan(&document).explain(&document)).unwrap()
}

#[test]
fn a_plan_is_explained() {
    let document = document(&["batch_size=500", "tricks[Warmup].epochs=2"]);
    let plan = plan(&document);
    let explanation = plan.explain(&document);
    insta::assert_snapshot!("page", explanation.with_layers(Layers::All));
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&explanation).unwrap());
}

#[test]
fn json_has_every_field_of_a_plan() {
    let debug = format!("{:#?}", plan(&document(&[])));
    let fields = debug.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(':'));
    let names = fields.map(|(name, _)| name).filter(|name| !name.starts_with([' ', '}', ']']));
    let mut expected: BTreeSet<&str> = names.collect();
    expected.insert("memory");
    let found = explained(&[]);
    let found: BTreeSet<&str> = found.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(found, expected);
}

#[test]
fn values_come_from_settings_defaults_overrides_and_tricks() {
    let setting = |path: &str, places: &[&str]| json!({ "path": path, "places": places });
    for (assignments, field, expected) in [
        (&[] as &[_], "seed", vec![setting("seed", &["digits.ron:3:11"])]),
        (&[], "augment", vec![setting("augment", &[])]),
        (&[], "clip", vec![]),
        (
            &[],
            "learning_rate",
            vec![
                setting("optimizer.lr", &["digits.ron:8:24"]),
                setting("tricks[LinearScaling]", &["digits.ron:10:9"]),
                setting("tricks[Warmup]", &["digits.ron:11:9"]),
                setting("tricks[CosineAnnealing]", &["digits.ron:12:9"]),
            ],
        ),
        (
            &["optimizer.lr=1", "tricks=[Warmup(epochs: 1)]", "tricks[Warmup].epochs=2"],
            "learning_rate",
            vec![
                setting("optimizer.lr", &["--set optimizer.lr=1"]),
                setting(
                    "tricks[Warmup]",
                    &["--set tricks=[Warmup(epochs: 1)]", "--set tricks[Warmup].epochs=2"],
                ),
            ],
        ),
        (
            &["optimizer.nesterov=true"],
            "optimizer",
            vec![setting("optimizer", &["digits.ron:8:16", "--set optimizer.nesterov=true"])],
        ),
        (&["seed=2", "seed=3"], "seed", vec![setting("seed", &["--set seed=3"])]),
    ] {
        assert_eq!(explained(assignments)[field]["from"], json!(expected), "{field}");
    }
}
