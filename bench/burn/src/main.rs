//! Times the training step of `cargo xtask bench step` in burn, in `f32` on its Flex backend.
//!
//! `cargo run --release -- [resnet20 | resnet18-cifar [BATCH [STEPS]]]`; threads are set by
//! `RAYON_NUM_THREADS`.

#[path = "../../step_clock.rs"]
mod step_clock;

use std::error::Error;

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::prelude::*;
use burn::tensor::Distribution;
use burn::tensor::activation::relu;

use step_clock::{CLASSES, IMAGE, LABEL_SMOOTHING, LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, Work};

fn main() -> Result<(), Box<dyn Error>> {
    let work = Work::from_arguments()?;
    let device = Device::flex().autodiff();
    let momentum = MomentumConfig { momentum: MOMENTUM, dampening: 0.0, nesterov: true };
    let decay = WeightDecayConfig { penalty: WEIGHT_DECAY as f32 };
    let mut optimizer =
        SgdConfig::new().with_momentum(Some(momentum)).with_weight_decay(Some(decay)).init();
    let cross_entropy =
        CrossEntropyLossConfig::new().with_smoothing(Some(LABEL_SMOOTHING as f32)).init(&device);
    let noise = Distribution::Normal(0.0, 1.0);
    let images = Tensor::<4>::random([work.batch, 3, IMAGE, IMAGE], noise, &device);
    let labels = Tensor::<1, Int>::arange(0..work.batch as i64, &device) % CLASSES as i64;
    let mut network = Some(Network::new(&work, &device));
    work.time("burn", || {
        let trained = network.take().ok_or("the last step failed")?;
        let loss = cross_entropy.forward(trained.forward(images.clone()), labels.clone());
        let value = loss.clone().into_scalar::<f32>();
        let gradients = GradientsParams::from_grads(loss.backward(), &trained);
        network = Some(optimizer.step(LEARNING_RATE, trained, gradients));
        Ok(value)
    })
}

#[derive(Module, Debug)]
struct Network {
    stem: ConvNorm,
    blocks: Vec<Block>,
    head: Linear,
}

impl Network {
    fn new(work: &Work, device: &Device) -> Self {
        let mut blocks = vec![];
        let mut inputs = work.width;
        for (stage, &count) in work.blocks.iter().enumerate() {
            let outputs = work.width << stage;
            for number in 0..count {
                let stride = if stage > 0 && number == 0 { 2 } else { 1 };
                blocks.push(Block::new(inputs, outputs, stride, device));
                inputs = outputs;
            }
        }
        Self {
            stem: ConvNorm::new(3, work.width, 3, 1, device),
            blocks,
            head: LinearConfig::new(inputs, CLASSES).init(device),
        }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let stem = relu(self.stem.forward(images));
        let features = self.blocks.iter().fold(stem, |x, block| block.forward(x));
        self.head.forward(features.mean_dim(3).mean_dim(2).flatten(1, 3))
    }
}

/// Two 3x3 convolutions and a shortcut, which is a projection where the shape changes.
#[derive(Module, Debug)]
struct Block {
    first: ConvNorm,
    second: ConvNorm,
    shortcut: Option<ConvNorm>,
}

impl Block {
    fn new(inputs: usize, outputs: usize, stride: usize, device: &Device) -> Self {
        let changes = stride != 1 || inputs != outputs;
        Self {
            first: ConvNorm::new(inputs, outputs, 3, stride, device),
            second: ConvNorm::new(outputs, outputs, 3, 1, device),
            shortcut: changes.then(|| ConvNorm::new(inputs, outputs, 1, stride, device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.second.forward(relu(self.first.forward(x.clone())));
        let beside = match &self.shortcut {
            Some(projection) => projection.forward(x),
            None => x,
        };
        relu(y + beside)
    }
}

/// A convolution without bias, then batch norm.
#[derive(Module, Debug)]
struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvNorm {
    fn new(inputs: usize, outputs: usize, size: usize, stride: usize, device: &Device) -> Self {
        let padding = size / 2;
        let conv = Conv2dConfig::new([inputs, outputs], [size, size])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
            .with_bias(false);
        Self { conv: conv.init(device), norm: BatchNormConfig::new(outputs).init(device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }
}
