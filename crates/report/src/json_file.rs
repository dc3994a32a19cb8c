//! Files that hold one value as JSON.

use crate::{Error, write_atomic};
use serde::{Serialize, de::DeserializeOwned};
use std::{fs, path::Path};

/// Writes a value, one field per line, in place of an earlier file or not at all.
pub(crate) fn write(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|reason| Error::Write { path: path.into(), reason: reason.into() })?;
    text.push('\n');
    write_atomic(path, text.as_bytes())
}

pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = fs::read(path).map_err(|reason| Error::Read { path: path.into(), reason })?;
    serde_json::from_slice(&bytes).map_err(|reason| Error::Malformed {
        path: path.into(),
        line: reason.line(),
        reason,
    })
}
