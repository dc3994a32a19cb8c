//! Laws of the method cards: what they say about lines and plans holds, and they are the manual's
//! chapter on tricks.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use trickbag_recipe::tricks::{CARDS, Card, card};
use trickbag_recipe::{Document, Error, Plan};

/// Networks that the tricks on them fit: basic blocks, and bottlenecks without tweaks.
const MODELS: [&str; 2] = [
    "data: Mnist10k, model: ResNet(depth: 8, stem: Cifar, width: 8)",
    "data: ImageFolder(path: \"absent\", size: 64, expect: (train: 4000, val: 100, classes: 10)),
    model: ResNet(depth: 50, variant: A, width: 8)",
];

/// What a trick may have beside it. A trick that has a line here, or one for the same slot, is
/// tested on the others.
const COMPANIES: [&[&str]; 4] = [
    &[],
    &["LinearScaling(base_batch: 128)", "Warmup(epochs: 1)", "CosineAnnealing", "ZeroGamma"],
    &["LabelSmoothing(0.1)", "NoBiasDecay", "MixUp(alpha: 0.2, probability: 0.5)"],
    &["Freeze([\"conv1.*\"])", "Precision(F16)"],
];

fn plan(model: &str, tricks: &[&str]) -> Result<Plan, Error> {
    let text = format!(
        "(name: \"card\", seed: 1, {model}, batch_size: 512, epochs: 40,
        optimizer: Sgd(lr: 0.1, momentum: 0.9, weight_decay: 1e-4), tricks: [{}])",
        tricks.join(", ")
    );
    let document = Document::new("card", text)?;
    Plan::new(&document, &document.facts()?)
}

/// The text of each field of a plan, from the form that names them all.
fn fields(plan: &Plan) -> BTreeMap<String, String> {
    let mut fields = Vec::new();
    for line in format!("{plan:#?}").lines().skip(1) {
        let field = line.strip_prefix("    ").and_then(|rest| rest.split_once(':'));
        match field {
            Some((name, value)) if name.starts_with(|c: char| c.is_ascii_lowercase()) => {
                fields.push((name.to_owned(), value.to_owned()));
            }
            _ => fields.last_mut().unwrap().1.push_str(line),
        }
    }
    fields.into_iter().collect()
}

/// The fields that differ, but for the hash and the list of tricks, which always do.
fn differences(a: &Plan, b: &Plan) -> Vec<String> {
    let (a, b) = (fields(a), fields(b));
    assert!(a.keys().eq(b.keys()));
    let always = ["recipe_hash", "tricks"];
    let differ = a.into_iter().filter(|(name, value)| b[name] != *value);
    differ.map(|(name, _)| name).filter(|name| !always.contains(&name.as_str())).collect()
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.tricks.iter().map(|trick| trick.name).collect()
}

#[test]
fn removing_a_trick_changes_exactly_what_its_card_says() {
    let folder = tempfile::tempdir().unwrap();
    let teacher = folder.path().join("teacher.ron");
    let recipe =
        "(name: \"teacher\", seed: 1, data: Mnist10k, model: ResNet(depth: 8, stem: Cifar),
        batch_size: 8, epochs: 1, optimizer: Sgd(lr: 0.1))";
    fs::write(&teacher, recipe).unwrap();
    for card in CARDS {
        let line = card.line.replace("teacher.ron", &teacher.display().to_string());
        let (mut accepted, mut changed) = (0, BTreeSet::new());
        for (model, company) in MODELS.iter().flat_map(|model| COMPANIES.map(|c| (*model, c))) {
            let lines = [company, &[&line]].concat();
            let Ok(with) = plan(model, &lines) else { continue };
            let without = plan(model, company).unwrap();
            accepted += 1;
            changed.extend(differences(&with, &without));
            let mut kept = names(&with);
            kept.retain(|name| *name != card.name);
            assert_eq!(kept, names(&without), "{}", card.line);
        }
        assert!(accepted > 0, "no plan here takes `{}`: add a model or a company", card.line);
        let expected: BTreeSet<String> = card.changes.iter().map(|&field| field.into()).collect();
        assert_eq!(changed, expected, "{}", card.line);
    }
}

#[test]
fn every_card_is_whole_and_fits_the_page() {
    for pair in CARDS.windows(2) {
        assert!(pair[0].name < pair[1].name, "cards are sorted by name");
    }
    for page in CARDS {
        assert_eq!(card(page.name), Some(page));
        assert_eq!(page.line.split('(').next(), Some(page.name));
        for text in [page.what, page.convention, page.measured, page.hurts] {
            let whole = text.ends_with('.') && !text.contains("TODO") && !text.contains("  ");
            assert!(whole, "{}: {text:?}", page.name);
        }
        let text = page.to_string();
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 100 && text.lines().count() < 40, "{text}");
    }
    assert_eq!(card("warmup"), None);
    insta::assert_snapshot!("warmup", card("Warmup").unwrap());
}

const MANUAL: &str = "../../docs/tricks.md";

const PREFACE: &str = "# Tricks

The method cards of all tricks, as `cargo xtask explain NAME` prints them. [recipes.md](recipes.md#tricks) has their settings
in short. Figures are top-1 accuracies in percent unless they say otherwise; those marked \"about\" are approximate, and one
seed proves nothing below 0.3 points. `changes` names fields of the plan, as `cargo xtask explain RECIPE --json` has them.

This page is written by a test of `trickbag-recipe`: change the cards, not the page.
";

#[test]
fn the_manual_has_every_card() {
    let pages: String = CARDS.iter().map(markdown).collect();
    let expected = format!("{PREFACE}{pages}");
    if fs::read_to_string(MANUAL).unwrap_or_default() != expected {
        fs::write(MANUAL, expected).unwrap();
        panic!("docs/tricks.md was not what the cards say. It has just been written anew: read it");
    }
}

fn markdown(card: &Card) -> String {
    let Card { name, slot, source, line, what, convention, measured, hurts, changes } = card;
    let changes: Vec<String> = changes.iter().map(|field| format!("`{field}`")).collect();
    format!(
        "\n## {name}\n\nSets {slot}.\n\n```ron\n{line}\n```\n\n{what}\n\n\
         - **Convention.** {convention}\n- **Measured.** {measured}\n- **Hurts.** {hurts}\n\
         - **Changes** {}.\n- **Source.** {source}.\n",
        changes.join(", ")
    )
}
