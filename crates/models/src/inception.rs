//! Lays out Inception-V3 (Szegedy et al., arXiv 1512.00567) as torchvision has it.

use serde::{Deserialize, Serialize};
use trickbag_ops::{Divisor, Rounding, Window};

use crate::builder::Builder;
use crate::network::{HeadStyle, Layer, NormSetting, Trunk};

/// Inception-V3 with torchvision's names; it has no settings. Made for images of 299 pixels, and
/// takes 75 at least.
///
/// Without the auxiliary classifier, which torchvision weighs with 0.4 in training. torchvision and
/// gluon drop half of the features before the classifier, which is [`Extras::dropout`] here. The
/// norms' epsilon is 1e-3, as there. torchvision's pretrained weights expect images of mean 0.5 and
/// standard deviation 0.5 in each channel (its `transform_input`). Convolutions start from
/// Kaiming's fan-out, as in all networks here; torchvision draws a truncated normal of deviation
/// 0.1.
///
/// [`Extras::dropout`]: crate::Extras::dropout
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InceptionV3 {}

pub(crate) fn trunk(in_channels: usize, builder: &mut Builder) -> Trunk {
    builder.norm_setting = NormSetting { eps: 1e-3, ..NormSetting::default() };
    let mut layers = vec![];
    layers.extend(unit(builder, "Conv2d_1a_3x3", [in_channels, 32], square(3).stride(2)));
    layers.extend(unit(builder, "Conv2d_2a_3x3", [32, 32], square(3)));
    layers.extend(unit(builder, "Conv2d_2b_3x3", [32, 64], square(3).padding(1)));
    layers.push(max_pool());
    layers.extend(unit(builder, "Conv2d_3b_1x1", [64, 80], square(1)));
    layers.extend(unit(builder, "Conv2d_4a_3x3", [80, 192], square(3)));
    layers.push(max_pool());
    layers.extend([
        Block::next("Mixed_5b", 192, builder).five(32),
        Block::next("Mixed_5c", 256, builder).five(64),
        Block::next("Mixed_5d", 288, builder).five(64),
        Block::next("Mixed_6a", 288, builder).five_to_six(),
        Block::next("Mixed_6b", 768, builder).six(128),
        Block::next("Mixed_6c", 768, builder).six(160),
        Block::next("Mixed_6d", 768, builder).six(160),
        Block::next("Mixed_6e", 768, builder).six(192),
        Block::next("Mixed_7a", 768, builder).six_to_seven(),
        Block::next("Mixed_7b", 1280, builder).seven(),
        Block::next("Mixed_7c", 2048, builder).seven(),
    ]);
    Trunk { layers, features: 2048, head: HeadStyle::usual("fc") }
}

/// A block of branches under construction.
struct Block<'a> {
    name: &'static str,
    inputs: usize,
    builder: &'a mut Builder,
}

impl<'a> Block<'a> {
    fn next(name: &'static str, inputs: usize, builder: &'a mut Builder) -> Self {
        builder.depth += 1;
        Self { name, inputs, builder }
    }

    /// torchvision's `InceptionA`.
    fn five(mut self, pooled: usize) -> Layer {
        Layer::Branches(vec![
            self.chain(&[("branch1x1", 64, square(1))]),
            self.chain(&[
                ("branch5x5_1", 48, square(1)),
                ("branch5x5_2", 64, square(5).padding(2)),
            ]),
            self.chain(&[
                ("branch3x3dbl_1", 64, square(1)),
                ("branch3x3dbl_2", 96, square(3).padding(1)),
                ("branch3x3dbl_3", 96, square(3).padding(1)),
            ]),
            self.pooled(pooled),
        ])
    }

    /// torchvision's `InceptionB`.
    fn five_to_six(mut self) -> Layer {
        Layer::Branches(vec![
            self.chain(&[("branch3x3", 384, square(3).stride(2))]),
            self.chain(&[
                ("branch3x3dbl_1", 64, square(1)),
                ("branch3x3dbl_2", 96, square(3).padding(1)),
                ("branch3x3dbl_3", 96, square(3).stride(2)),
            ]),
            vec![max_pool()],
        ])
    }

