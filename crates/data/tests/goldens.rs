//! Resizing and augmentation against Pillow and torchvision, on inputs that both sides compute.

#![allow(clippy::unwrap_used, clippy::panic)]

use trickbag_data::{Border, Change, Image, Window};

const GOLDENS: &str = include_str!("goldens/torchvision.txt");

/// The same as in `goldens/generate.py`.
fn formula(height: usize, width: usize, channels: usize) -> Image {
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            pixels.extend((0..channels).map(|c| (y * x * (c + 1) + 13 * y + 7 * x + 50 * c) as u8));
        }
    }
    Image::new(height, width, channels, pixels).unwrap()
}

fn apply(operation: &str, image: Image, numbers: &[usize]) -> Image {
    match (operation, numbers) {
        ("resize", &[height, width]) => image.resize(height, width),
        ("fit", &[short, size]) => image.fit(short, size),
        ("resized_crop", &[top, left, rows, columns, height, width]) => {
            let window = Window { top, left, height: rows, width: columns };
            Change::ResizedCrop { window, height, width }.apply(image)
        }
        ("flip", []) => Change::Flip.apply(image),
        ("pad_crop", numbers) => shift(numbers, Border::Zero).apply(image),
        ("reflect_pad_crop", numbers) => shift(numbers, Border::Reflect).apply(image),
        _ => panic!("unknown operation {operation} {numbers:?}"),
    }
    .unwrap()
}

fn shift(numbers: &[usize], border: Border) -> Change {
    let [down, right] = [1, 2].map(|offset| numbers[0] as isize - numbers[offset] as isize);
    Change::Shift { down, right, border }
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pairs = (0..hexadecimal.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap()).collect()
}

/// Resampling may differ by one grey level (fixed point), copying not at all.
fn check(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let [operation, numbers @ .., result] = &words[..] else { panic!("{line}") };
    let numbers: Vec<usize> = numbers.iter().map(|word| word.parse().unwrap()).collect();
    let image = formula(numbers[0], numbers[1], numbers[2]);
    let (found, expected) = (apply(operation, image, &numbers[3..]), bytes(result));
    let tolerance = u8::from(matches!(*operation, "resize" | "fit" | "resized_crop"));
    let pairs = found.pixels().iter().zip(&expected);
    let worst = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert_eq!(found.pixels().len(), expected.len(), "{operation} {numbers:?}");
    assert!(worst <= tolerance, "{operation} {numbers:?}: off by {worst}");
}

#[test]
fn images_agree_with_torchvision() {
    let lines = GOLDENS.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.map(check).count(), 25);
}
