//! Lays out MobileNet-V1 (Howard et al., arXiv 1704.04861).

use serde::{Deserialize, Serialize};
use trickbag_ops::Window;

use crate::Error;
use crate::builder::Builder;
use crate::network::{HeadStyle, Layer, Trunk};

/// Settings of MobileNet-V1: depthwise 3x3 and 1x1 convolutions in turn, each with norm and ReLU.
///
/// ReLU as in the paper and in gluon's network, which the Bag of Tricks paper trains; timm's
/// `mobilenetv1_100`, whose parameter names these are, and TensorFlow's have ReLU6. Borders are
/// padded evenly (PyTorch), where TensorFlow pads the far side first; the norms' epsilon is 1e-5.
/// The fan-out that a depthwise filter starts from is that of its one channel (timm), not of all
/// (torchvision).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MobileNetV1 {
    /// Factor on all channels, rounded to multiples of 8 that lose at most a tenth (timm,
    /// TensorFlow).
    pub width: f64,
}

impl Default for MobileNetV1 {
    fn default() -> Self {
        Self { width: 1.0 }
    }
}

/// Channels of the first convolution.
const STEM: usize = 32;
/// Blocks, stride of the first, and channels of each stage.
const STAGES: [(usize, usize, usize); 5] =
    [(1, 1, 64), (2, 2, 128), (2, 2, 256), (6, 2, 512), (2, 2, 1024)];
/// Channels are a multiple of this.
const MULTIPLE: usize = 8;

pub(crate) fn trunk(
    settings: &MobileNetV1,
    in_channels: usize,
    builder: &mut Builder,
) -> Result<Trunk, Error> {
    let factor = settings.width;
    if !(factor > 0.0 && factor <= 8.0) {
        return Err(Error::setting("width multiplier", factor, "above 0 and up to 8"));
    }
    let mut channels = scaled(STEM, factor);
    let mut layers = vec![
        builder.conv("conv_stem", [in_channels, channels], three(2)),
        builder.norm_relu("bn1", channels),
    ];
    for (stage, (blocks, first, outputs)) in STAGES.into_iter().enumerate() {
        for index in 0..blocks {
            let (outputs, stride) = (scaled(outputs, factor), if index == 0 { first } else { 1 });
            builder.depth += 1;
            let name = format!("blocks.{stage}.{index}");
            layers.extend(separable(&name, [channels, outputs], stride, builder));
            channels = outputs;
        }
    }
    Ok(Trunk { layers, features: channels, head: HeadStyle::usual("classifier") })
}

fn separable(name: &str, channels: [usize; 2], stride: usize, builder: &mut Builder) -> [Layer; 4] {
    let [inputs, outputs] = channels;
    [
        builder.depthwise(&format!("{name}.conv_dw"), inputs, three(stride)),
        builder.norm_relu(&format!("{name}.bn1"), inputs),
        builder.conv(&format!("{name}.conv_pw"), channels, Window::square(1)),
        builder.norm_relu(&format!("{name}.bn2"), outputs),
    ]
}

fn scaled(channels: usize, factor: f64) -> usize {
    let exact = channels as f64 * factor;
    let nearest = (exact + MULTIPLE as f64 / 2.0) as usize / MULTIPLE * MULTIPLE;
    let nearest = nearest.max(MULTIPLE);
    if (nearest as f64) < 0.9 * exact { nearest + MULTIPLE } else { nearest }
}

fn three(stride: usize) -> Window {
    Window::square(3).stride(stride).padding(1)
}
