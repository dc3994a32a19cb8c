//! Lays out the ResNet family (He et al., arXiv 1512.03385; variants of arXiv 1812.01187).

use trickbag_ops::{Activation, Divisor, Rounding, Window};

use crate::architecture::CIFAR_STAGE;
use crate::builder::Builder;
use crate::network::{HeadStyle, Layer, Residual, Trunk};
use crate::{BlurPool, Error, Extras, ResNet, SqueezeExcite, Stem, Tweak, Variant};

pub(crate) fn trunk(
    settings: &ResNet,
    extras: &Extras,
    in_channels: usize,
    builder: &mut Builder,
) -> Result<Trunk, Error> {
    let (block, blocks) = stages(settings.depth)?;
    let width = settings.width.unwrap_or(if blocks.len() == 3 { 16 } else { 64 });
    if width == 0 || !width.is_multiple_of(2) {
        return Err(Error::Width { found: width });
    }
    let design = Design::new(settings, extras, block)?;
    let mut layers = stem(&design, in_channels, width, builder);
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
            layers.push(residual(&design, &name, shape, builder));
            channels = shape.width * block.expansion();
        }
    }
    Ok(Trunk { layers, features: channels, head: HeadStyle::usual("fc") })
}

/// What the variant, the tweaks and the other extras come to.
struct Design {
    block: Block,
    stem: Stem,
    /// The convolution of a bottleneck that strides.
    strided: Strided,
    shortcut: Shortcut,
    blur: BlurPool,
    gate: Option<SqueezeExcite>,
}

#[derive(Clone, Copy, PartialEq)]
enum Strided {
    First,
    Second,
}

#[derive(Clone, Copy, PartialEq)]
enum Shortcut {
    Strided,
    Pooled,
}

impl Design {
    fn new(settings: &ResNet, extras: &Extras, block: Block) -> Result<Self, Error> {
        let variant = settings.variant;
        let deep = matches!(variant, Variant::C | Variant::D) && settings.stem != Stem::Cifar;
        let mut design = Self {
            block,
            stem: if deep { Stem::Deep } else { settings.stem },
            strided: if variant == Variant::A { Strided::First } else { Strided::Second },
            shortcut: if variant == Variant::D { Shortcut::Pooled } else { Shortcut::Strided },
            blur: extras.blur_pool,
            gate: extras.squeeze_excite,
        };
        for &tweak in &extras.tweaks {
            if let Some(reason) = design.obstacle(tweak) {
                return Err(Error::Tweak { tweak, reason });
            }
            match tweak {
                Tweak::B => design.strided = Strided::Second,
                Tweak::C => design.stem = Stem::Deep,
                Tweak::D => design.shortcut = Shortcut::Pooled,
            }
        }
        Ok(design)
    }

    /// Why a tweak would change nothing, and what to do.
    fn obstacle(&self, tweak: Tweak) -> Option<&'static str> {
        match tweak {
            Tweak::B if matches!(self.block, Block::Basic) => {
                Some("basic blocks have no 1x1 convolution that strides; take a depth from 50 on")
            }
            Tweak::B if self.strided == Strided::Second => {
                Some("the 3x3 convolution has the stride already; start from `variant: A`")
            }
            Tweak::C if self.stem == Stem::Deep => Some(
                "the stem is deep already; start from `stem: ImageNet` and `variant: A` or `B`",
            ),
            Tweak::C if self.stem == Stem::Cifar => Some(
                "the stem for small images has no 7x7 convolution; start from `stem: ImageNet`",
            ),
            Tweak::D if self.shortcut == Shortcut::Pooled => {
                Some("the shortcuts are pooled already; start from `variant: A`, `B` or `C`")
            }
            _ => None,
        }
    }

    /// Convolution `index` of a block, its norm, and ReLU; blurred, the stride comes last.
    fn conv_norm_relu(
        &self,
        name: &str,
        index: usize,
        channels: [usize; 2],
        [kernel, stride]: [usize; 2],
        builder: &mut Builder,
    ) -> Vec<Layer> {
        let blurred = self.blur == BlurPool::On && stride > 1;
        let stride = if blurred { 1 } else { stride };
        let window = Window::square(kernel).stride(stride).padding(kernel / 2);
        let mut layers = vec![
            builder.conv(&format!("{name}.conv{index}"), channels, window),
            builder.norm_relu(&format!("{name}.bn{index}"), channels[1]),
        ];
        if blurred {
            layers.push(Layer::BlurPool);
        }
        layers
    }
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

