//! The rules of the house. Each finds what breaks it, and says what to do.

use crate::plan::{Crate, Dfdx, FRONT_DOOR, House, PROGRAM, ROOMS, Source, package, room};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::BTreeSet;

pub(crate) struct Rule {
    pub name: &'static str,
    pub broken: fn(&House) -> Vec<String>,
}

pub(crate) const RULES: &[Rule] = &[
    Rule { name: "every crate has a room", broken: homeless },
    Rule { name: "packages are named after their folder", broken: misnamed },
    Rule { name: "imports point down", broken: imports_up },
    Rule { name: "some know no dfdx", broken: knows_dfdx },
    Rule { name: "only the program talks to the outside", broken: talks },
    Rule { name: "only the program names a device", broken: names_device },
    Rule { name: "the trainer knows no trick by name", broken: knows_trick },
    Rule { name: "every file says its job", broken: silent },
    Rule { name: "files are named after the noun they hold", broken: vague },
    Rule { name: "every crate can be published", broken: unpublishable },
    Rule { name: "every crate opens with a README", broken: without_readme },
];

fn homeless(house: &House) -> Vec<String> {
    let folders: BTreeSet<_> = rooms(house).map(|found| found.folder.as_str()).collect();
    let planned: BTreeSet<_> = ROOMS.iter().map(|room| room.folder).collect();
    let extra = folders.difference(&planned).map(|folder| {
        format!("crates/{folder} is in no layer; add it to ROOMS and to ARCHITECTURE.md")
    });
    let missing = planned.difference(&folders).map(|folder| {
        format!("crates/{folder} is gone; take it out of ROOMS and of ARCHITECTURE.md")
    });
    extra.chain(missing).collect()
}

fn misnamed(house: &House) -> Vec<String> {
    let wrong = rooms(house).filter(|found| found.name != package(&found.folder));
    wrong
        .map(|found| {
            let (folder, name) = (&found.folder, &found.name);
            format!("crates/{folder} holds `{name}`; call the package `{}`", package(folder))
        })
        .collect()
}

fn imports_up(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for (upper, lower) in ROOMS.iter().flat_map(|room| ROOMS.iter().map(move |other| (room, other)))
    {
        let imports = house.crates.iter().find(|found| found.folder == upper.folder);
        let imports = imports.is_some_and(|found| found.imports.contains(&package(lower.folder)));
        if imports && upper.layer <= lower.layer {
            found.push(format!(
                "{} (layer {}) imports {} (layer {}); move what both need to a lower layer",
                upper.folder, upper.layer, lower.folder, lower.layer
            ));
        }
    }
    found
}

fn knows_dfdx(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for knower in &house.crates {
        let allowed = match room(&knower.folder) {
            Some(room) => room.dfdx,
            None => Dfdx::Nowhere,
        };
        let name = &knower.name;
        if allowed == Dfdx::Nowhere && knower.linked.contains("dfdx") {
            found.push(format!("{name} links dfdx; drop the dependency that brings it"));
        } else if allowed != Dfdx::Direct && knower.imports.contains("dfdx") {
            found.push(format!("{name} imports dfdx; use the settings types of lower crates"));
        }
    }
    found
}

fn talks(house: &House) -> Vec<String> {
    const TALK: [(&str, &str); 12] = [
        ("print!", "return the text"),
        ("println!", "return the text"),
        ("eprint!", "return an error"),
        ("eprintln!", "return an error"),
        ("dbg!", "delete it"),
        ("stdout", "return the text"),
        ("stderr", "return an error"),
        ("std::env", "take the value as an argument"),
        ("env::", "take the value as an argument"),
        ("std::process", "return an error and let the program decide"),
        ("process::exit", "return an error and let the program decide"),
        ("process::abort", "return an error and let the program decide"),
    ];
    let below = ROOMS.iter().filter(|room| room.folder != PROGRAM);
    let sources = below.flat_map(|room| house.shipped(room.folder));
    sources.flat_map(|source| forbid(source, &TALK)).collect()
}

fn names_device(house: &House) -> Vec<String> {
    const DEVICES: [(&str, &str); 3] = [
        ("Cpu", "be generic over the device"),
        ("Cuda", "be generic over the device"),
        ("AutoDevice", "be generic over the device"),
    ];
    let generic = ROOMS.iter().filter(|room| !["ops", "precision", PROGRAM].contains(&room.folder));
    let sources = generic.flat_map(|room| house.shipped(room.folder));
    sources.flat_map(|source| forbid(source, &DEVICES)).collect()
}

