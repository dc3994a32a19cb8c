//! The message of every recipe in `tests/broken`, each of which has one mistake.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

use trickbag_recipe::{Document, Error, Place, Plan};

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

#[test]
fn text_that_is_cut_or_lacks_a_character_is_refused_in_one_of_its_lines() {
    let text = fs::read_to_string("../../recipes/mnist.ron").unwrap();
    let end = text.trim_end().len();
    for (at, c) in text.char_indices().take_while(|(at, _)| *at < end) {
        let error = Document::new("cut", &text[..at]).unwrap_err();
        check_place(&error, &text);
        let lacking = [&text[..at], &text[at + c.len_utf8()..]].concat();
        if let Err(error) = Document::new("lacking", lacking) {
            check_place(&error, &text);
        }
    }
}

fn check_place(error: &Error, text: &str) {
    let Place::Line(line) = error.place() else { panic!("{error}") };
    assert!(line.number <= text.lines().count(), "{error}");
    assert!(line.column + line.width <= line.text.chars().count() + 1, "{error}");
}
