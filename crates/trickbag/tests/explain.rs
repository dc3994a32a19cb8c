//! `trickbag explain` as a user meets it: recipes, tricks, and what is neither.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

use serde_json::Value;
use trickbag_recipe::tricks::{CARDS, card};

const MNIST: &str = "../../recipes/mnist.ron";

fn explain(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trickbag"));
    command.arg("explain").args(arguments).output().unwrap()
}

fn said(arguments: &[&str]) -> String {
    let output = explain(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn refuses(arguments: &[&str], parts: &[&str]) {
    let output = explain(arguments);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn recipes_are_explained() {
    let page = said(&[MNIST, "--set", "epochs=3"]);
    for part in
        ["3 epochs", "--set epochs", "lines 8, 11, NoBiasDecay", "layer2.0 ", "\ntime\n  about "]
    {
        assert!(page.contains(part), "`{part}` is not in: {page}");
    }
    assert!(said(&[MNIST, "--layers"]).contains("layer2.0.conv1 "));
}

#[test]
fn json_has_the_plan_and_the_time() {
    let found: Value = serde_json::from_str(&said(&[MNIST, "--json"])).unwrap();
    assert_eq!(found["batch_size"]["value"], 64);
    assert_eq!(found["optimizer"]["value"]["Sgd"]["weight_decay"], 5e-4);
    assert!(found["memory"]["activations"].as_u64() > Some(1_000_000), "{found}");
    assert!(found["time"]["seconds"].as_f64() > Some(0.0), "{found}");
}

#[test]
fn tricks_have_their_cards() {
    let page = card("MixUp").unwrap().to_string();
    assert_eq!(said(&["MixUp"]).trim_end(), page.trim_end());
    let found: Value = serde_json::from_str(&said(&["MixUp", "--json"])).unwrap();
    assert_eq!(found["changes"][0], "mixing");
    let list = said(&["--tricks"]);
    assert_eq!(list.lines().count(), CARDS.len());
    assert!(CARDS.iter().all(|card| list.contains(card.name)));
}

#[test]
fn what_is_neither_is_refused() {
    refuses(&["warmpu"], &["no trick `warmpu`; did you mean `Warmup`?", "MixUp, MomentumSchedule"]);
    refuses(&["absent.ron"], &["absent.ron: cannot read the recipe"]);
    refuses(&[], &["RECIPE|TRICK"]);
    refuses(&["--tricks", "Warmup"], &["--tricks"]);
}
