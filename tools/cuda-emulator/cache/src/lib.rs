//! What was compiled once, kept on the disk for later threads and processes: libraries of
//! translated kernels, and what NVRTC made of sources.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::{env, fs, io, process};

/// Why a file of the cache was not read or written.
#[derive(Debug, thiserror::Error)]
#[error("the cache in {}: {error}", folder.display())]
pub struct CacheError {
    folder: PathBuf,
    error: io::Error,
}

/// The file that `make` makes of `text`, or made of it before. `make` is given the file that holds
/// the text and the one to write; `extensions` are theirs. Threads that want the same file wait for
/// the one that makes it, and processes do not see each other's half files.
pub fn file<E: From<CacheError>>(
    text: &str,
    extensions: [&str; 2],
    make: impl FnOnce(&Path, &Path) -> Result<(), E>,
) -> Result<PathBuf, E> {
    file_in(&folder(), text, extensions, make)
}

fn folder() -> PathBuf {
    let set = env::var_os("TRICKBAG_CUDA_EMULATOR_CACHE").map(PathBuf::from);
    set.unwrap_or_else(|| env::temp_dir().join("trickbag-cuda-emulator"))
}

fn file_in<E: From<CacheError>>(
    folder: &Path,
    text: &str,
    extensions: [&str; 2],
    make: impl FnOnce(&Path, &Path) -> Result<(), E>,
) -> Result<PathBuf, E> {
    let name = format!("{:016x}", hash(text.as_bytes()));
    let turn = turn(&name);
    let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
    let [from, to] = extensions.map(|extension| folder.join(&name).with_extension(extension));
    // Two texts may have one hash.
    if fs::read_to_string(&from).is_ok_and(|kept| kept == text) && to.exists() {
        return Ok(to);
    }
    let cache = |error| CacheError { folder: folder.into(), error };
    let own = format!("{name}-{}", process::id());
    let [own_from, own_to] =
        extensions.map(|extension| folder.join(&own).with_extension(extension));
    fs::create_dir_all(folder).and_then(|()| fs::write(&own_from, text)).map_err(cache)?;
    make(&own_from, &own_to)?;
    // The text comes last: where it is, what was made of it is there, too.
    fs::rename(own_to, &to).and_then(|()| fs::rename(own_from, from)).map_err(cache)?;
    Ok(to)
}

/// FNV-1a: the same in every process and release.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// What a thread of this process holds while it makes the file of this name.
fn turn(name: &str) -> Arc<Mutex<()>> {
    static TURNS: LazyLock<Mutex<HashMap<String, Arc<Mutex<()>>>>> = LazyLock::new(Mutex::default);
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(turns.entry(name.into()).or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn a_file_is_made_once() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("new");
        let made = AtomicU32::new(0);
        let make = |from: &Path, to: &Path| {
            made.fetch_add(1, Ordering::Relaxed);
            assert_eq!(fs::read_to_string(from).unwrap(), "text");
            fs::write(to, "made of it").unwrap();
            Ok::<_, CacheError>(())
        };
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let file = file_in(&folder, "text", ["from", "to"], make).unwrap();
                    assert_eq!(fs::read_to_string(file).unwrap(), "made of it");
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }

    #[test]
    fn what_was_not_finished_is_made_again() {
        let place = tempfile::tempdir().unwrap();
        let make = |said: &'static str| {
            let make = move |_: &Path, to: &Path| {
                fs::write(to, said).unwrap();
                if said == "half" { Err(cut_off()) } else { Ok(()) }
            };
            file_in(place.path(), "text", ["from", "to"], make)
        };
        assert!(make("half").is_err());
        assert_eq!(fs::read_to_string(make("whole").unwrap()).unwrap(), "whole");
        assert_eq!(fs::read_to_string(make("other").unwrap()).unwrap(), "whole");
    }

    fn cut_off() -> CacheError {
        CacheError { folder: PathBuf::new(), error: io::ErrorKind::Interrupted.into() }
    }
}
