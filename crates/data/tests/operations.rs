//! The operations against torchvision's on Pillow images, on inputs that both sides compute.

#![allow(clippy::unwrap_used, clippy::panic)]

use trickbag_data::{
    Chain, Change, Content, Erasure, Image, Interpolation, Normalize, Operation, Window,
};

const GOLDENS: &str = include_str!("goldens/operations.txt");

/// The same as in `goldens/operations.py`.
fn formula([height, width, channels]: [usize; 3]) -> Image {
    let value = |y, x, c| (y * x * (c + 1) + 13 * y + 7 * x + 50 * c) % 256 / 2 + 40;
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            pixels.extend((0..channels).map(|c| value(y, x, c) as u8));
        }
    }
    Image::new(height, width, channels, pixels).unwrap()
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pairs = (0..hexadecimal.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap()).collect()
}

fn check(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let [height, width, channels, interpolation, operation, expected] = words[..] else {
        panic!("{line}")
    };
    let shape = [height, width, channels].map(|side| side.parse().unwrap());
    let interpolation: Interpolation = ron::from_str(interpolation).unwrap();
    let applied = ron::from_str::<Operation>(operation).unwrap();
    let found = applied.apply(formula(shape), interpolation);
    assert_eq!(found.shape(), shape, "{operation}");
    assert_eq!(found.pixels(), bytes(expected), "{operation} of {shape:?}");
}

#[test]
fn operations_agree_with_torchvision_bit_for_bit() {
    let lines = GOLDENS.lines().filter(|line| line.starts_with(char::is_numeric));
    assert_eq!(lines.map(check).count(), 44);
}

fn expected(name: &str) -> Vec<u8> {
    let line = GOLDENS.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    bytes(line.trim_start())
}

#[test]
fn a_color_jitter_agrees_with_torchvision_bit_for_bit() {
    let list = vec![
        Operation::Contrast(1.3),
        Operation::Hue(-0.08),
        Operation::Brightness(0.7),
        Operation::Saturation(1.2),
    ];
    let found = Change::Operations(list).apply(formula([12, 9, 3])).unwrap();
    assert_eq!(found.pixels(), expected("jitter"));
}

#[test]
fn an_erasure_agrees_with_torchvision_bit_for_bit() {
    let normalize = Normalize { mean: vec![0.5, 0.4, 0.3], std: vec![0.2, 0.25, 0.5] };
    let mut found = vec![0.0; 12 * 9 * 3];
    normalize.table(3).unwrap().apply(formula([12, 9, 3]).pixels(), &mut found);
    let window = Window { top: 2, left: 3, height: 9, width: 4 };
    Erasure { window, content: Content::Constant(0.0) }.apply(&mut found, [12, 9, 3]);
    let found: Vec<u8> = found.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(found, expected("erased"));
}

#[test]
fn a_mixture_agrees_with_torchvision_bit_for_bit() {
    let turned = Chain { weight: 0.45, operations: vec![Operation::Rotate(12.0)] };
    let operations = vec![Operation::ShearX(0.1), Operation::Equalize];
    let sheared = Chain { weight: 0.3, operations };
    let mix = Change::Mix { original: 0.25, chains: vec![turned, sheared] };
    let found = mix.apply(formula([12, 9, 3])).unwrap();
    assert_eq!(found.pixels(), expected("mixture"));
}

const SHAPES: [[usize; 3]; 6] =
    [[1, 1, 1], [1, 9, 3], [2, 2, 3], [28, 28, 1], [17, 32, 3], [33, 5, 1]];

const AT_REST: [Operation; 14] = [
    Operation::Identity,
    Operation::ShearX(0.0),
    Operation::ShearY(0.0),
    Operation::TranslateX(0),
    Operation::TranslateY(0),
    Operation::Rotate(0.0),
    Operation::Rotate(360.0),
    Operation::Brightness(1.0),
    Operation::Saturation(1.0),
    Operation::Contrast(1.0),
    Operation::Sharpness(1.0),
    Operation::Posterize(8),
    Operation::Solarize(256.0),
    Operation::Rotate(-720.0),
];

#[test]
fn at_rest_an_operation_changes_nothing() {
    for shape in SHAPES {
        for operation in AT_REST {
            for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
                let found = operation.apply(formula(shape), interpolation);
                assert_eq!(found, formula(shape), "{operation:?} of {shape:?}");
            }
        }
    }
}

#[test]
fn twice_undone_and_extreme_operations_are_what_they_should_be() {
    let apply = |image: Image, list: &[Operation]| {
        list.iter().fold(image, |image, operation| operation.apply(image, Interpolation::Nearest))
    };
    let square = formula([15, 15, 3]);
    let same: [&[Operation]; 3] = [
        &[Operation::Invert; 2],
        &[Operation::Rotate(90.0), Operation::Rotate(-90.0)],
        &[Operation::Rotate(90.0); 4],
    ];
    for list in same {
        assert_eq!(apply(square.clone(), list), square, "{list:?}");
    }
    let black = Image::new(15, 15, 3, vec![0; 675]).unwrap();
    let nothing: [Operation; 6] = [
        Operation::Brightness(0.0),
        Operation::Brightness(f64::NAN),
        Operation::Posterize(0),
        Operation::TranslateX(isize::MAX),
        Operation::TranslateY(-15),
        Operation::Brightness(-1e300),
    ];
    for operation in nothing {
        assert_eq!(apply(square.clone(), &[operation]), black, "{operation:?}");
    }
    let extreme = [
        Operation::ShearX(1e300),
        Operation::ShearY(f64::NEG_INFINITY),
        Operation::Rotate(f64::NAN),
        Operation::Hue(f64::INFINITY),
        Operation::Posterize(255),
    ];
    for operation in extreme {
        for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
            let found = operation.apply(square.clone(), interpolation);
            assert_eq!(found.shape(), square.shape(), "{operation:?}");
        }
    }
    let grey = apply(square.clone(), &[Operation::Saturation(0.0)]);
    assert!(grey.pixels().chunks(3).all(|rgb| rgb[0] == rgb[1] && rgb[1] == rgb[2]));
    let inverted = apply(square.clone(), &[Operation::Invert]);
    assert_eq!(apply(square, &[Operation::Solarize(0.0)]), inverted);
}
