//! Lays out the residual network of nine layers with which David Page won DAWNBench on CIFAR-10.

use serde::{Deserialize, Serialize};
use trickbag_ops::{Activation, Window};

use crate::Error;
use crate::builder::Builder;
use crate::network::{HeadStyle, Layer, Pooling, Residual, Trunk};

/// Settings of ResNet-9 in its first published form, `dawn.py` of `davidcpage/cifar10-fast` (2018).
///
/// Convolution, norm, ReLU and 2x2 max pooling three times after a first convolution; a residual
/// block of two convolutions, each with norm and ReLU, after the first and the third; the maximum
/// over all pixels (`dawn.py`: over 4x4, which is all of them for images of 32 pixels), a linear
/// layer without bias, and a factor of 0.125 on the logits. The later form with CELU, ghost norm
/// and a whitening first layer is not this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNet9 {
    /// Channels of the first layer; 64 when left out. The later ones have two, four and eight times
    /// as many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
}

const LOGIT_SCALE: f32 = 0.125;

pub(crate) fn trunk(
    settings: &ResNet9,
    in_channels: usize,
    builder: &mut Builder,
) -> Result<Trunk, Error> {
    let width = settings.width.unwrap_or(64);
    if width == 0 {
        return Err(Error::setting("width", 0.0, "1 or more"));
    }
    let mut layers = conv_norm_relu("prep", [in_channels, width], builder).to_vec();
    for stage in 1..=3 {
        builder.depth += 1;
        let (name, channels) = (format!("layer{stage}"), width << stage);
        layers.extend(conv_norm_relu(&name, [channels / 2, channels], builder));
        layers.push(Layer::MaxPool(Window::square(2).stride(2)));
        if stage != 2 {
            layers.push(residual(&format!("{name}.residual"), channels, builder));
        }
    }
    let head =
        HeadStyle { name: "linear", bias: false, pooling: Pooling::Maximum, scale: LOGIT_SCALE };
    Ok(Trunk { layers, features: width << 3, head })
}

fn residual(name: &str, channels: usize, builder: &mut Builder) -> Layer {
    let mut body = conv_norm_relu(&format!("{name}.res1"), [channels; 2], builder).to_vec();
    body.push(conv(&format!("{name}.res2"), [channels; 2], builder));
    let norm = builder.residual_norm(&format!("{name}.res2.bn"), channels);
    body.push(Layer::Norm { norm, activation: Activation::Relu });
    Layer::Residual(Residual::new(body, vec![], Activation::Identity))
}

fn conv_norm_relu(name: &str, channels: [usize; 2], builder: &mut Builder) -> [Layer; 2] {
    let conv = conv(name, channels, builder);
    [conv, builder.norm_relu(&format!("{name}.bn"), channels[1])]
}

fn conv(name: &str, channels: [usize; 2], builder: &mut Builder) -> Layer {
    builder.conv(&format!("{name}.conv"), channels, Window::square(3).padding(1))
}
