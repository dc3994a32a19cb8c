//! The operation that looks at neighbours: sharpness.

use super::blend;
use crate::Image;

/// Pillow's `SMOOTH` weighs the pixel itself 5/13 and each of its eight neighbours 1/13.
pub(super) fn sharpness(image: &Image, factor: f32) -> Image {
    let (channels, row) = (image.channels(), image.channels() * image.width());
    let pixels = image.pixels();
    let mut sharpened = image.clone();
    for y in 1..image.height().saturating_sub(1) {
        let [above, here, below] = [y - 1, y, y + 1].map(|y| &pixels[y * row..(y + 1) * row]);
        let out = &mut sharpened.pixels_mut()[y * row..(y + 1) * row];
        for x in channels..row.saturating_sub(channels) {
            let three = |line: &[u8]| {
                u32::from(line[x - channels]) + u32::from(line[x]) + u32::from(line[x + channels])
            };
            let sum = three(above) + three(here) + three(below) + 4 * u32::from(here[x]);
            out[x] = blend(((2 * sum + 13) / 26) as u8, here[x], factor);
        }
    }
    sharpened
}
