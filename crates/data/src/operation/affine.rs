//! Shear and rotation: where each pixel of the result is read from.

use super::Interpolation;
use crate::Image;

/// Steeper slopes leave nothing in view, and their fixed point might overflow.
const STEEPEST: f64 = 65536.0;

/// The point (a*x + b*y + c, d*x + e*y + f) of the source is what the result shows at (x, y).
/// Pixels are squares of side 1, the first one from (0, 0) on.
type Matrix = [f64; 6];

pub(super) fn shear_x(image: &Image, slope: f64, interpolation: Interpolation) -> Image {
    let slope = slope.clamp(-STEEPEST, STEEPEST);
    transformed(image, [1.0, slope, 0.0, 0.0, 1.0, 0.0], interpolation)
}

pub(super) fn shear_y(image: &Image, slope: f64, interpolation: Interpolation) -> Image {
    let slope = slope.clamp(-STEEPEST, STEEPEST);
    transformed(image, [1.0, 0.0, 0.0, slope, 1.0, 0.0], interpolation)
}

/// Pillow rounds sine and cosine to 15 digits, so that right angles are exact.
pub(super) fn rotate(image: &Image, degrees: f64, interpolation: Interpolation) -> Image {
    let rounded = |value: f64| (value * 1e15).round() / 1e15;
    let (sin, cos) = (-degrees.rem_euclid(360.0)).to_radians().sin_cos();
    let (sin, cos) = (rounded(sin), rounded(cos));
    let (x, y) = (image.width() as f64 / 2.0, image.height() as f64 / 2.0);
    let (left, top) = (x - (cos * x + sin * y), y - (cos * y - sin * x));
    transformed(image, [cos, sin, left, -sin, cos, top], interpolation)
}

fn transformed(image: &Image, matrix: Matrix, interpolation: Interpolation) -> Image {
    let mut result = image.clone();
    match (image.channels(), interpolation) {
        (1, Interpolation::Nearest) => nearest::<1>(image, matrix, &mut result),
        (1, Interpolation::Bilinear) => bilinear::<1>(image, matrix, &mut result),
        (_, Interpolation::Nearest) => nearest::<3>(image, matrix, &mut result),
        (_, Interpolation::Bilinear) => bilinear::<3>(image, matrix, &mut result),
    }
    result
}

/// In Pillow's fixed point of 16 bits, which decides where a point falls between two pixels.
fn nearest<const CHANNELS: usize>(image: &Image, matrix: Matrix, result: &mut Image) {
    let fixed = |value: f64| (value * 65536.0 + 0.5).floor() as i64;
    let [a, b, c, d, e, f] = matrix;
    let [start_x, start_y] = [c + 0.5 * a + 0.5 * b, f + 0.5 * d + 0.5 * e].map(fixed);
    let [a, b, d, e] = [a, b, d, e].map(fixed);
    let (height, width) = (image.height() as i64, image.width() as i64);
    let from = image.pixels().as_chunks::<CHANNELS>().0;
    let rows = result.pixels_mut().as_chunks_mut::<CHANNELS>().0.chunks_exact_mut(width as usize);
    for (row, y) in rows.zip(0..) {
        for (out, x) in row.iter_mut().zip(0..) {
            let from_x = (start_x + b * y + a * x) >> 16;
            let from_y = (start_y + e * y + d * x) >> 16;
            let inside = (0..width).contains(&from_x) && (0..height).contains(&from_y);
            *out = if inside { from[(from_y * width + from_x) as usize] } else { [0; CHANNELS] };
        }
    }
}

/// At the edge the outermost pixels continue by half a pixel; fractions are cut off (Pillow).
fn bilinear<const CHANNELS: usize>(image: &Image, matrix: Matrix, result: &mut Image) {
    let [a, b, c, d, e, f] = matrix;
    let (height, width) = (image.height(), image.width());
    let from = image.pixels().as_chunks::<CHANNELS>().0;
    let rows = result.pixels_mut().as_chunks_mut::<CHANNELS>().0.chunks_exact_mut(width);
    for (row, y) in rows.zip(0..) {
        for (out, x) in row.iter_mut().zip(0..) {
            let (x, y) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
            let (x, y) = (a * x + b * y + c, d * x + e * y + f);
            let inside = (0.0..width as f64).contains(&x) && (0.0..height as f64).contains(&y);
            let (left, right, dx) = between(x, width);
            let (top, bottom, dy) = between(y, height);
            let at = |y: usize, x: usize, channel: usize| f64::from(from[y * width + x][channel]);
            let mixed = |channel| {
                let across = |y| lerp(at(y, left, channel), at(y, right, channel), dx);
                lerp(across(top), across(bottom), dy) as u8
            };
            *out = if inside { std::array::from_fn(mixed) } else { [0; CHANNELS] };
        }
    }
}

/// The two pixels around a point, and how far it is from the first to the second.
fn between(point: f64, length: usize) -> (usize, usize, f64) {
    let first = (point + 0.5) as i64 as f64 - 1.0;
    let clamped = |index: f64| index.clamp(0.0, (length - 1) as f64) as usize;
    (clamped(first), clamped(first + 1.0), point - 0.5 - first)
}

fn lerp(from: f64, to: f64, part: f64) -> f64 {
    from + (to - from) * part
}
