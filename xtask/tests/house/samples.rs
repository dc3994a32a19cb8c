//! A sound house and ways to break it, one rule at a time.

use crate::plan::{Crate, House, ROOMS, Source, package};

pub(crate) struct Sample {
    pub rule: &'static str,
    pub damage: fn(&mut House),
    pub complaint: &'static str,
}

pub(crate) fn sound() -> House {
    let crates = ROOMS.iter().map(|room| filled(room.folder, package(room.folder)));
    let roots = ROOMS.iter().map(|room| Source {
        path: format!("crates/{}/src/lib.rs", room.folder),
        text: SOUND.into(),
    });
    House {
        crates: crates.collect(),
        sources: roots.collect(),
        tricks: vec!["mix_up".into(), "precision".into()],
    }
}

pub(crate) const BROKEN: &[Sample] = &[
    Sample {
        rule: "every crate has a room",
        damage: |house| build(house, "zoo", "trickbag-zoo"),
        complaint: "crates/zoo is in no layer; add it to ROOMS and to ARCHITECTURE.md",
    },
    Sample {
        rule: "packages are named after their folder",
        damage: |house| the(house, "ops").name = "operators".into(),
        complaint: "crates/ops holds `operators`; call the package `trickbag-ops`",
    },
    Sample {
        rule: "imports point down",
        damage: |house| import(house, "ops", "trickbag-models"),
        complaint: "ops (layer 1) imports models (layer 2); move what both need to a lower layer",
    },
    Sample {
        rule: "imports point down",
        damage: |house| import(house, "losses", "trickbag-optim"),
        complaint: "losses (layer 2) imports optim (layer 2); move what both need to a lower layer",
    },
    Sample {
        rule: "some know no dfdx",
        damage: |house| link(house, "data", "dfdx"),
        complaint: "trickbag-data links dfdx; drop the dependency that brings it",
    },
    Sample {
        rule: "some know no dfdx",
        damage: |house| import(house, "recipe", "dfdx"),
        complaint: "trickbag-recipe imports dfdx; use the settings types of lower crates",
    },
    Sample {
        rule: "some know no dfdx",
        damage: |house| {
            build(house, "xtask", "xtask");
            link(house, "xtask", "dfdx");
        },
        complaint: "xtask links dfdx; drop the dependency that brings it",
    },
    Sample {
        rule: "only the program talks to the outside",
        damage: |house| write(house, "data", "fn f() { println!() }"),
        complaint: "crates/data/src/lib.rs:20 names `println!`; return the text",
    },
    Sample {
        rule: "only the program talks to the outside",
        damage: |house| write(house, "trainer", "\nuse std::env;"),
        complaint: "crates/trainer/src/lib.rs:21 names `std::env`; take the value as an argument",
    },
    Sample {
        rule: "only the program talks to the outside",
        damage: |house| write(house, "ops", "fn f() { process::exit(1) }"),
        complaint: "crates/ops/src/lib.rs:20 names `process::exit`; \
                    return an error and let the program decide",
    },
    Sample {
        rule: "only the program names a device",
        damage: |house| write(house, "models", "#[cfg(unix)] fn f(device: &Cpu) {}"),
        complaint: "crates/models/src/lib.rs:20 names `Cpu`; be generic over the device",
    },
    Sample {
        rule: "the trainer knows no trick by name",
        damage: |house| write(house, "trainer", "fn f(trick: MixUp) {}"),
        complaint: "crates/trainer/src/lib.rs:20 names `MixUp`; \
                    let the trick change the plan, or fill one of its slots",
    },
    Sample {
        rule: "the trainer knows no trick by name",
        damage: |house| write(house, "trainer", "use trickbag_recipe::tricks::*;"),
        complaint: "crates/trainer/src/lib.rs:20 names `tricks::`; \
                    let the trick change the plan, or fill one of its slots",
    },
    Sample {
        rule: "the trainer knows no trick by name",
        damage: |house| house.tricks.clear(),
        complaint: "found no crates/recipe/src/tricks/*.rs; tell this test where they are",
    },
    Sample {
        rule: "every file says its job",
        damage: |house| add(house, "crates/data/tests/idx.rs", "fn main() {}"),
        complaint: "crates/data/tests/idx.rs: open it with `//!` and its job",
    },
    Sample {
        rule: "files are named after the noun they hold",
        damage: |house| add(house, "crates/data/src/utils.rs", "//! Things.\n"),
        complaint: "crates/data/src/utils.rs: name it after what it holds",
    },
    Sample {
        rule: "files are named after the noun they hold",
        damage: |house| add(house, "crates/data/tests/common/mod.rs", "//! Things.\n"),
        complaint: "crates/data/tests/common/mod.rs: name it after what it holds",
    },
    Sample {
        rule: "every crate can be published",
        damage: |house| assert!(the(house, "ops").fields.remove("categories")),
        complaint: "trickbag-ops has no categories; fill it in",
    },
    Sample {
        rule: "every crate opens with a README",
        damage: |house| house.sources[0].text = "//! Short.\n".into(),
        complaint: "crates/schedules: open the crate with 8 lines of `//!` or more, and an example",
    },
];

/// Long enough, with an example, and with all that the rules must overlook.
const SOUND: &str = "\
//! What it is for: never `println!`.
//!
//! ```
//! let device = Cpu::default();
//! println!(\"{}\", std::env::args().count());
//! ```
//!
//! MixUp.

/// `std::process::exit` by `Cuda`, in any `Precision`.
pub const VERSION: &str = concat!(env!(\"CARGO_PKG_VERSION\"), \"println!\");
pub struct Precision;

#[cfg(test)]
mod tests {
    #[test]
    fn prints() { println!(\"{:?} {:?}\", std::env::args(), (Cpu, MixUp)) }
}
#[cfg(all(test, unix))] use std::env;
";

fn the<'a>(house: &'a mut House, folder: &str) -> &'a mut Crate {
    house.crates.iter_mut().find(|found| found.folder == folder).unwrap()
}

fn build(house: &mut House, folder: &str, name: &str) {
    house.crates.push(filled(folder, name.into()));
}

fn import(house: &mut House, folder: &str, package: &str) {
    the(house, folder).imports.insert(package.into());
}

fn link(house: &mut House, folder: &str, package: &str) {
    the(house, folder).linked.insert(package.into());
}

fn write(house: &mut House, folder: &str, code: &str) {
    let path = format!("crates/{folder}/src/lib.rs");
    let source = house.sources.iter_mut().find(|source| source.path == path).unwrap();
    source.text.push_str(code);
}

fn add(house: &mut House, path: &str, text: &str) {
    house.sources.push(Source { path: path.into(), text: text.into() });
}

fn filled(folder: &str, name: String) -> Crate {
    Crate {
        name,
        folder: folder.into(),
        fields: ["description", "license", "categories", "rust-version"].into(),
        imports: [].into(),
        linked: [].into(),
    }
}
