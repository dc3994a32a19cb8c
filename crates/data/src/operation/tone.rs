//! Operations that give each value of a channel a new value, by table.

use super::{blend, color};
use crate::Image;

/// The new value of each value.
type Table = [u8; 256];

pub(super) fn brightness(image: Image, factor: f32) -> Image {
    mapped(image, &table(|value| blend(0, value, factor)))
}

/// Pillow rounds the mean grey level.
pub(super) fn contrast(image: Image, factor: f32) -> Image {
    let mean = (color::mean_grey(&image) + 0.5) as u8;
    mapped(image, &table(|value| blend(mean, value, factor)))
}

pub(super) fn posterize(image: Image, bits: u8) -> Image {
    let mask = u8::MAX.checked_shl(u32::from(8_u8.saturating_sub(bits))).unwrap_or(0);
    mapped(image, &table(|value| value & mask))
}

pub(super) fn solarize(image: Image, threshold: f64) -> Image {
    let keeps = |value: u8| f64::from(value) < threshold;
    mapped(image, &table(|value| if keeps(value) { value } else { 255 - value }))
}

pub(super) fn invert(image: Image) -> Image {
    mapped(image, &table(|value| 255 - value))
}

pub(super) fn auto_contrast(image: Image) -> Image {
    mapped_by_channel(image, |counts| {
        let low = counts.iter().position(|count| *count > 0).unwrap_or(0);
        let high = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
        let scale = 255.0 / high.saturating_sub(low) as f64;
        let offset = -(low as f64) * scale;
        let stretch = |value: u8| (f64::from(value) * scale + offset) as u8;
        table(|value| if high > low { stretch(value) } else { value })
    })
}

/// Each value becomes the share of smaller ones, in steps of the pixels per grey level, where the
/// pixels of the largest value do not count (Pillow).
pub(super) fn equalize(image: Image) -> Image {
    mapped_by_channel(image, |counts| {
        let total: usize = counts.iter().sum();
        let largest = counts.iter().rfind(|count| **count > 0).unwrap_or(&0);
        let step = (total - largest) / 255;
        if step == 0 {
            return table(|value| value);
        }
        let mut below = step / 2;
        std::array::from_fn(|value| {
            let share = (below / step).min(255) as u8;
            below += counts[value];
            share
        })
    })
}

fn table(new: impl Fn(u8) -> u8) -> Table {
    std::array::from_fn(|value| new(value as u8))
}

fn mapped(mut image: Image, table: &Table) -> Image {
    for value in image.pixels_mut() {
        *value = table[usize::from(*value)];
    }
    image
}

fn mapped_by_channel(mut image: Image, table: impl Fn(&[usize; 256]) -> Table) -> Image {
    let channels = image.channels();
    for channel in 0..channels {
        let mut counts = [0; 256];
        for value in image.pixels().iter().skip(channel).step_by(channels) {
            counts[usize::from(*value)] += 1;
        }
        image.map_channel(channel, &table(&counts));
    }
    image
}
