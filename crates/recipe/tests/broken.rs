//! The message of every recipe in `tests/broken`, each of which has one mistake.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use trickbag_recipe::{Document, Error, Plan};

fn planned(path: &Path) -> Result<Plan, Error> {
    let document = Document::read(path)?;
    Plan::new(&document, &document.facts()?)
}

#[test]
fn every_broken_recipe_gets_its_message() {
    let mut paths: Vec<_> =
        fs::read_dir("tests/broken").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 20);
    for path in paths {
        let error = planned(&path).expect_err(&path.display().to_string());
        insta::assert_snapshot!(path.file_stem().unwrap().to_str().unwrap(), error);
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = planned(Path::new("tests/broken/absent.ron")).unwrap_err();
    assert!(error.to_string().starts_with("tests/broken/absent.ron: cannot read the recipe: "));
}