fn knows_trick(house: &House) -> Vec<String> {
    if house.tricks.is_empty() {
        return vec![
            "found no crates/recipe/src/tricks/*.rs; tell this test where they are".into(),
        ];
    }
    let advice = "let the trick change the plan, or fill one of its slots";
    // The crate `precision` and the trick `Precision` share their name.
    let tricks = house.tricks.iter().filter(|trick| room(trick).is_none());
    let names: Vec<String> = tricks.map(|trick| camel_case(trick)).collect();
    let names = names.iter().map(String::as_str).chain(["tricks::"]);
    let forbidden: Vec<_> = names.map(|name| (name, advice)).collect();
    house.shipped("trainer").flat_map(|source| forbid(source, &forbidden)).collect()
}

fn silent(house: &House) -> Vec<String> {
    let silent = house.sources.iter().filter(|source| !source.text.starts_with("//! "));
    silent.map(|source| format!("{}: open it with `//!` and its job", source.path)).collect()
}

fn vague(house: &House) -> Vec<String> {
    const VAGUE: [&str; 5] = ["utils", "common", "helpers", "misc", "manager"];
    let vague = house
        .sources
        .iter()
        .filter(|source| source.path.split(['/', '.']).any(|part| VAGUE.contains(&part)));
    vague.map(|source| format!("{}: name it after what it holds", source.path)).collect()
}

fn unpublishable(house: &House) -> Vec<String> {
    const FIELDS: [&str; 4] = ["description", "license", "categories", "rust-version"];
    let fields = house.crates.iter().flat_map(|found| FIELDS.map(|field| (found, field)));
    let empty = fields.filter(|(found, field)| !found.fields.contains(field));
    empty.map(|(found, field)| format!("{} has no {field}; fill it in", found.name)).collect()
}

/// An introduction is long enough to say what the crate is for and shows an example.
fn without_readme(house: &House) -> Vec<String> {
    const LINES: usize = 8;
    let mut found = Vec::new();
    for room in ROOMS {
        let introduces = |source: &Source| {
            let lines = source.text.lines().take_while(|line| line.starts_with("//!"));
            let lines: Vec<_> = lines.collect();
            lines.len() >= LINES && lines.iter().any(|line| line.starts_with("//! ```"))
        };
        let root = |source: &&Source| {
            source.path.ends_with("/src/lib.rs") || source.path.ends_with("/src/main.rs")
        };
        if !house.shipped(room.folder).filter(root).any(introduces) {
            found.push(format!(
                "crates/{}: open the crate with {LINES} lines of `//!` or more, and an example",
                room.folder
            ));
        }
    }
    found
}

fn rooms(house: &House) -> impl Iterator<Item = &Crate> {
    house.crates.iter().filter(|found| found.folder != FRONT_DOOR)
}

/// `linear_scaling` is `LinearScaling`.
fn camel_case(stem: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    stem.split('_').map(capital).collect()
}

/// Where code outside tests holds one of the sequences of tokens, each with what to do instead.
fn forbid(source: &Source, forbidden: &[(&str, &str)]) -> Vec<String> {
    let words = words(&source.text);
    let mut found = Vec::new();
    for (sequence, advice) in forbidden {
        let sought: Vec<String> = self::words(sequence).into_iter().map(|word| word.text).collect();
        for window in words.windows(sought.len()) {
            if window.iter().map(|word| &word.text).eq(&sought) {
                let (path, line) = (&source.path, window[0].line);
                found.push(format!("{path}:{line} names `{sequence}`; {advice}"));
            }
        }
    }
    found
}

struct Word {
    text: String,
    line: usize,
}

/// The code as flat tokens: no comments, no strings' insides, and no items for tests.
fn words(code: &str) -> Vec<Word> {
    let mut words = Vec::new();
    flatten(code.parse().unwrap(), &mut words);
    words
}

fn flatten(tokens: TokenStream, words: &mut Vec<Word>) {
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) if marks_test(&group) => {
                tokens.find(ends_item);
            }
            TokenTree::Group(group) => flatten(group.stream(), words),
            other => words.push(Word { line: other.span().start().line, text: other.to_string() }),
        }
    }
}

/// The brackets of `#[test]`, `#[cfg(test)]` and the like.
fn marks_test(group: &Group) -> bool {
    let inside = group.stream().to_string();
    let inside: String = inside.split_whitespace().collect();
    group.delimiter() == Delimiter::Bracket
        && (inside == "test"
            || inside.starts_with("cfg(test")
            || inside.starts_with("cfg(all(test"))
}

fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(mark) => mark.as_char() == ';',
        _ => false,
    }
}
