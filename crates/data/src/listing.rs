//! What lies in an image folder, by names alone.

use crate::{Error, Expect, Fault, OddFile};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

/// The classes and files of an image folder.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Sorted; the index is the label.
    pub(crate) class_names: Vec<String>,
    pub(crate) train: Labelled,
    pub(crate) val: Labelled,
    /// What is in the way, in both splits.
    pub(crate) odd: Vec<OddFile>,
}

/// Files by class, then by name, and their labels.
#[derive(Debug, Default)]
pub(crate) struct Labelled {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) labels: Vec<u32>,
}

impl Listing {
    pub(crate) fn read(root: &Path) -> Result<Self, Error> {
        if !root.is_dir() {
            return Err(Error::MissingFolder { path: root.to_owned(), root: root.to_owned() });
        }
        let mut odd = Vec::new();
        let classes = class_folders(root, "train", &mut odd)?;
        let val_classes = class_folders(root, "val", &mut odd)?;
        if let Some((_, path)) = val_classes.iter().find(|(name, _)| !classes.contains_key(*name)) {
            return Err(Error::UnknownClass { path: path.clone() });
        }
        let mut listing = Self {
            class_names: classes.keys().map(|name| name.to_string_lossy().into_owned()).collect(),
            train: Labelled::default(),
            val: Labelled::default(),
            odd,
        };
        for (label, (name, folder)) in (0..).zip(&classes) {
            listing.train.add_class(folder, label, &mut listing.odd)?;
            if let Some(folder) = val_classes.get(name) {
                listing.val.add_class(folder, label, &mut listing.odd)?;
            }
        }
        Ok(listing)
    }

    pub(crate) fn counts(&self) -> Expect {
        let [train, val] = [&self.train, &self.val].map(|split| split.paths.len());
        Expect { train, val, classes: self.class_names.len() }
    }
}

impl Labelled {
    fn add_class(
        &mut self,
        folder: &Path,
        label: u32,
        odd: &mut Vec<OddFile>,
    ) -> Result<(), Error> {
        for path in visible_entries(folder)? {
            match fault_by_name(&path) {
                Some(fault) => odd.push(OddFile { path, fault }),
                None => self.paths.push(path),
            }
        }
        self.labels.resize(self.paths.len(), label);
        Ok(())
    }
}

/// The folders right below `root/split`, by class name.
fn class_folders(
    root: &Path,
    split: &str,
    odd: &mut Vec<OddFile>,
) -> Result<BTreeMap<OsString, PathBuf>, Error> {
    let path = root.join(split);
    if !path.is_dir() {
        return Err(Error::MissingFolder { path, root: root.to_owned() });
    }
    let (folders, files): (Vec<_>, Vec<_>) =
        visible_entries(&path)?.into_iter().partition(|path| path.is_dir());
    odd.extend(files.into_iter().map(|path| OddFile { path, fault: Fault::Place }));
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_owned();
    Ok(folders.into_iter().map(|path| (name(&path), path)).collect())
}

/// Everything in `folder` whose name does not start with a dot, sorted.
fn visible_entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(|source| Error::io(folder, source))?;
    let hidden = |entry: &DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".");
    let visible = entries.filter(|entry| !entry.as_ref().is_ok_and(hidden));
    let paths: Result<Vec<PathBuf>, _> = visible.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(|source| Error::io(folder, source))?;
    paths.sort();
    Ok(paths)
}

fn fault_by_name(path: &Path) -> Option<Fault> {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    if ["jpg", "jpeg", "png"].iter().any(|known| extension == *known) {
        return None;
    }
    Some(if path.is_dir() { Fault::Place } else { Fault::Name })
}
