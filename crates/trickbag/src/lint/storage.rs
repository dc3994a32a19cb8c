//! What a folder lies on, and whether memory can hold it: from the tables of Linux.

use std::fs;
use std::io;
use std::path::Path;

use trickbag_recipe::lint::{Medium, Storage};

/// File systems whose files come over a network.
pub(crate) const NETWORKED: [&str; 14] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "fuse.gcsfuse",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "lustre",
    "nfs",
    "nfs4",
    "smb3",
];

/// Looks at a folder; none where the system does not tell.
pub(crate) fn look(folder: &Path) -> Option<Storage> {
    let folder = folder.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let memory = available_memory(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let medium = match file_system(&mounts, &folder) {
        Some(name) if NETWORKED.contains(&name) => Medium::Network(name.to_owned()),
        _ if rotates(&folder) => Medium::Rotating,
        _ => Medium::Other,
    };
    Some(Storage { medium, bytes: bytes_in(&folder).ok()?, memory })
}

/// The type of the file system that `path` lies on, from the text of `/proc/mounts`: of the mount
/// points above it the longest, and of equal ones the last, which hides the others.
pub(crate) fn file_system<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let above = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, name) = (unescaped(words.next()?), words.next()?);
        path.starts_with(&point).then_some((point.len(), name))
    });
    above.max_by_key(|(length, _)| *length).map(|(_, name)| name)
}

/// `/proc/mounts` writes space, tab, newline and backslash in octal.
fn unescaped(point: &str) -> String {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    codes.iter().fold(point.to_owned(), |point, (code, mark)| point.replace(code, mark))
}

/// `MemAvailable` of the text of `/proc/meminfo`, in bytes.
fn available_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(1024 * kibibytes)
}

/// Whether the system says that the folder's disk rotates.
#[cfg(target_os = "linux")]
fn rotates(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let Ok(metadata) = folder.metadata() else { return false };
    let (major, minor) = (libc::major(metadata.dev()), libc::minor(metadata.dev()));
    let device = format!("/sys/dev/block/{major}:{minor}");
    // A partition's queue is that of its disk, the folder above.
    let queues = ["queue", "../queue"].map(|queue| format!("{device}/{queue}/rotational"));
    queues
        .iter()
        .find_map(|queue| fs::read_to_string(queue).ok())
        .is_some_and(|it| it.trim() == "1")
}

#[cfg(not(target_os = "linux"))]
fn rotates(_folder: &Path) -> bool {
    false
}

/// Bytes of all files in a folder.
fn bytes_in(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.try_fold(0, |sum, entry| {
        let path = entry?.path();
        let metadata = path.metadata()?;
        Ok(sum + if metadata.is_dir() { bytes_in(&path)? } else { metadata.len() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
/dev/sda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/export /mnt/data nfs4 rw,vers=4.2 0 0
//host/share /mnt/data\\040two cifs rw 0 0
/dev/sdb1 /over ext4 rw 0 0
tmpfs /over tmpfs rw 0 0
";

    #[test]
    fn the_longest_and_last_mount_point_above_a_folder_counts() {
        for (path, expected) in [
            ("/home/me/images", "ext4"),
            ("/mnt/data/train", "nfs4"),
            ("/mnt/data", "nfs4"),
            ("/mnt/database", "ext4"),
            ("/mnt/data two/train", "cifs"),
            ("/over/there", "tmpfs"),
        ] {
            assert_eq!(file_system(MOUNTS, Path::new(path)), Some(expected), "{path}");
        }
        assert_eq!(file_system("", Path::new("/home")), None);
    }

    #[test]
    fn available_memory_is_read_in_bytes() {
        let text = "MemTotal:       24684096 kB\nMemAvailable:   1000 kB\n";
        assert_eq!(available_memory(text), Some(1_024_000));
        assert_eq!(available_memory("MemTotal: 5 kB\n"), None);
    }

    #[test]
    fn bytes_of_a_folder_are_those_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("train")).unwrap();
        fs::write(folder.path().join("train/a.png"), [0; 100]).unwrap();
        fs::write(folder.path().join("b"), [0; 11]).unwrap();
        assert_eq!(bytes_in(folder.path()).unwrap(), 111);
    }
}
