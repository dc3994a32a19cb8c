//! Where images come from, and what a plan needs to know about them.

use crate::{CifarBinary, Dataset, Error, Idx, ImageFolder, Keep, Normalize, mnist10k};
use serde::{Deserialize, Serialize};

/// Where images come from (a recipe's `data` line).
///
/// ```
/// use trickbag_data::Source;
///
/// let facts = Source::Mnist10k.facts()?;
/// assert_eq!((facts.train_len, facts.val_len, facts.classes), (8500, 1500, 10));
/// # Ok::<(), trickbag_data::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// 10,000 real MNIST digits inside this crate, 28 x 28 grey: 8,500 train, 1,500 validate.
    Mnist10k,
    /// A folder of JPEG and PNG files, one sub-folder per class.
    ImageFolder(ImageFolder),
    /// The IDX files of MNIST and Fashion-MNIST.
    Idx(Idx),
    /// The binary files of CIFAR-10.
    Cifar10(CifarBinary),
    /// The binary files of CIFAR-100, with the 100 fine labels.
    Cifar100(CifarBinary),
}

/// What a plan needs to know about a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Training images.
    pub train_len: usize,
    /// Validation images.
    pub val_len: usize,
    /// Classes; labels are `0..classes`.
    pub classes: usize,
    /// Rows of an image as the network sees it.
    pub height: usize,
    /// Columns of an image as the network sees it.
    pub width: usize,
    /// 1 for grey, 3 for RGB.
    pub channels: usize,
}

impl Source {
    /// The facts by a quick look, without decoding images.
    ///
    /// Of an image folder the files are listed; one that turns out unreadable later is still
    /// counted, so where [`crate::OnError::Skip`] is set, [`Dataset::facts`] has the last word.
    /// `expect` answers when the folder does not exist. IDX and CIFAR files are read, which takes
    /// a fraction of a second.
    ///
    /// # Errors
    /// Missing folders and files, files that are not what their place asks for, and a folder that
    /// disagrees with `expect`.
    pub fn facts(&self) -> Result<Facts, Error> {
        match self {
            Source::Mnist10k => Ok(mnist10k::FACTS),
            Source::ImageFolder(folder) => folder.facts(),
            Source::Idx(_) | Source::Cifar10(_) | Source::Cifar100(_) => {
                Ok(*Dataset::open(self, Keep::Decoded)?.facts())
            }
        }
    }

    /// The usual normalisation of this source.
    ///
    /// CIFAR: the training images' own statistics, as commonly published. Image folders: ImageNet's
    /// (torchvision). IDX: MNIST's; a set that looks different, like Fashion-MNIST (0.2860, 0.3530),
    /// wants its own. [`Source::Mnist10k`]: computed over its training split by `mnist10k/make.py`.
    pub fn normalize(&self) -> Normalize {
        let (mean, std): (&[f32], &[f32]) = match self {
            Source::Mnist10k => (&[0.1311], &[0.3087]),
            Source::Idx(_) => (&[0.1307], &[0.3081]),
            Source::Cifar10(_) => (&[0.4914, 0.4822, 0.4465], &[0.2470, 0.2435, 0.2616]),
            Source::Cifar100(_) => (&[0.5071, 0.4865, 0.4409], &[0.2673, 0.2564, 0.2762]),
            Source::ImageFolder(_) => (&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]),
        };
        Normalize { mean: mean.to_vec(), std: std.to_vec() }
    }
}
