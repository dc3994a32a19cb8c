//! What can go wrong with the files of a run.

use std::{io, path::PathBuf};

/// A file of a run that cannot be read, written or understood.
///
/// The operating system's or the parser's reason is part of the message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("cannot read {}: {reason}; expected the file that the run wrote there", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        reason: io::Error,
    },
    /// The file cannot be written; what it held before is still there.
    #[error(
        "cannot write {}: {reason}; see that its folder is there, is writable and has room \
         (what was written before is kept)",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        reason: io::Error,
    },
    /// A new run would overwrite the records of an earlier one.
    #[error("{} already holds the records of a run; resume that run or choose another folder", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The text is not what this version writes.
    #[error(
        "{}, line {line}: {}; correct the line or restore the file from a copy",
        path.display(),
        without_place(reason)
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
    /// A summary needs a whole epoch.
    #[error(
        "no epoch has ended in {records} records; a summary needs one: train for an epoch or more"
    )]
    NoEpoch {
        /// How many records there were.
        records: usize,
    },
}

/// The parser's reason without its " at line 1 column 2", which counts from where it began to read.
fn without_place(reason: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", reason.line(), reason.column());
    let reason = reason.to_string();
    reason.strip_suffix(&place).unwrap_or(&reason).into()
}
