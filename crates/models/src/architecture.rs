//! What a recipe's `model` line says: the family and its settings.
use serde::{Deserialize, Serialize};

use crate::{Airbench94, InceptionV3, MobileNetV1, ResNet9, WideResNet};

/// A network family and its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Architecture {
    /// Residual networks (He et al., arXiv 1512.03385).
    ResNet(ResNet),
    /// Wide residual networks for small images (Zagoruyko and Komodakis, arXiv 1605.07146).
    WideResNet(WideResNet),
    /// The residual network of nine layers that won DAWNBench on CIFAR-10.
    ResNet9(ResNet9),
    /// Depthwise separable convolutions (Howard et al., arXiv 1704.04861).
    MobileNetV1(MobileNetV1),
    /// Inception-V3 (Szegedy et al., arXiv 1512.00567).
    InceptionV3(InceptionV3),
    /// The network of airbench94, for CIFAR-10 (Jordan, arXiv 2404.00498).
    Airbench94(Airbench94),
}

impl Architecture {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::ResNet(_) => "ResNet",
            Self::WideResNet(_) => "WideResNet",
            Self::ResNet9(_) => "ResNet9",
            Self::MobileNetV1(_) => "MobileNetV1",
            Self::InceptionV3(_) => "InceptionV3",
            Self::Airbench94(_) => "Airbench94",
        }
    }
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

/// The tweaks of a downsampling block (Bag of Tricks, section 4), each on top of the one before.
///
/// torchvision's ResNet-50 is variant B, the paper's baseline is A. [`Tweak`](crate::Tweak) has the
/// tweaks one by one, for ablations: A with all three is D.
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