fn stem(design: &Design, inputs: usize, width: usize, builder: &mut Builder) -> Vec<Layer> {
    let half = width / 2;
    let mut layers = match design.stem {
        Stem::Cifar => {
            return vec![
                builder.conv("conv1", [inputs, width], three(1)),
                builder.norm_relu("bn1", width),
            ];
        }
        Stem::ImageNet => vec![
            builder.conv("conv1", [inputs, width], Window::square(7).stride(2).padding(3)),
            builder.norm_relu("bn1", width),
        ],
        Stem::Deep => vec![
            builder.conv("conv1.0", [inputs, half], three(2)),
            builder.norm_relu("conv1.1", half),
            builder.conv("conv1.3", [half, half], three(1)),
            builder.norm_relu("conv1.4", half),
            builder.conv("conv1.6", [half, width], three(1)),
            builder.norm_relu("bn1", width),
        ],
    };
    match design.blur {
        BlurPool::Off => layers.push(Layer::MaxPool(three(2))),
        BlurPool::On => layers.extend([Layer::MaxPool(three(1)), Layer::BlurPool]),
    }
    layers
}

fn residual(design: &Design, name: &str, shape: BlockShape, builder: &mut Builder) -> Layer {
    let mut body = match design.block {
        Block::Basic => basic(design, name, shape, builder),
        Block::Bottleneck => bottleneck(design, name, shape, builder),
    };
    let outputs = shape.width * design.block.expansion();
    if let Some(gate) = design.gate {
        let units = gate.units(outputs);
        let squeeze = builder.dense(&format!("{name}.se.fc1"), [outputs, units]);
        let excite = builder.dense(&format!("{name}.se.fc2"), [units, outputs]);
        body.push(Layer::Gate { squeeze, excite });
    }
    let shortcut = if shape.stride == 1 && shape.input == outputs {
        vec![]
    } else {
        shortcut(design.shortcut, name, shape, outputs, builder)
    };
    Layer::Residual(Residual::new(body, shortcut, Activation::Relu))
}

fn basic(
    design: &Design,
    name: &str,
    BlockShape { input, width, stride }: BlockShape,
    builder: &mut Builder,
) -> Vec<Layer> {
    let mut layers = design.conv_norm_relu(name, 1, [input, width], [3, stride], builder);
    layers.push(builder.conv(&format!("{name}.conv2"), [width, width], three(1)));
    layers.push(last_norm(&format!("{name}.bn2"), width, builder));
    layers
}

fn bottleneck(
    design: &Design,
    name: &str,
    BlockShape { input, width, stride }: BlockShape,
    builder: &mut Builder,
) -> Vec<Layer> {
    let (first, second) = match design.strided {
        Strided::First => (stride, 1),
        Strided::Second => (1, stride),
    };
    let outputs = width * Block::Bottleneck.expansion();
    let mut layers = design.conv_norm_relu(name, 1, [input, width], [1, first], builder);
    layers.extend(design.conv_norm_relu(name, 2, [width, width], [3, second], builder));
    layers.push(builder.conv(&format!("{name}.conv3"), [width, outputs], one(1)));
    layers.push(last_norm(&format!("{name}.bn3"), outputs, builder));
    layers
}

fn last_norm(name: &str, channels: usize, builder: &mut Builder) -> Layer {
    let norm = builder.residual_norm(name, channels);
    Layer::Norm { norm, activation: Activation::Identity }
}

/// A projection where the shape changes; names are torchvision's, and timm's where it is pooled.
fn shortcut(
    shortcut: Shortcut,
    name: &str,
    BlockShape { input, stride, .. }: BlockShape,
    outputs: usize,
    builder: &mut Builder,
) -> Vec<Layer> {
    let (index, conv_stride) = match shortcut {
        Shortcut::Pooled => (1, 1),
        Shortcut::Strided => (0, stride),
    };
    let mut layers = vec![];
    if conv_stride != stride {
        layers.push(Layer::AvgPool {
            window: Window::square(2).stride(stride),
            rounding: Rounding::Ceil,
            divisor: Divisor::Valid,
        });
    }
    let (conv, norm) =
        (format!("{name}.downsample.{index}"), format!("{name}.downsample.{}", index + 1));
    layers.push(builder.conv(&conv, [input, outputs], one(conv_stride)));
    let norm = builder.norm(&norm, outputs);
    layers.push(Layer::Norm { norm, activation: Activation::Identity });
    layers
}

fn one(stride: usize) -> Window {
    Window::square(1).stride(stride)
}

fn three(stride: usize) -> Window {
    Window::square(3).stride(stride).padding(1)
}
