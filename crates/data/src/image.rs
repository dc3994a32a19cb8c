//! An 8-bit image in memory and the exact operations on it: crop, flip, shift, resize.

use crate::Error;
use fast_image_resize::images::{Image as Target, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

/// A larger result than this is a mistake, and might not fit into memory.
const PIXEL_LIMIT: usize = 1 << 28;

/// An image of 8-bit pixels, rows from the top, channels last (`height * width * channels` bytes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    height: usize,
    width: usize,
    channels: usize,
    pixels: Vec<u8>,
}

/// A rectangle of pixels inside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Image {
    /// An image from its pixels; grey (1 channel) or RGB (3 channels).
    ///
    /// # Errors
    /// [`Error::ImageShape`] when a side is 0, the channels are neither 1 nor 3, or `pixels` has
    /// another length than `height * width * channels`.
    pub fn new(
        height: usize,
        width: usize,
        channels: usize,
        pixels: Vec<u8>,
    ) -> Result<Self, Error> {
        let bytes = height.saturating_mul(width).saturating_mul(channels);
        if bytes == 0 || bytes != pixels.len() || ![1, 3].contains(&channels) {
            return Err(Error::ImageShape { height, width, channels, bytes: pixels.len() });
        }
        Ok(Self { height, width, channels, pixels })
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// 1 for grey, 3 for RGB.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Height, width and channels.
    pub fn shape(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// All bytes, row by row, channels last.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All bytes, to be changed in place.
    pub(crate) fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// Gives each value of a channel a new value.
    pub(crate) fn map_channel(&mut self, channel: usize, table: &[u8; 256]) {
        for value in self.pixels.iter_mut().skip(channel).step_by(self.channels) {
            *value = table[usize::from(*value)];
        }
    }

    /// The part inside `window`.
    ///
    /// # Errors
    /// [`Error::WindowOutside`] when `window` is empty or reaches over the edge.
    pub fn crop(&self, window: Window) -> Result<Self, Error> {
        let Window { top, left, height, width } = window;
        let below = top.saturating_add(height) > self.height;
        let beside = left.saturating_add(width) > self.width;
        if below || beside || height == 0 || width == 0 {
            return Err(Error::WindowOutside { window, height: self.height, width: self.width });
        }
        let columns = left * self.channels..(left + width) * self.channels;
        let rows = self.rows().skip(top).take(height);
        let pixels = rows.flat_map(|row| &row[columns.clone()]).copied().collect();
        Image::new(height, width, self.channels, pixels)
    }

    /// Mirrored left to right.
    pub fn flip(&self) -> Self {
        let columns: Vec<usize> = (0..self.width).rev().collect();
        self.gathered(0..self.height, &columns)
    }

    /// Moved down by `down` and right by `right` pixels (negative: up, left); what comes into view
    /// is 0.
    pub fn shift(&self, down: isize, right: isize) -> Self {
        let (from_top, to_top, rows) = overlap(self.height, down);
        let (from_left, to_left, columns) = overlap(self.width, right);
        let mut pixels = vec![0; self.pixels.len()];
        let length = columns * self.channels;
        for row in 0..rows {
            let from = ((from_top + row) * self.width + from_left) * self.channels;
            let to = ((to_top + row) * self.width + to_left) * self.channels;
            pixels[to..to + length].copy_from_slice(&self.pixels[from..from + length]);
        }
        Self { pixels, ..*self }
    }

    /// Moved down by `down` and right by `right` pixels (negative: up, left); what comes into view
    /// is the image mirrored at its outermost pixels, which are not repeated.
    pub fn shift_reflected(&self, down: isize, right: isize) -> Self {
        let from = |length: usize, by: isize| {
            (0..length as isize).map(move |index| reflected(index.saturating_sub(by), length))
        };
        let columns: Vec<usize> = from(self.width, right).collect();
        self.gathered(from(self.height, down), &columns)
    }

    /// Resampled to `height` x `width`: bilinear, antialiased when shrinking.
    ///
    /// Within one grey level of Pillow and torchvision (which convolve with the same triangle in
    /// fixed point). An image that already has this size is returned as it is.
    ///
    /// # Errors
    /// [`Error::Resize`] when a side is 0 or the result has more than 2^28 pixels.
    pub fn resize(self, height: usize, width: usize) -> Result<Self, Error> {
        if (self.height, self.width) == (height, width) {
            return Ok(self);
        }
        if !(1..=PIXEL_LIMIT).contains(&height.saturating_mul(width)) {
            return Err(Error::Resize { height, width });
        }
        self.convolve(height, width).map_err(|_| Error::Resize { height, width })
    }

    /// The evaluation view: the short side resized to `short`, then the `size` x `size` centre.
    ///
    /// The long side is rounded down and the centre's offset is rounded half to even, as
    /// torchvision's `Resize` and `CenterCrop` do. Source: torchvision `functional.py`.
    ///
    /// # Errors
    /// [`Error::WindowOutside`] when `short` is smaller than `size`, and those of [`Image::resize`].
    pub fn fit(self, short: usize, size: usize) -> Result<Self, Error> {
        let (height, width) = if self.height <= self.width {
            (short, short.saturating_mul(self.width) / self.height)
        } else {
            (short.saturating_mul(self.height) / self.width, short)
        };
        let resized = self.resize(height, width)?;
        let offset =
            |side: usize| (side.saturating_sub(size) as f64 / 2.0).round_ties_even() as usize;
        resized.crop(Window { top: offset(height), left: offset(width), height: size, width: size })
    }

    fn convolve(&self, height: usize, width: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let kind = if self.channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
        let from =
            ImageRef::new(self.width.try_into()?, self.height.try_into()?, &self.pixels, kind)?;
        let mut to = Target::new(width.try_into()?, height.try_into()?, kind);
        let bilinear = ResizeAlg::Convolution(FilterType::Bilinear);
        Resizer::new().resize(&from, &mut to, &ResizeOptions::new().resize_alg(bilinear))?;
        Ok(Self { height, width, channels: self.channels, pixels: to.into_vec() })
    }

    /// The pixels of these rows and columns, which are as many as the image has.
    fn gathered(&self, rows: impl Iterator<Item = usize>, columns: &[usize]) -> Self {
        let pixels = match self.channels {
            1 => gather::<1>(&self.pixels, rows, columns),
            _ => gather::<3>(&self.pixels, rows, columns),
        };
        Self { pixels, ..*self }
    }

    fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.pixels.chunks_exact(self.width * self.channels)
    }
}

