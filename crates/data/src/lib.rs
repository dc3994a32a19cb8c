//! Image data sets, decoding, augmentation and resumable batches for training classifiers.
//!
//! A [`Source`] names where images come from: the built-in [`Source::Mnist10k`], a folder of
//! JPEG and PNG files, or the original files of MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100.
//! [`Dataset::open`] decodes it, and [`Dataset::train_batches`] yields normalised batches in a
//! seeded order while a background thread prepares the next ones. Any batch of any epoch can be
//! asked for directly, and it is bit for bit the one that an unbroken run would see.
//!
//! ```
//! use trickbag_data::{Augment, Dataset, Keep, Loading, Order, Source};
//!
//! let source = Source::Mnist10k;
//! let dataset = Dataset::open(&source, Keep::Decoded)?;
//! let loading = Loading {
//!     seed: 1,
//!     batch_size: 128,
//!     size: [28, 28],
//!     order: Order::Shuffled,
//!     augment: vec![Augment::PadCrop(2)],
//!     normalize: source.normalize(),
//! };
//! for batch in dataset.train_batches(&loading, 0, 0)?.take(2) {
//!     let batch = batch?;
//!     assert_eq!(batch.images.len(), 128 * 28 * 28);
//!     assert_eq!(batch.labels.len(), 128);
//! }
//! # Ok::<(), trickbag_data::Error>(())
//! ```
//!
//! An [`Augment`] is a line of a recipe. It is drawn for an image into a [`Change`], which is then
//! applied; the automatic augmentations draw lists of [`Operation`]s, which equal torchvision's bit
//! for bit. [`Order`] says which images an epoch shows, [`Dataset::subset`] and
//! [`Dataset::with_label_noise`] change what there is to show.
//!
//! Nothing here depends on a tensor library: a [`Batch`] is plain vectors, images in
//! `(batch, height, width, channels)` order.
//!
//! Errors name the file, what was found, what was expected and what to do. Files that cannot be
//! used are counted and named, and stop the run unless [`OnError::Skip`] asks to leave them out.

mod augment;
mod batches;
mod change;
mod cifar;
mod dataset;
mod decode;
mod error;
mod idx;
mod image;
mod image_folder;
mod label_noise;
mod listing;
mod loading;
mod mnist10k;
mod normalize;
mod operation;
mod order;
mod progressive_resizing;
mod source;
mod split;
mod subset;
mod view;

pub use augment::{
    AugMix, Augment, Chain, ColorJitter, Content, Erasure, Fill, Policy, RandAugment, RandomErasing,
};
pub use batches::Batches;
pub use change::{Border, Change};
pub use cifar::CifarBinary;
pub use dataset::{Dataset, Keep};
pub use decode::Fault;
pub use error::{Error, OddFile, OddFiles};
pub use idx::Idx;
pub use image::{Image, Window};
pub use image_folder::{Expect, ImageFolder, OnError};
pub use label_noise::LabelNoise;
pub use loading::{Batch, Loading};
pub use normalize::{Normalize, NormalizeTable};
pub use operation::{Interpolation, Operation};
pub use order::{Order, Visit, batch_generator};
pub use progressive_resizing::ProgressiveResizing;
pub use source::{Facts, Source};
pub use split::Split;
pub use subset::Subset;
pub use view::{Facing, View};
