//! Crops at a drawn place: of the padded image, and of the image at full size.

use crate::{Border, Change, Window};
use rand::Rng;

/// Tries of a resized crop before it falls back to the centre.
const TRIES: usize = 10;
const AREA: std::ops::Range<f64> = 0.08..1.0;
const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

/// A crop at (top, left) of the padded image shows the original moved by (pad - top, pad - left).
pub(super) fn draw_shift(pad: usize, border: Border, rng: &mut impl Rng) -> Change {
    let pad = i64::try_from(pad).unwrap_or(i64::MAX);
    let mut offset = || rng.gen_range(-pad..=pad) as isize;
    Change::Shift { down: offset(), right: offset(), border }
}

pub(super) fn draw_window(height: usize, width: usize, rng: &mut impl Rng) -> Window {
    let drawn = (0..TRIES).find_map(|_| {
        let area = (height * width) as f64 * rng.gen_range(AREA);
        let ratio = rng.gen_range(RATIO[0].ln()..RATIO[1].ln()).exp();
        let columns = (area * ratio).sqrt().round_ties_even() as usize;
        let rows = (area / ratio).sqrt().round_ties_even() as usize;
        let fits = (1..=height).contains(&rows) && (1..=width).contains(&columns);
        fits.then(|| place([rows, columns], [height, width], rng))
    });
    drawn.unwrap_or_else(|| centre_window(height, width))
}

/// Puts a window of `rows` x `columns` anywhere into an image of `height` x `width`.
pub(super) fn place(
    [rows, columns]: [usize; 2],
    [height, width]: [usize; 2],
    rng: &mut impl Rng,
) -> Window {
    Window {
        top: rng.gen_range(0..=(height - rows) as u64) as usize,
        left: rng.gen_range(0..=(width - columns) as u64) as usize,
        height: rows,
        width: columns,
    }
}

/// The largest centred window whose ratio is legal.
fn centre_window(height: usize, width: usize) -> Window {
    let widest = (height as f64 * RATIO[1]).round_ties_even() as usize;
    let highest = (width as f64 / RATIO[0]).round_ties_even() as usize;
    let (rows, columns) = (height.min(highest), width.min(widest));
    Window { top: (height - rows) / 2, left: (width - columns) / 2, height: rows, width: columns }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fallback_is_the_largest_legal_centre() {
        // Expected values from torchvision 0.29 (`RandomResizedCrop.get_params` after ten misses).
        let window = |top, left, height, width| Window { top, left, height, width };
        let cases = [
            (30, 30, window(0, 0, 30, 30)),
            (30, 100, window(0, 30, 30, 40)),
            (100, 30, window(30, 0, 40, 30)),
            (30, 40, window(0, 0, 30, 40)),
            (1, 100, window(0, 49, 1, 1)),
            (100, 1, window(49, 0, 1, 1)),
        ];
        for (height, width, expected) in cases {
            assert_eq!(centre_window(height, width), expected, "{height} x {width}");
        }
    }
}
