//! What can go wrong when a network is built, run or loaded.

use crate::Tweak;
use crate::architecture::CIFAR_STAGE;

/// A network's failure.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A depth that the ResNet family does not have.
    #[error(
        "there is no ResNet-{found}: use 18, 34, 50, 101 or 152 (four stages), or 6n + 2 (three \
         stages, for small images), of which {nearest} is the nearest"
    )]
    Depth {
        /// The depth asked for.
        found: usize,
        /// The nearest depth of the form 6n + 2.
        nearest: usize,
    },
    /// A depth that wide residual networks do not have.
    #[error(
        "there is no WideResNet of depth {found}: use 6n + 4, of which {nearest} is the nearest"
    )]
    WideDepth {
        /// The depth asked for.
        found: usize,
        /// The nearest depth of the form 6n + 4.
        nearest: usize,
    },
    /// A number out of its range.
    #[error("the {what} is {found}, expected {expected}")]
    Setting {
        /// Which number.
        what: &'static str,
        /// The number asked for.
        found: f64,
        /// The range.
        expected: &'static str,
    },
    /// Something that the family does not have.
    #[error("{family} cannot have {extra}: remove one of the two")]
    Unsupported {
        /// What was asked for.
        extra: &'static str,
        /// The family.
        family: &'static str,
    },
    /// A tweak that changes nothing.
    #[error("ResNet-{tweak:?} changes nothing in this network: {reason}")]
    Tweak {
        /// The tweak.
        tweak: Tweak,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// A width that the stem cannot divide.
    #[error("a width of {found} channels does not work: it must be a positive even number")]
    Width {
        /// The width asked for.
        found: usize,
    },
    /// No input channels or no classes.
    #[error(
        "a network needs channels and classes, found {in_channels} channels and {classes} classes"
    )]
    Empty {
        /// Channels asked for.
        in_channels: usize,
        /// Classes asked for.
        classes: usize,
    },
    /// Images that the network cannot take.
    #[error("this network takes images of {expected} channels, found {found}")]
    Channels {
        /// Channels of the images.
        found: usize,
        /// Channels that the network was built for.
        expected: usize,
    },
    /// Batch norm over a single value per channel.
    #[error(
        "batch norm `{norm}` sees one value per channel in training, whose variance is unknown: use \
         a larger batch or larger images"
    )]
    OneValue {
        /// The norm's name.
        norm: String,
    },
    /// Ghost batches of a batch that ranks share.
    #[error(
        "{world_size} ranks cannot share a batch that is normalised in ghost batches of \
         {ghost_batch} images: train on one rank, or without ghost batches"
    )]
    SharedGhosts {
        /// Images of a ghost batch.
        ghost_batch: usize,
        /// How many ranks there are.
        world_size: usize,
    },
    /// Values that do not belong to this network.
    #[error("these values do not belong to this network: {}", .0.join("; "))]
    Mismatch(Vec<String>),
    /// Tensors of which not one fits the network.
    #[error(
        "none of the file's tensors fits the network, as `{}`: use a file of the same family and sizes",
        .tensors.join("`, `")
    )]
    NothingFits {
        /// Names of the first ones.
        tensors: Vec<String>,
    },
    /// A network without a whitening layer.
    #[error("this network has no whitening layer: only Airbench94 has one")]
    NoWhitening,
    /// Values that are no images for a whitening layer.
    #[error(
        "{values} values of shape {shape:?} cannot be whitened: expected (batch, height, width, \
         channels) with {channels} channels and 2 pixels or more along each axis"
    )]
    Images {
        /// How many values there are.
        values: usize,
        /// The shape that they are said to have.
        shape: [usize; 4],
        /// Channels that the network takes.
        channels: usize,
    },
    /// A file that cannot be read or written as safetensors.
    #[error("not a safetensors file of F32 tensors: {0}")]
    File(String),
    /// An operator failed.
    #[error(transparent)]
    Ops(#[from] trickbag_ops::Error),
}

impl Error {
    pub(crate) fn file(error: safetensors::SafeTensorError) -> Self {
        Self::File(error.to_string())
    }

    pub(crate) fn setting(what: &'static str, found: f64, expected: &'static str) -> Self {
        Self::Setting { what, found, expected }
    }

    pub(crate) fn depth(found: usize) -> Self {
        let blocks = (found.saturating_sub(2) + CIFAR_STAGE / 2) / CIFAR_STAGE;
        Self::Depth { found, nearest: CIFAR_STAGE * blocks.max(1) + 2 }
    }
}
