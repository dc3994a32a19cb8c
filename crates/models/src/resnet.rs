//! Lays out the ResNet family (He et al., arXiv 1512.03385; variants of arXiv 1812.01187).

use trickbag_ops::Window;

use crate::architecture::CIFAR_STAGE;
use crate::builder::Builder;
use crate::network::Layer;
use crate::{Error, ResNet, Stem, Variant};

/// The layers in front of the head, and the channels that they end in.
pub(crate) fn layers(
    settings: &ResNet,
    in_channels: usize,
    builder: &mut Builder,
) -> Result<(Vec<Layer>, usize), Error> {
    let (block, blocks) = stages(settings.depth)?;
    let width = settings.width.unwrap_or(if blocks.len() == 3 { 16 } else { 64 });
    if width == 0 || !width.is_multiple_of(2) {
        return Err(Error::Width { found: width });
    }
    let mut layers = stem(settings, in_channels, width, builder);
    let mut channels = width;
    for (stage, &count) in blocks.iter().enumerate() {
        for index in 0..count {
            let shape = BlockShape {
                input: channels,
                width: width << stage,
                stride: if stage > 0 && index == 0 { 2 } else { 1 },
            };
            builder.depth += 1;
            let name = format!("layer{}.{index}", stage + 1);
            layers.push(residual(block, settings.variant, &name, shape, builder));
            channels = shape.width * block.expansion();
        }
    }
    Ok((layers, channels))
}

#[derive(Clone, Copy)]
enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3, and a 1x1 that widens by four.
    Bottleneck,
}

impl Block {
    fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

#[derive(Clone, Copy)]
struct BlockShape {
    input: usize,
    width: usize,
    stride: usize,
}

/// The kind of block, and the number of blocks of each stage.
fn stages(depth: usize) -> Result<(Block, Vec<usize>), Error> {
    let (block, blocks) = match depth {
        18 => (Block::Basic, vec![2, 2, 2, 2]),
        34 => (Block::Basic, vec![3, 4, 6, 3]),
        50 => (Block::Bottleneck, vec![3, 4, 6, 3]),
        101 => (Block::Bottleneck, vec![3, 4, 23, 3]),
        152 => (Block::Bottleneck, vec![3, 8, 36, 3]),
        _ if depth > 2 && (depth - 2).is_multiple_of(CIFAR_STAGE) => {
            (Block::Basic, vec![(depth - 2) / CIFAR_STAGE; 3])
        }
        _ => return Err(Error::depth(depth)),
    };
    Ok((block, blocks))
}

fn stem(settings: &ResNet, inputs: usize, width: usize, builder: &mut Builder) -> Vec<Layer> {
    let pool = Layer::MaxPool(Window::square(3).stride(2).padding(1));
    let deep = matches!(settings.variant, Variant::C | Variant::D);
    match settings.stem {
        Stem::Cifar => {
            vec![builder.conv("conv1", [inputs, width], three(1)), builder.norm_relu("bn1", width)]
        }
        Stem::ImageNet if !deep => vec![
            builder.conv("conv1", [inputs, width], Window::square(7).stride(2).padding(3)),
            builder.norm_relu("bn1", width),
            pool,
        ],
        Stem::ImageNet | Stem::Deep => vec![
            builder.conv("conv1.0", [inputs, width / 2], three(2)),
            builder.norm_relu("conv1.1", width / 2),
            builder.conv("conv1.3", [width / 2, width / 2], three(1)),
            builder.norm_relu("conv1.4", width / 2),
            builder.conv("conv1.6", [width / 2, width], three(1)),
            builder.norm_relu("bn1", width),
            pool,
        ],
    }
}

fn residual(
    block: Block,
    variant: Variant,
    name: &str,
    shape: BlockShape,
    builder: &mut Builder,
) -> Layer {
    let (body, norm) = match block {
        Block::Basic => basic(name, shape, builder),
        Block::Bottleneck => bottleneck(variant, name, shape, builder),
    };
    let outputs = shape.width * block.expansion();
    let shortcut = if shape.stride == 1 && shape.input == outputs {
        vec![]
    } else {
        shortcut(variant, name, shape, outputs, builder)
    };
    Layer::Residual { body, norm, shortcut }
}

fn basic(
    name: &str,
    BlockShape { input, width, stride }: BlockShape,
    builder: &mut Builder,
) -> (Vec<Layer>, crate::network::Norm) {
    let body = vec![
        builder.conv(&format!("{name}.conv1"), [input, width], three(stride)),
        builder.norm_relu(&format!("{name}.bn1"), width),
        builder.conv(&format!("{name}.conv2"), [width, width], three(1)),
    ];
    (body, builder.residual_norm(&format!("{name}.bn2"), width))
}

fn bottleneck(
    variant: Variant,
    name: &str,
    BlockShape { input, width, stride }: BlockShape,
    builder: &mut Builder,
) -> (Vec<Layer>, crate::network::Norm) {
    let (first, second) = match variant {
        Variant::A => (stride, 1),
        Variant::B | Variant::C | Variant::D => (1, stride),
    };
    let outputs = width * Block::Bottleneck.expansion();
    let body = vec![
        builder.conv(&format!("{name}.conv1"), [input, width], one(first)),
        builder.norm_relu(&format!("{name}.bn1"), width),
        builder.conv(&format!("{name}.conv2"), [width, width], three(second)),
        builder.norm_relu(&format!("{name}.bn2"), width),
        builder.conv(&format!("{name}.conv3"), [width, outputs], one(1)),
    ];
    (body, builder.residual_norm(&format!("{name}.bn3"), outputs))
}

/// A projection where the shape changes; names are torchvision's, and timm's for variant D.
fn shortcut(
    variant: Variant,
    name: &str,
    BlockShape { input, stride, .. }: BlockShape,
    outputs: usize,
    builder: &mut Builder,
) -> Vec<Layer> {
    let (index, conv_stride) = match variant {
        Variant::D => (1, 1),
        Variant::A | Variant::B | Variant::C => (0, stride),
    };
    let mut layers = vec![];
    if conv_stride != stride {
        layers.push(Layer::AvgPool(Window::square(2).stride(stride)));
    }
    let (conv, norm) =
        (format!("{name}.downsample.{index}"), format!("{name}.downsample.{}", index + 1));
    layers.push(builder.conv(&conv, [input, outputs], one(conv_stride)));
    let norm = builder.norm(&norm, outputs);
    layers.push(Layer::Norm { norm, activation: trickbag_ops::Activation::Identity });
    layers
}

fn one(stride: usize) -> Window {
    Window::square(1).stride(stride)
}

fn three(stride: usize) -> Window {
    Window::square(3).stride(stride).padding(1)
}
