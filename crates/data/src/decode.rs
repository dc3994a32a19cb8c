//! Image files to pixels: JPEG and PNG by their content, and complete ones only.

use crate::{Error, Image};
use image::ImageFormat;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Why a file cannot be used as an image.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Its name does not end in `.jpg`, `.jpeg` or `.png`.
    #[error("the name does not end in .jpg, .jpeg or .png")]
    Name,
    /// It is not a file inside a class folder.
    #[error("expected a folder per class, with image files right inside it")]
    Place,
    /// The operating system could not read it.
    #[error("unreadable: {0}")]
    Io(#[from] std::io::Error),
    /// It starts like neither JPEG nor PNG.
    #[error("the content is neither JPEG nor PNG")]
    Content,
    /// The end-of-image marker of a JPEG is missing.
    #[error("truncated: the JPEG ends before its end-of-image marker")]
    Truncated,
    /// The decoder refused it.
    #[error("does not decode: {0}")]
    Decode(#[from] image::ImageError),
    /// It decodes, but cannot be brought to size.
    #[error(transparent)]
    Fit(#[from] Box<Error>),
}

/// How images of any size become `size` x `size`; see [`Image::fit`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fit {
    pub(crate) short: usize,
    pub(crate) size: usize,
}

impl Fit {
    /// Decodes a file and brings it to size.
    pub(crate) fn load(self, path: &Path) -> Result<Image, Fault> {
        Ok(decode(path)?.fit(self.short, self.size).map_err(Box::new)?)
    }
}

/// Decodes a JPEG or PNG file to RGB; transparency is dropped, EXIF rotation is ignored (as
/// torchvision's `ImageFolder` does).
pub(crate) fn decode(path: &Path) -> Result<Image, Fault> {
    let contents = std::fs::read(path)?;
    let format = format(&contents)?;
    // The decoder would fill what a truncated JPEG lacks with grey and report success.
    if format == ImageFormat::Jpeg && !reaches_end_marker(&contents) {
        return Err(Fault::Truncated);
    }
    let decoded = image::load_from_memory_with_format(&contents, format)?;
    Ok(decoded.into_rgb8().into())
}

/// Checks the first bytes only.
pub(crate) fn check_start(path: &Path) -> Result<(), Fault> {
    let mut start = Vec::new();
    File::open(path)?.take(16).read_to_end(&mut start)?;
    format(&start).map(|_| ())
}

fn format(contents: &[u8]) -> Result<ImageFormat, Fault> {
    match image::guess_format(contents) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) => Ok(format),
        _ => Err(Fault::Content),
    }
}

/// Whether the marker walk of a JPEG gets to its end-of-image marker (ITU T.81, annex B).
fn reaches_end_marker(jpeg: &[u8]) -> bool {
    const END_OF_IMAGE: u8 = 0xd9;
    let mut at = 2;
    while let Some((marker, after)) = next_marker(jpeg, at) {
        if marker == END_OF_IMAGE {
            return true;
        }
        let length = jpeg.get(after..after + 2).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]));
        at = after + usize::from(length);
    }
    false
}

/// The next marker that heads a segment or ends the image, and the index after it; skips
/// entropy-coded bytes (0xff is followed by 0 there), restart markers and padding.
fn next_marker(jpeg: &[u8], from: usize) -> Option<(u8, usize)> {
    let heads = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 1 | 0xd0..=0xd8 | 0xff);
    let found = jpeg.get(from..)?.windows(2).position(heads)? + from;
    Some((jpeg[found + 1], found + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start of image; a segment that holds a whole thumbnail with an end marker; a scan with a
    /// stuffed 0xff, a restart marker and padding; end of image.
    const JPEG: [u8; 27] = [
        0xff, 0xd8, 0xff, 0xe1, 0, 8, 0xff, 0xd8, 7, 7, 0xff, 0xd9, 0xff, 0xda, 0, 3, 1, 7, 0xff,
        0, 7, 0xff, 0xd0, 7, 0xff, 0xff, 0xd9,
    ];

    #[test]
    fn a_jpeg_is_complete_only_with_its_own_end_marker() {
        assert!(reaches_end_marker(&JPEG));
        assert!(reaches_end_marker(&[&JPEG[..], b"trailing"].concat()));
        for length in 0..JPEG.len() {
            assert!(!reaches_end_marker(&JPEG[..length]), "cut to {length}");
        }
    }
}