    /// torchvision's `InceptionC`.
    fn six(mut self, narrow: usize) -> Layer {
        Layer::Branches(vec![
            self.chain(&[("branch1x1", 192, square(1))]),
            self.chain(&[
                ("branch7x7_1", narrow, square(1)),
                ("branch7x7_2", narrow, row(7)),
                ("branch7x7_3", 192, column(7)),
            ]),
            self.chain(&[
                ("branch7x7dbl_1", narrow, square(1)),
                ("branch7x7dbl_2", narrow, column(7)),
                ("branch7x7dbl_3", narrow, row(7)),
                ("branch7x7dbl_4", narrow, column(7)),
                ("branch7x7dbl_5", 192, row(7)),
            ]),
            self.pooled(192),
        ])
    }

    /// torchvision's `InceptionD`.
    fn six_to_seven(mut self) -> Layer {
        Layer::Branches(vec![
            self.chain(&[
                ("branch3x3_1", 192, square(1)),
                ("branch3x3_2", 320, square(3).stride(2)),
            ]),
            self.chain(&[
                ("branch7x7x3_1", 192, square(1)),
                ("branch7x7x3_2", 192, row(7)),
                ("branch7x7x3_3", 192, column(7)),
                ("branch7x7x3_4", 192, square(3).stride(2)),
            ]),
            vec![max_pool()],
        ])
    }

    /// torchvision's `InceptionE`.
    fn seven(mut self) -> Layer {
        let mut single = self.chain(&[("branch3x3_1", 384, square(1))]);
        single.push(self.fork(["branch3x3_2a", "branch3x3_2b"]));
        let mut double = self.chain(&[
            ("branch3x3dbl_1", 448, square(1)),
            ("branch3x3dbl_2", 384, square(3).padding(1)),
        ]);
        double.push(self.fork(["branch3x3dbl_3a", "branch3x3dbl_3b"]));
        let straight = self.chain(&[("branch1x1", 320, square(1))]);
        Layer::Branches(vec![straight, single, double, self.pooled(192)])
    }

    /// Convolutions one after the other, from the block's input.
    fn chain(&mut self, steps: &[(&str, usize, Window)]) -> Vec<Layer> {
        let mut inputs = self.inputs;
        let mut layers = vec![];
        for &(name, outputs, window) in steps {
            layers.extend(self.unit(name, [inputs, outputs], window));
            inputs = outputs;
        }
        layers
    }

    /// A 1x3 and a 3x1 convolution side by side.
    fn fork(&mut self, names: [&str; 2]) -> Layer {
        let [wide, tall] = names;
        Layer::Branches(vec![
            self.unit(wide, [384, 384], row(3)).to_vec(),
            self.unit(tall, [384, 384], column(3)).to_vec(),
        ])
    }

    /// An average over 3x3 pixels, in which the zeros of the padding count, and a convolution.
    fn pooled(&mut self, outputs: usize) -> Vec<Layer> {
        let pool = Layer::AvgPool {
            window: square(3).padding(1),
            rounding: Rounding::Floor,
            divisor: Divisor::Window,
        };
        let mut layers = vec![pool];
        layers.extend(self.chain(&[("branch_pool", outputs, square(1))]));
        layers
    }

    fn unit(&mut self, name: &str, channels: [usize; 2], window: Window) -> [Layer; 2] {
        unit(self.builder, &format!("{}.{name}", self.name), channels, window)
    }
}

/// Convolution, norm and ReLU.
fn unit(builder: &mut Builder, name: &str, channels: [usize; 2], window: Window) -> [Layer; 2] {
    let conv = builder.conv(&format!("{name}.conv"), channels, window);
    [conv, builder.norm_relu(&format!("{name}.bn"), channels[1])]
}

fn max_pool() -> Layer {
    Layer::MaxPool(square(3).stride(2))
}

fn square(kernel: usize) -> Window {
    Window::square(kernel)
}

/// 1 x `taps`, padded to keep the size.
fn row(taps: usize) -> Window {
    Window { kernel: [1, taps], padding: [0, taps / 2], ..square(1) }
}

/// `taps` x 1, padded to keep the size.
fn column(taps: usize) -> Window {
    Window { kernel: [taps, 1], padding: [taps / 2, 0], ..square(1) }
}
