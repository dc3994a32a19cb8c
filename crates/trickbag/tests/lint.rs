//! `trickbag lint` as a user meets it: what it prints, its JSON, and its exit codes.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

const RECIPE: &str = r#"Recipe(
    name: "tiny", seed: 3, data: Idx(path: "digits"), augment: [PadCrop(2)],
    normalize: (mean: [0.5], std: [0.3]),
    model: ResNet(depth: 8, stem: Cifar, width: 4),
    batch_size: 32, epochs: 20,
    optimizer: Sgd(lr: 0.0125, momentum: 0.9, weight_decay: 5e-4),
    tricks: [CosineAnnealing, NoBiasDecay, NoNormDecay],
)"#;

/// A folder with `tiny.ron` and images of 12 x 12 pixels in 3 classes, the same in both splits.
fn place() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.ron"), RECIPE).unwrap();
    let digits = folder.path().join("digits");
    fs::create_dir(&digits).unwrap();
    for split in ["train", "t10k"] {
        let pixels = (0..600 * 144_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
        write_idx(&digits.join(format!("{split}-images-idx3-ubyte")), &[600, 12, 12], pixels);
        let labels = (0..600).map(|i| (i % 3) as u8);
        write_idx(&digits.join(format!("{split}-labels-idx1-ubyte")), &[600], labels);
    }
    folder
}

fn write_idx(path: &Path, sizes: &[u32], values: impl Iterator<Item = u8>) {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(values);
    fs::write(path, bytes).unwrap();
}

fn lint(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trickbag"));
    command.current_dir(folder.path()).arg("lint").args(arguments).output().unwrap()
}

#[test]
fn what_the_images_show_is_reported_and_can_be_denied() {
    let folder = place();
    let output = lint(&folder, &["tiny.ron"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    insta::assert_snapshot!("lint", String::from_utf8(output.stdout).unwrap());

    let check = |arguments: &[&str], code| {
        let output = lint(&folder, &[&["tiny.ron", "--deny", "warnings"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    };
    let allow = "allow=[(rule: \"TB602\", reason: \"a test of the program\")]";
    let note = "batch_size=31";
    check(&[], 1);
    check(&["--set", allow], 0);
    check(
        &["--set", allow, "--set", note, "--set", "tricks=[MixUp(alpha: 1.0), CosineAnnealing]"],
        0,
    );
    check(&["--set", "batch_size=0"], 2);
    check(&["--set", "allow=[(rule: \"TB000\", reason: \"a slip\")]"], 2);
}

#[test]
fn json_has_code_place_and_fix() {
    let output = lint(&place(), &["tiny.ron", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found[0]["code"], "TB602");
    assert_eq!(found[0]["severity"], "warning");
    assert_eq!(found[0]["place"], json!({ "file": "tiny.ron", "line": 2, "column": 34 }));
    assert_eq!(found.as_array().unwrap().len(), 1);
}

#[test]
fn images_that_are_not_trained_on_are_not_looked_at() {
    let subset = "tricks=[Subset(fraction: 0.5, seed: 1), CosineAnnealing]";
    let output = lint(&place(), &["tiny.ron", "--json", "--set", subset]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let shared = found.as_array().unwrap().iter().find(|finding| finding["code"] == "TB602");
    let message = shared.unwrap()["message"].as_str().unwrap();
    let count: usize = message.split(' ').next().unwrap().parse().unwrap();
    assert!((200..300).contains(&count), "{message}");
}

#[test]
fn rules_need_no_recipe_and_everything_else_does() {
    let folder = place();
    let rules = lint(&folder, &["--rules"]);
    assert_eq!(rules.status.code(), Some(0));
    let page = fs::read_to_string("../../docs/lint.md").unwrap();
    assert_eq!(String::from_utf8(rules.stdout).unwrap(), page);
    for arguments in [&[] as &[_], &["--json"], &["tiny.ron", "--rules"], &["absent.ron"]] {
        assert_eq!(lint(&folder, arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn where_the_images_are_not_there_it_says_so() {
    let folder = place();
    let data =
        "data=ImageFolder(path: \"absent\", size: 12, expect: (train: 600, val: 600, classes: 3))";
    let normalize = "normalize=(mean: [0.5, 0.5, 0.5], std: [0.3, 0.3, 0.3])";
    let output = lint(&folder, &["tiny.ron", "--set", data, "--set", normalize]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "note: absent is not there, so rules that look at images find nothing\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "tiny: nothing found\n");
}
