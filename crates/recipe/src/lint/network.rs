//! Rules on the network: whether it suits the images and the length of the training.

use trickbag_models::{Architecture, Stem};

use super::case::{Case, Hit};
use super::{LooksAt, Rule, Severity};
use crate::number::grouped;
use crate::tricks::{StochasticDepth, Trick};

pub(super) const LARGE_STEM: Rule = Rule {
    code: "TB701",
    name: "imagenet-stem-for-small-images",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "a `ResNet` with the stem for ImageNet and images below 64 pixels",
    why: "the stem leaves a quarter of each side before the first block, so the last blocks see a \
          single pixel; it costs points on CIFAR",
    source: "He et al. 2015 (arXiv 1512.03385), 4.2: a 3x3 convolution without stride for 32 \
             pixels",
    fix: "write `stem: Cifar`",
    check: |case| {
        let (resnet, side) = (case.resnet()?, case.side());
        let message = format!("the first block sees {0} x {0} of {side} pixels", side.div_ceil(4));
        (resnet.stem != Stem::Cifar && side < 64).then(|| Hit::new("model", message))
    },
};

pub(super) const SMALL_STEM: Rule = Rule {
    code: "TB702",
    name: "cifar-stem-for-large-images",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "a `ResNet` with the stem for CIFAR and images of 128 pixels or more",
    why: "without the strides of the stem every block works on 16 times the pixels",
    source: "He et al. 2015 (arXiv 1512.03385), table 1",
    fix: "write `stem: ImageNet`",
    check: |case| {
        let (resnet, side) = (case.resnet()?, case.side());
        let message =
            format!("{} multiply-adds an image of {side} pixels", grouped(case.plan.macs));
        (resnet.stem == Stem::Cifar && side >= 128).then(|| Hit::new("model.stem", message))
    },
};

pub(super) const SHORT_ZERO_GAMMA: Rule = Rule {
    code: "TB703",
    name: "zero-gamma-in-a-short-training",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "`ZeroGamma` in a `ResNet` of fewer than 18 layers that trains for fewer than 2000 \
            updates",
    why: "blocks that start as their shortcut first have to become blocks; a shallow network needs \
          no such help, and in a short training the time is missing",
    source: "measured with recipes/mnist.ron: one point less for ResNet-8 in 1056 updates",
    fix: "remove `ZeroGamma`",
    check: |case| {
        let (depth, updates) = (case.resnet()?.depth, case.plan.total_steps);
        let (_, at) = case.trick(|trick| matches!(trick, Trick::ZeroGamma(_)).then_some(()))?;
        let message =
            format!("{updates} updates for a ResNet-{depth} whose blocks start as their shortcut");
        (depth < 18 && updates < 2000).then(|| Hit::new(at, message))
    },
};

pub(super) const SHALLOW_SKIPS: Rule = Rule {
    code: "TB704",
    name: "stochastic-depth-in-a-shallow-network",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "`StochasticDepth` in a residual network of fewer than 34 layers",
    why: "it makes very deep networks trainable; a shallow one has no blocks to spare",
    source: "Huang et al. 2016 (arXiv 1603.09382): networks of 110 and more layers",
    fix: "remove the line, or use a deeper network",
    check: |case| {
        let (rate, at) = case.trick(|trick| match trick {
            Trick::StochasticDepth(StochasticDepth(rate)) => Some(*rate),
            _ => None,
        })?;
        let layers = layers(case)?;
        let message =
            format!("blocks of {layers} layers are skipped with a probability of up to {rate}");
        (layers < 34 && rate > 0.0).then(|| Hit::new(at, message))
    },
};

/// Of networks that are made of residual blocks.
fn layers(case: &Case<'_>) -> Option<usize> {
    match &case.recipe.model {
        Architecture::ResNet(resnet) => Some(resnet.depth),
        Architecture::WideResNet(resnet) => Some(resnet.depth),
        Architecture::ResNet9(_) => Some(9),
        _ => None,
    }
}
