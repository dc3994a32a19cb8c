//! What became of the values that a training starts from, as text.

use std::path::Path;

use trickbag_models::{Fate, Transfer, TransferRow};

/// How many values of the file at `path` were loaded, and a line for each tensor that was not.
pub(crate) fn transfer_page(path: &Path, transfer: &Transfer) -> String {
    let loaded = transfer.of(|fate| *fate == Fate::Loaded).count();
    let mut page = format!("{}: {loaded} tensors loaded", path.display());
    for TransferRow { name, fate } in &transfer.0 {
        let words = match fate {
            Fate::Loaded => continue,
            Fate::Skipped { found, expected } => {
                format!("skipped  {name}: {found:?} in the file, {expected:?} here")
            }
            Fate::Missing => format!("missing  {name}: not in the file, stays as initialised"),
            Fate::Left => format!("left     {name}: only in the file"),
        };
        page += &format!("\n  {words}");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fate_has_its_line() {
        let row = |name: &str, fate| TransferRow { name: name.to_owned(), fate };
        let rows = vec![
            row("conv1.weight", Fate::Loaded),
            row("fc.weight", Fate::Skipped { found: vec![1000, 512], expected: vec![2, 512] }),
            row("gate.weight", Fate::Missing),
            row("aux.weight", Fate::Left),
        ];
        let expected = "\
a.safetensors: 1 tensors loaded
  skipped  fc.weight: [1000, 512] in the file, [2, 512] here
  missing  gate.weight: not in the file, stays as initialised
  left     aux.weight: only in the file";
        assert_eq!(transfer_page(Path::new("a.safetensors"), &Transfer(rows)), expected);
    }
}
