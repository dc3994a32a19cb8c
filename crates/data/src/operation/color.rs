//! Operations on red, green and blue together: grey level, saturation, hue.

use super::blend;
use crate::Image;

/// The mean grey level, 0 to 255.
pub(super) fn mean_grey(image: &Image) -> f64 {
    let sum: u64 = match image.channels() {
        1 => image.pixels().iter().map(|value| u64::from(*value)).sum(),
        _ => image.pixels().as_chunks().0.iter().map(|rgb| u64::from(grey(*rgb))).sum(),
    };
    sum as f64 / (image.height() * image.width()) as f64
}

pub(super) fn saturation(mut image: Image, factor: f32) -> Image {
    for rgb in colors(&mut image) {
        let grey = grey(*rgb);
        *rgb = rgb.map(|value| blend(grey, value, factor));
    }
    image
}

pub(super) fn hue(mut image: Image, turn: f64) -> Image {
    let steps = (turn * 255.0) as i64 as u8;
    for rgb in colors(&mut image) {
        let [hue, saturation, value] = hsv(*rgb);
        *rgb = self::rgb([hue.wrapping_add(steps), saturation, value]);
    }
    image
}

/// The pixels of a colour image; none of a grey one.
fn colors(image: &mut Image) -> &mut [[u8; 3]] {
    match image.channels() {
        3 => image.pixels_mut().as_chunks_mut().0,
        _ => &mut [],
    }
}

/// ITU-R 601-2 in fixed point, rounded (Pillow).
fn grey([red, green, blue]: [u8; 3]) -> u8 {
    let [red, green, blue] = [red, green, blue].map(u32::from);
    ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16) as u8
}

/// Hue, saturation and value, each 0 to 255, cut off to whole numbers (Pillow, after colorsys).
fn hsv([red, green, blue]: [u8; 3]) -> [u8; 3] {
    let (high, low) = (red.max(green).max(blue), red.min(green).min(blue));
    if high == low {
        return [0, 0, high];
    }
    let range = f32::from(high - low);
    let below = |value: u8| f64::from(f32::from(high - value) / range);
    let sixths = if red == high {
        below(blue) - below(green)
    } else if green == high {
        2.0 + below(red) - below(blue)
    } else {
        4.0 + below(green) - below(red)
    };
    let turn = f64::from(sixths as f32) / 6.0 + 1.0;
    let hue = (if turn < 1.0 { turn } else { turn - 1.0 }) as f32;
    let saturation = range / f32::from(high);
    [(f64::from(hue) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, high]
}

/// The way back, rounded.
fn rgb([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    let sixths = f64::from(hue) * 6.0 / 255.0;
    let sector = sixths as u8;
    let rest = f64::from((sixths - f64::from(sector)) as f32);
    let saturation = f64::from((f64::from(saturation) / 255.0) as f32);
    let dimmed = |part: f64| (f64::from(value) * (1.0 - saturation * part) + 0.5) as u8;
    let (low, falling, rising) = (dimmed(1.0), dimmed(rest), dimmed(1.0 - rest));
    match sector % 6 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    }
}
