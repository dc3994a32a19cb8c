//! Compares the operations with torchvision's on real images.
//!
//! `python3 tests/goldens/operations.py IMAGES… > FILE` writes what torchvision does, then
//! `cargo run --release -p trickbag-data --example operations FILE` prints the largest difference
//! per operation in grey levels.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use trickbag_data::{Image, Operation};

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pairs = (0..hexadecimal.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap()).collect()
}

/// The operation's name and the largest difference.
fn compare(line: &str) -> (String, u8) {
    let words: Vec<&str> = line.split(' ').collect();
    let [height, width, channels, interpolation, name, expected, input] = words[..] else {
        panic!("{line}")
    };
    let [height, width, channels] = [height, width, channels].map(|side| side.parse().unwrap());
    let image = Image::new(height, width, channels, bytes(input)).unwrap();
    let operation: Operation = ron::from_str(name).unwrap();
    let found = operation.apply(image, ron::from_str(interpolation).unwrap());
    let differences = found.pixels().iter().zip(bytes(expected)).map(|(a, b)| a.abs_diff(b));
    let name = name.split('(').next().unwrap();
    (format!("{name}, {interpolation}"), differences.max().unwrap())
}

fn main() {
    let path = std::env::args().nth(1).expect("the file that operations.py wrote");
    let mut worst: BTreeMap<String, (u32, u8)> = BTreeMap::new();
    for line in BufReader::new(File::open(path).unwrap()).lines().map(Result::unwrap) {
        if !line.starts_with('#') {
            let (name, difference) = compare(&line);
            let (cases, largest) = worst.entry(name).or_default();
            *cases += 1;
            *largest = difference.max(*largest);
        }
    }
    for (name, (cases, largest)) in worst {
        println!("{name:22} {cases:6} cases, off by at most {largest}");
    }
}
