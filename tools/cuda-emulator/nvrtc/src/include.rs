//! The files that a source includes, which a cache must know.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// All files that `source` may include from `folders`, with their texts. Conditions are not looked
/// at, so that some of them may stay unused.
pub(crate) fn files(source: &str, folders: &[PathBuf]) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    add(source, None, folders, &mut found);
    found
}

fn add(
    text: &str,
    beside: Option<&Path>,
    folders: &[PathBuf],
    found: &mut BTreeMap<PathBuf, String>,
) {
    let places = || beside.into_iter().chain(folders.iter().map(PathBuf::as_path));
    for name in text.lines().filter_map(name) {
        let file = places().map(|folder| folder.join(name)).find(|file| file.is_file());
        let Some(file) = file.filter(|file| !found.contains_key(file)) else { continue };
        let Ok(text) = fs::read_to_string(&file) else { continue };
        found.insert(file.clone(), text.clone());
        add(&text, file.parent(), folders, found);
    }
}

/// What a line includes.
fn name(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("include")?;
    let (open, rest) = rest.trim_start().split_at_checked(1)?;
    let close = match open {
        "\"" => '"',
        "<" => '>',
        _ => return None,
    };
    rest.split_once(close).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn finds_what_is_included() {
        let place = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|folder| place.path().join(folder));
        for (file, text) in [
            (first.join("a.h"), "#include \"in/b.h\"\n// #include <d.h>"),
            (second.join("in/b.h"), "  # include <c.h>\n#include <a.h>\n#include <missing.h>"),
            (second.join("in/c.h"), "beside"),
            (second.join("c.h"), "not beside"),
            (second.join("d.h"), "not included"),
        ] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let found = files("int x;\n#include \"a.h\"", &[first.clone(), second.clone()]);
        let expected = [first.join("a.h"), second.join("in/b.h"), second.join("in/c.h")];
        assert!(found.keys().eq(&expected), "{found:?}");
    }
}
