//! Lays out wide residual networks (Zagoruyko and Komodakis, arXiv 1605.07146).

use serde::{Deserialize, Serialize};
use trickbag_ops::{Activation, Window};

use crate::Error;
use crate::builder::Builder;
use crate::network::{HeadStyle, Layer, Residual, Trunk};

/// Settings of a wide residual network for small images: WRN-28-10 is `depth: 28, widen: 10`.
///
/// It is the paper's own form with norm and ReLU *before* each convolution (pre-activation, B(3,3)
/// blocks, no dropout within them), with the names of the authors' PyTorch code, as
/// `group0.block0.conv0`. Convolutions start from Kaiming's fan-out, as in all networks here; the
/// authors' code has fan-in. torchvision's `wide_resnet50_2` is another network: a ResNet-50 with
/// wider 3x3 convolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WideResNet {
    /// Number of convolutions, shortcuts included: `6n + 4` with `n` blocks in each of three
    /// stages.
    pub depth: usize,
    /// Factor on the channels 16, 32 and 64 of the stages.
    pub widen: usize,
}

/// Convolutions that one more block in each stage adds.
const STAGE: usize = 6;
/// Convolutions beside the blocks: the first, and one shortcut a stage.
const BESIDE: usize = 4;
/// Channels of the first convolution.
const STEM: usize = 16;

pub(crate) fn trunk(
    settings: &WideResNet,
    in_channels: usize,
    builder: &mut Builder,
) -> Result<Trunk, Error> {
    let WideResNet { depth, widen } = *settings;
    if depth <= BESIDE || !(depth - BESIDE).is_multiple_of(STAGE) {
        let blocks = (depth.saturating_sub(BESIDE) + STAGE / 2) / STAGE;
        return Err(Error::WideDepth { found: depth, nearest: STAGE * blocks.max(1) + BESIDE });
    }
    if widen == 0 {
        return Err(Error::setting("widening factor", 0.0, "1 or more"));
    }
    let mut layers = vec![builder.conv("conv0", [in_channels, STEM], three(1))];
    let mut channels = STEM;
    for stage in 0..3 {
        let width = (STEM << stage) * widen;
        for index in 0..(depth - BESIDE) / STAGE {
            builder.depth += 1;
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            let name = format!("group{stage}.block{index}");
            layers.extend(block(&name, [channels, width], stride, builder));
            channels = width;
        }
    }
    layers.push(builder.norm_relu("bn", channels));
    Ok(Trunk { layers, features: channels, head: HeadStyle::usual("fc") })
}

/// Where the channels change, body and shortcut share the first norm.
fn block(
    name: &str,
    [input, width]: [usize; 2],
    stride: usize,
    builder: &mut Builder,
) -> Vec<Layer> {
    let first = builder.norm_relu(&format!("{name}.bn0"), input);
    let mut body = vec![
        builder.conv(&format!("{name}.conv0"), [input, width], three(stride)),
        builder.norm_relu(&format!("{name}.bn1"), width),
        builder.conv(&format!("{name}.conv1"), [width, width], three(1)),
    ];
    if input == width {
        body.insert(0, first);
        return vec![Layer::Residual(Residual::new(body, vec![], Activation::Identity))];
    }
    let window = Window::square(1).stride(stride);
    let shortcut = vec![builder.conv(&format!("{name}.convdim"), [input, width], window)];
    vec![first, Layer::Residual(Residual::new(body, shortcut, Activation::Identity))]
}

fn three(stride: usize) -> Window {
    Window::square(3).stride(stride).padding(1)
}