impl From<image::RgbImage> for Image {
    fn from(rgb: image::RgbImage) -> Self {
        let (width, height) = (rgb.width() as usize, rgb.height() as usize);
        Self { height, width, channels: 3, pixels: rgb.into_raw() }
    }
}

/// Of a side that moves by `by`: the first index read, the first index written, and how many.
fn overlap(length: usize, by: isize) -> (usize, usize, usize) {
    let moved = by.unsigned_abs().min(length);
    let (from, to) = if by < 0 { (moved, 0) } else { (0, moved) };
    (from, to, length - moved)
}

fn gather<const CHANNELS: usize>(
    pixels: &[u8],
    rows: impl Iterator<Item = usize>,
    columns: &[usize],
) -> Vec<u8> {
    let pixels = pixels.as_chunks::<CHANNELS>().0;
    let mut gathered = Vec::with_capacity(pixels.len());
    for y in rows {
        let row = &pixels[y * columns.len()..(y + 1) * columns.len()];
        gathered.extend(columns.iter().map(|x| row[*x]));
    }
    gathered.into_flattened()
}

/// Back and forth between the first and the last index.
fn reflected(index: isize, length: usize) -> usize {
    let last = length - 1;
    match index.checked_rem_euclid(2 * last as isize) {
        Some(index) => (index as usize).min(2 * last - index as usize),
        None => 0,
    }
}
