//! What a recipe's `model` line says: the family and its settings.
use serde::{Deserialize, Serialize};

/// A network family and its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    /// Residual networks (He et al., arXiv 1512.03385).
    ResNet(ResNet),
}

/// Settings of a residual network.
///
/// `depth` 18, 34, 50, 101 and 152 are the four-stage networks; any other depth must be `6n + 2`
/// and is the three-stage CIFAR network with `n` basic blocks a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNet {
    /// Number of weight layers.
    pub depth: usize,
    /// First layers.
    #[serde(default)]
    pub stem: Stem,
    /// Where a downsampling block strides.
    #[serde(default)]
    pub variant: Variant,
    /// Channels of the first stage; 64 for four stages, 16 for three when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
}

/// First layers of a residual network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stem {
    /// One 7x7 convolution with stride 2 and 3x3 max pooling with stride 2.
    #[default]
    ImageNet,
    /// One 3x3 convolution with stride 1, no pooling.
    Cifar,
    /// Three 3x3 convolutions, the first with stride 2, and max pooling (ResNet-C).
    Deep,
}

/// The tweaks of a downsampling block (Bag of Tricks, section 4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Variant {
    /// The stride is in the first 1x1 convolution of a bottleneck (He et al. 2015).
    A,
    /// The stride is in the 3x3 convolution (torchvision).
    #[default]
    B,
    /// B with the deep stem in place of the ImageNet one.
    C,
    /// C, and 2x2 average pooling before an unstrided 1x1 convolution in the shortcut.
    D,
}

/// What the last norm scale of each residual block starts from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ZeroGamma {
    /// One, as every other norm scale.
    #[default]
    Off,
    /// Zero: a block starts as its shortcut.
    On,
}

/// Weight layers that one more block in each of the three CIFAR stages adds.
pub(crate) const CIFAR_STAGE: usize = 6;
