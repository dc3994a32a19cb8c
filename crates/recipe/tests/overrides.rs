//! Overrides: what they change in the text, and what they say when they cannot.
#![allow(clippy::unwrap_used)]

use trickbag_recipe::{Document, Plan};

const TEXT: &str = r#"Recipe(
    name: "digits",
    seed: 1, // a comment
    data: Mnist10k,
    model: ResNet(depth: 8),
    batch_size: 128,
    epochs: 12,
    optimizer: Sgd(lr: 0.1),
    tricks: [
        Warmup(epochs: 1),
        CosineAnnealing,
        LabelSmoothing(0.1),
    ],
)
"#;

fn document() -> Document {
    Document::new("digits.ron", TEXT).unwrap()
}

/// The lines of the text that `assignments` change, joined.
fn changed(assignments: &[&str]) -> String {
    let mut document = document();
    assignments.iter().for_each(|assignment| document.set(assignment).unwrap());
    let before: Vec<&str> = TEXT.lines().collect();
    let lines = document.text().lines().filter(|line| !before.contains(line));
    lines.map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn overrides_change_their_value_and_nothing_else() {
    for (assignments, expected) in [
        (&["batch_size=64"] as &[_], "batch_size: 64,"),
        (&["batch_size = 64 "], "batch_size: 64,"),
        (&["seed=2"], "seed: 2, // a comment"),
        (&["name=\"a=b\""], "name: \"a=b\","),
        (&["optimizer.lr=0.05"], "optimizer: Sgd(lr: 0.05),"),
        (&["optimizer.momentum=0.9"], "optimizer: Sgd(lr: 0.1, momentum: 0.9),"),
        (&["optimizer=AdamW(lr: 1e-3)"], "optimizer: AdamW(lr: 1e-3),"),
        (
            &["optimizer=AdamW(lr: 1e-3)", "optimizer.eps=1e-6"],
            "optimizer: AdamW(lr: 1e-3, eps: 1e-6),",
        ),
        (&["optimizer.lr=1", "optimizer.lr=2"], "optimizer: Sgd(lr: 2),"),
        (&["tricks[0].epochs=2"], "Warmup(epochs: 2),"),
        (&["tricks[Warmup].from=0.01"], "Warmup(epochs: 1, from: 0.01),"),
        (&["tricks[CosineAnnealing].min=1e-5"], "CosineAnnealing(min: 1e-5),"),
        (&["tricks[LabelSmoothing]=LabelSmoothing(0.2)"], "LabelSmoothing(0.2),"),
        (&["tricks=[]"], "tricks: [],"),
        (&["model.stem=Cifar", "model.width=4"], "model: ResNet(depth: 8, stem: Cifar, width: 4),"),
        (&["augment=[PadCrop(2)]"], "], augment: [PadCrop(2)],"),
    ] {
        assert_eq!(changed(assignments), expected, "{assignments:?}");
    }
}

#[test]
fn overrides_that_fail_say_why_and_leave_the_document_alone() {
    let mut messages = String::new();
    for assignment in [
        "batch_size",
        "batch_size=",
        "=64",
        "batch size=64",
        "batchsize=64",
        "optimiser.lr=0.1",
        "optimizer.learning_rate=0.1",
        "optimizer.lr.x=1",
        "epochs=twelve",
        "epochs=-1",
        "epochs=1, seed: 2",
        "epochs=1 // one",
        "name=digits",
        "optimizer=SGD(lr: 0.1)",
        "optimizer=Sgd(lr: 0.1",
        "tricks[Warmpu].epochs=2",
        "tricks[3].epochs=2",
        "tricks.Warmup=2",
        "tricks[LabelSmoothing].eps=0.2",
        "tricks[0]=30",
        "normalize.mean=[0.5]",
        "model.stem.size=3",
    ] {
        let mut document = document();
        let error = document.set(assignment).unwrap_err();
        assert_eq!(document.text(), TEXT);
        messages += &format!("{error}\n\n");
    }
    insta::assert_snapshot!("refused_overrides", messages);
}

#[test]
fn what_an_override_makes_impossible_names_the_override() {
    let mut messages = String::new();
    for assignments in [
        &["optimizer.lr=0"] as &[_],
        &["batch_size=9000"],
        &["epochs=1"],
        &["tricks[Warmup].epochs=20"],
        &["optimizer=Sgd(lr: 0.1, nesterov: true)"],
        &["model=ResNet(depth: 21)"],
        &["augment=[HorizontalFlip, PadCrop(30)]"],
        &["tricks=[\n\n\n]", "augment=[]", "epochs=0"],
    ] {
        let mut document = document();
        assignments.iter().for_each(|assignment| document.set(assignment).unwrap());
        let error = Plan::new(&document, &document.facts().unwrap()).unwrap_err();
        messages += &format!("{error}\n\n");
    }
    insta::assert_snapshot!("impossible_overrides", messages);
}

#[test]
fn lines_keep_their_numbers_when_an_override_moves_them() {
    let mut document = Document::new("digits.ron", TEXT.replace("0.1)", "-1)")).unwrap();
    document.set("seed=\n\n2").unwrap();
    let error = Plan::new(&document, &document.facts().unwrap()).unwrap_err();
    assert!(error.to_string().starts_with("digits.ron:8:24: "), "{error}");
}
