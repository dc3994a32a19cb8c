//! What evaluation sees of an image when it looks more than once: mirrored, and moved.

use crate::Batch;
use serde::Serialize;

/// One look at an image in evaluation, and how much its logits count.
///
/// Convention, as in `airbench94.py` (Jordan 2024, arXiv 2404.00498): the image moves after
/// normalisation, and what comes into view is the image mirrored at its outermost pixels, which are
/// not repeated.
///
/// ```
/// use trickbag_data::{Dataset, Facing, Keep, Source, View};
///
/// let dataset = Dataset::open(&Source::Mnist10k, Keep::Decoded)?;
/// let batch = dataset.val_batches(8, &Source::Mnist10k.normalize(), [28, 28])?.next();
/// let batch = batch.expect("there are images")?;
/// let mirrored = View { facing: Facing::Mirrored, ..View::PLAIN };
/// assert_eq!(mirrored.images(&batch)[0], batch.images[27]);
/// # Ok::<(), trickbag_data::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct View {
    /// Which way the image faces.
    pub facing: Facing,
    /// Rows that it moves down; negative is up. Fewer than it has.
    pub down: isize,
    /// Columns that it moves right; negative is left. Fewer than it has.
    pub right: isize,
    /// What its logits are multiplied by before those of all views are added up.
    pub weight: f64,
}

/// Which way an image faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Facing {
    /// As it is.
    Original,
    /// Left and right exchanged.
    Mirrored,
}

impl View {
    /// The image as it is, by itself.
    pub const PLAIN: Self = Self { facing: Facing::Original, down: 0, right: 0, weight: 1.0 };

    /// The pixels of a batch in this view, laid out as [`Batch::images`].
    ///
    /// # Panics
    /// When it moves images by as many pixels as they have, or more.
    pub fn images(&self, batch: &Batch) -> Vec<f32> {
        let Batch { height, width, channels, .. } = *batch;
        let pixels = |row: usize| {
            let first = row * width;
            let columns = (0..width).map(|column| self.column(column, width));
            columns.map(move |column| (first + column) * channels)
        };
        let mut seen = Vec::with_capacity(batch.images.len());
        for image in batch.images.chunks_exact(height * width * channels) {
            for row in 0..height {
                for at in pixels(reflected(row as isize - self.down, height)) {
                    seen.extend_from_slice(&image[at..at + channels]);
                }
            }
        }
        seen
    }

    /// Where the pixel that is seen in `column` comes from: an image is moved before it is mirrored.
    fn column(&self, column: usize, width: usize) -> usize {
        let column = match self.facing {
            Facing::Original => column,
            Facing::Mirrored => width - 1 - column,
        };
        reflected(column as isize - self.right, width)
    }
}

/// The index inside `0..length` that mirrors `index` at the ends.
fn reflected(index: isize, length: usize) -> usize {
    let last = length as isize - 1;
    let inside = index.abs();
    (if inside > last { 2 * last - inside } else { inside }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(facing: Facing, down: isize, right: isize, expected: [f32; 9]) {
        let images = (1..=9).map(|value| value as f32).collect();
        let (labels, indices) = (vec![0], vec![0]);
        let batch = Batch { images, labels, indices, height: 3, width: 3, channels: 1 };
        assert_eq!(View { facing, down, right, weight: 1.0 }.images(&batch), expected);
    }

    /// Expected values from PyTorch: `F.pad(x, (1,) * 4, "reflect")`, its parts, and `flip(-1)`.
    #[test]
    fn views_are_those_of_airbench() {
        check(Facing::Original, 0, 0, [1., 2., 3., 4., 5., 6., 7., 8., 9.]);
        check(Facing::Mirrored, 0, 0, [3., 2., 1., 6., 5., 4., 9., 8., 7.]);
        check(Facing::Original, 1, 1, [5., 4., 5., 2., 1., 2., 5., 4., 5.]);
        check(Facing::Original, -1, -1, [5., 6., 5., 8., 9., 8., 5., 6., 5.]);
        check(Facing::Mirrored, -1, -1, [5., 6., 5., 8., 9., 8., 5., 6., 5.]);
        check(Facing::Mirrored, 0, 1, [2., 1., 2., 5., 4., 5., 8., 7., 8.]);
        check(Facing::Original, 2, 0, [7., 8., 9., 4., 5., 6., 1., 2., 3.]);
    }
}
