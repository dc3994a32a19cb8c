//! Reads the workspace: `cargo metadata` and all Rust sources.

use crate::plan::{Crate, House, Source};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use std::{collections::BTreeSet, fs, path::Path, process::Command};

pub(crate) fn workspace() -> House {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        // Without a platform, cargo downloads the dependencies of all of them.
        .other_options(["--filter-platform".into(), host()])
        .exec()
        .unwrap();
    let crates =
        metadata.workspace_packages().iter().map(|package| survey(package, &metadata)).collect();
    let mut sources = Vec::new();
    for folder in ["bench", "crates", "tools", "xtask"] {
        collect(root, &root.join(folder), &mut sources);
    }
    let tricks = sources.iter().filter_map(|source| {
        source.path.strip_prefix("crates/recipe/src/tricks/")?.strip_suffix(".rs")
    });
    let tricks = tricks.map(String::from).collect();
    House { crates, sources, tricks }
}

fn host() -> String {
    let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().into()
}

fn survey(package: &Package, metadata: &Metadata) -> Crate {
    let fields = [
        ("description", package.description.is_some()),
        ("license", package.license.is_some()),
        ("categories", !package.categories.is_empty()),
        ("rust-version", package.rust_version.is_some()),
    ];
    let folder = package.manifest_path.parent().unwrap().file_name().unwrap();
    let imports = package.dependencies.iter();
    let imports = imports.filter(|import| import.kind != DependencyKind::Development);
    let mut linked = BTreeSet::new();
    link(&package.id, metadata, &mut linked);
    Crate {
        name: package.name.to_string(),
        folder: folder.into(),
        fields: fields.iter().filter(|(_, filled)| *filled).map(|(field, _)| *field).collect(),
        imports: imports.map(|import| import.name.clone()).collect(),
        linked: linked.iter().map(|id| metadata[*id].name.to_string()).collect(),
    }
}

fn link<'a>(id: &PackageId, metadata: &'a Metadata, linked: &mut BTreeSet<&'a PackageId>) {
    let nodes = &metadata.resolve.as_ref().unwrap().nodes;
    let node = nodes.iter().find(|node| node.id == *id).unwrap();
    for import in &node.deps {
        let normal = import.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
        if normal && linked.insert(&import.pkg) {
            link(&import.pkg, metadata, linked);
        }
    }
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let parts = path.strip_prefix(root).unwrap().iter().map(|part| part.to_str().unwrap());
            sources.push(Source {
                path: parts.collect::<Vec<_>>().join("/"),
                text: fs::read_to_string(&path).unwrap(),
            });
        }
    }
}
