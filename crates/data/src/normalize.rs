//! Normalisation of pixels by channel mean and standard deviation.

use crate::Error;
use serde::{Deserialize, Serialize};

/// Channel means and standard deviations, in units of the 0..1 pixel value:
/// `(pixel / 255 - mean) / std`.
///
/// ```
/// use trickbag_data::Normalize;
///
/// let grey = Normalize { mean: vec![0.5], std: vec![0.25] };
/// let mut normalised = [0.0; 2];
/// grey.table(1)?.apply(&[0, 255], &mut normalised);
/// assert_eq!(normalised, [-2.0, 2.0]);
/// # Ok::<(), trickbag_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalize {
    /// One mean per channel, 0..1.
    pub mean: Vec<f32>,
    /// One standard deviation per channel, above 0.
    pub std: Vec<f32>,
}

impl Normalize {
    /// The normalised value of every byte in every channel.
    ///
    /// Computed in the order of torchvision's `ToTensor` and `Normalize`, so it is bitwise equal.
    ///
    /// # Errors
    /// [`Error::NormalizeChannels`] when a list does not have `channels` numbers,
    /// [`Error::NormalizeValue`] when a number is not finite or a deviation not above 0.
    pub fn table(&self, channels: usize) -> Result<NormalizeTable, Error> {
        self.check(channels)?;
        let values = self.mean.iter().zip(&self.std);
        let channel = |(mean, std)| std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / std);
        Ok(NormalizeTable { channels: values.map(channel).collect() })
    }

    fn check(&self, channels: usize) -> Result<(), Error> {
        let (mean, std) = (self.mean.len(), self.std.len());
        if (mean, std) != (channels, channels) {
            return Err(Error::NormalizeChannels { mean, std, channels });
        }
        let bad_mean = self.mean.iter().find(|mean| !mean.is_finite());
        let bad_std = self.std.iter().find(|std| !std.is_finite() || **std <= 0.0);
        match (bad_mean, bad_std) {
            (Some(&value), _) => Err(Error::NormalizeValue { name: "mean", value }),
            (_, Some(&value)) => Err(Error::NormalizeValue { name: "std", value }),
            (None, None) => Ok(()),
        }
    }
}

/// A checked [`Normalize`], ready to apply.
#[derive(Debug, Clone)]
pub struct NormalizeTable {
    channels: Vec<[f32; 256]>,
}

impl NormalizeTable {
    /// Writes the normalised `pixels` (channels last) to `out`, which is equally long.
    pub fn apply(&self, pixels: &[u8], out: &mut [f32]) {
        let channels = self.channels.len();
        for (from, to) in pixels.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
            for ((value, byte), table) in to.iter_mut().zip(from).zip(&self.channels) {
                *value = table[usize::from(*byte)];
            }
        }
    }
}
