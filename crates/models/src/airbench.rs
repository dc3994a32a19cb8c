//! Lays out the network of airbench94 (Jordan, arXiv 2404.00498).

use serde::{Deserialize, Serialize};
use trickbag_ops::{Pointwise, Window};

use crate::Error;
use crate::builder::Builder;
use crate::network::{HeadStyle, Init, Layer, NormSetting, Pooling, Trunk};

/// Settings of the network of `airbench94.py` (`KellerJordan/cifar10-airbench`, 2024).
///
/// - A 2x2 convolution without padding, whose filter whitens patches of the training images and stays
///   as it is ([`Network::whiten`], [`Update::Fixed`]), with a bias that is trained; GELU.
/// - Three blocks: convolution, 2x2 max pooling, norm, GELU, convolution, norm, GELU. Convolutions
///   start as the identity as far as there are inputs, and as PyTorch's uniform beyond.
/// - The maximum over all pixels (there: over 3x3, which is all of them for images of 32 pixels), a
///   linear layer without bias, and a factor of 1/9 on the logits.
///
/// Norms have no scale parameter (there it is frozen at 1), an epsilon of 1e-12, and running
/// statistics that move by 0.4 towards the batch. Names are those of `airbench94_muon.py`; the
/// other file has none.
///
/// [`Network::whiten`]: crate::Network::whiten
/// [`Update::Fixed`]: crate::Update::Fixed
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Airbench94 {
    /// Channels of the first block; 64 when left out. The other two have four times as many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
}

/// Taps of the first convolution along each axis.
pub(crate) const PATCH: usize = 2;

const NORM: NormSetting = NormSetting { eps: 1e-12, momentum: 0.4, ghost_batch: None };
const LOGIT_SCALE: f32 = 1.0 / 9.0;

pub(crate) fn trunk(
    settings: &Airbench94,
    in_channels: usize,
    builder: &mut Builder,
) -> Result<Trunk, Error> {
    let width = settings.width.unwrap_or(64);
    if width == 0 {
        return Err(Error::setting("width", 0.0, "1 or more"));
    }
    builder.norm_setting = NORM;
    let mut channels = 2 * in_channels * PATCH * PATCH;
    let whiten = builder.fixed_conv("whiten", [in_channels, channels], Window::square(PATCH));
    let mut layers = vec![whiten, Layer::Pointwise(Pointwise::Gelu)];
    for (index, outputs) in [width, 4 * width, 4 * width].into_iter().enumerate() {
        builder.depth += 1;
        layers.extend(block(&format!("layers.{}", index + 1), [channels, outputs], builder));
        channels = outputs;
    }
    let head =
        HeadStyle { name: "head", bias: false, pooling: Pooling::Maximum, scale: LOGIT_SCALE };
    Ok(Trunk { layers, features: channels, head })
}

fn block(name: &str, [inputs, outputs]: [usize; 2], builder: &mut Builder) -> [Layer; 7] {
    let three = Window::square(3).padding(1);
    [
        builder.conv_from(&format!("{name}.conv1"), [inputs, outputs], three, Init::Dirac),
        Layer::MaxPool(Window::square(2).stride(2)),
        builder.unscaled_norm(&format!("{name}.norm1"), outputs),
        Layer::Pointwise(Pointwise::Gelu),
        builder.conv_from(&format!("{name}.conv2"), [outputs, outputs], three, Init::Dirac),
        builder.unscaled_norm(&format!("{name}.norm2"), outputs),
        Layer::Pointwise(Pointwise::Gelu),
    ]
}
