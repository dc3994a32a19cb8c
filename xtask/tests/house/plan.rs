//! The workspace as the rules see it, and the rooms that it should have.

use std::collections::BTreeSet;

/// A crate's place: it may import only from lower layers.
pub(crate) struct Room {
    pub folder: &'static str,
    pub layer: u8,
    pub dfdx: Dfdx,
}

/// What a crate may know of dfdx.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Dfdx {
    /// Not in its dependencies, however far down.
    Nowhere,
    /// Only behind the settings types of crates below.
    Behind,
    Direct,
}

/// The table of ARCHITECTURE.md.
pub(crate) const ROOMS: &[Room] = &[
    Room { folder: "schedules", layer: 0, dfdx: Dfdx::Nowhere },
    Room { folder: "param-groups", layer: 0, dfdx: Dfdx::Nowhere },
    Room { folder: "kernels", layer: 0, dfdx: Dfdx::Nowhere },
    Room { folder: "data", layer: 0, dfdx: Dfdx::Nowhere },
    Room { folder: "report", layer: 0, dfdx: Dfdx::Nowhere },
    Room { folder: "collective", layer: 0, dfdx: Dfdx::Nowhere },
    Room { folder: "ops", layer: 1, dfdx: Dfdx::Direct },
    Room { folder: "losses", layer: 2, dfdx: Dfdx::Direct },
    Room { folder: "precision", layer: 2, dfdx: Dfdx::Direct },
    Room { folder: "models", layer: 2, dfdx: Dfdx::Direct },
    Room { folder: "optim", layer: 2, dfdx: Dfdx::Direct },
    Room { folder: "recipe", layer: 3, dfdx: Dfdx::Behind },
    Room { folder: "trainer", layer: 4, dfdx: Dfdx::Direct },
    Room { folder: PROGRAM, layer: 5, dfdx: Dfdx::Direct },
];

/// The crate that is a program: it may print, read the environment and choose the device.
pub(crate) const PROGRAM: &str = "trickbag";

/// The front door: no room, and as light as can be.
pub(crate) const FRONT_DOOR: &str = "xtask";

pub(crate) struct House {
    pub crates: Vec<Crate>,
    pub sources: Vec<Source>,
    /// The files of `crates/recipe/src/tricks/` without their ending.
    pub tricks: Vec<String>,
}

pub(crate) struct Crate {
    pub name: String,
    /// The last part of the package's path.
    pub folder: String,
    /// Filled fields of the manifest.
    pub fields: BTreeSet<&'static str>,
    /// Packages named in the manifest, without those for tests only.
    pub imports: BTreeSet<String>,
    /// Packages that are linked, however far down.
    pub linked: BTreeSet<String>,
}

pub(crate) struct Source {
    /// From the workspace's root, with `/`.
    pub path: String,
    pub text: String,
}

impl House {
    /// What a crate ships, without its tests, examples and benches.
    pub(crate) fn shipped(&self, folder: &str) -> impl Iterator<Item = &Source> {
        let src = format!("crates/{folder}/src/");
        self.sources.iter().filter(move |source| source.path.starts_with(&src))
    }
}

pub(crate) fn room(folder: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.folder == folder)
}

/// The name of the package in `crates/<folder>`.
pub(crate) fn package(folder: &str) -> String {
    if folder == PROGRAM { folder.into() } else { format!("trickbag-{folder}") }
}
