//! Files that are either the old one or the new one, whenever the process or the machine stops.

use crate::Error;
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Replaces the file at `path` by one that holds `bytes`, or leaves it as it was.
///
/// The bytes go to `<path>.tmp` in the same folder, are synced, and take the name in one rename;
/// then the folder is synced, so that the new name outlives a power cut. When that fails, for
/// instance because the disk is full, the old file is untouched and the temporary one is removed.
///
/// # Errors
/// [`Error::Write`] with the operating system's reason.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("plan.ron");
/// trickbag_report::write_atomic(&path, b"(epochs: 8)")?;
/// assert_eq!(std::fs::read(&path)?, b"(epochs: 8)");
/// # Ok(())
/// # }
/// ```
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = temporary_name(path);
    write_synced(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_folder(path))
        .map_err(|reason| {
            // The error to report is the first one, whether or not there is a file to remove.
            let _ = fs::remove_file(&temporary);
            Error::Write { path: path.into(), reason }
        })
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".tmp");
    name.into()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
fn sync_folder(file: &Path) -> io::Result<()> {
    let parent = file.parent().filter(|parent| *parent != Path::new(""));
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Elsewhere a folder cannot be opened as a file; the rename itself is all there is.
#[cfg(not(unix))]
fn sync_folder(_file: &Path) -> io::Result<()> {
    Ok(())
}
