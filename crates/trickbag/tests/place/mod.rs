//! A folder with a recipe and small images in it, where tests run the program.
#![allow(clippy::unwrap_used)]
#![allow(dead_code)] // each test program uses a part of it

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How many training images there are, of 12 x 12 pixels.
const IMAGES: u32 = 2000;

/// A folder with `tiny.ron` and images of three classes in `digits`, as `Idx(path: "digits")` reads
/// them.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new(recipe: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tiny.ron"), recipe).unwrap();
        let place = Self(folder);
        fs::create_dir(place.path("digits")).unwrap();
        for (split, count) in [("train", IMAGES), ("t10k", 30)] {
            let pixel = |i: u32| (i.wrapping_mul(2_654_435_761) >> 26) as u8;
            let images = (0..count * 144).map(|i| pixel(i) + 60 * (i / 144 % 3) as u8);
            place.write_idx(&format!("{split}-images-idx3-ubyte"), &[count, 12, 12], images);
            let labels = (0..count).map(|i| (i % 3) as u8);
            place.write_idx(&format!("{split}-labels-idx1-ubyte"), &[count], labels);
        }
        place
    }

    fn write_idx(&self, name: &str, sizes: &[u32], values: impl Iterator<Item = u8>) {
        let mut bytes = vec![0, 0, 8, sizes.len() as u8];
        bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend(values);
        fs::write(self.path("digits").join(name), bytes).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trickbag"));
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    /// `trickbag run tiny.ron`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(&[&["run", "tiny.ron"], arguments].concat()).output().unwrap()
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until a run that goes on has written so many records.
pub(crate) fn wait_for(metrics: &Path, records: usize) {
    let started = Instant::now();
    let lines = || fs::read_to_string(metrics).map_or(0, |text| text.lines().count());
    while !metrics.exists() || lines() < records {
        assert!(started.elapsed() < Duration::from_secs(120), "no {records} records in time");
        std::thread::sleep(Duration::from_millis(2));
    }
}
