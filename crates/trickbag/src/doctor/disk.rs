//! The disk that a folder lies on.

use std::{fmt, fs, path::Path};

use super::gigabytes;
use crate::lint::storage::{NETWORKED, file_system};

/// What the system says of a disk.
pub(super) struct Disk {
    pub(super) file_system: Option<String>,
    pub(super) network: bool,
    /// Bytes that a user may still write.
    pub(super) free: u64,
}

impl Disk {
    /// None where there is no such folder, or the system does not tell.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let folder = folder.canonicalize().ok()?;
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let file_system = file_system(&mounts, &folder).map(str::to_owned);
        let network = file_system.as_deref().is_some_and(|name| NETWORKED.contains(&name));
        Some(Self { file_system, network, free: free(&folder)? })
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file_system.as_deref().unwrap_or("unknown file system");
        write!(f, "{name}, {} free", gigabytes(self.free))?;
        if self.network {
            f.write_str("; over a network, so copy images that are read often to a local disk")?;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn free(folder: &Path) -> Option<u64> {
    use std::{ffi::CString, mem::MaybeUninit, os::unix::ffi::OsStrExt};

    let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends in zero, and `found` has room for what is written.
    let code = unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) };
    // SAFETY: zero means that all of it was written.
    let found = (code == 0).then(|| unsafe { found.assume_init() })?;
    Some(found.f_bavail * found.f_frsize)
}

#[cfg(not(target_os = "linux"))]
fn free(_folder: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_folder_has_a_disk() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::of(folder.path()).unwrap();
        assert!(disk.free > 0 && disk.file_system.is_some());
        assert!(Disk::of(&folder.path().join("gone")).is_none());
    }
}
