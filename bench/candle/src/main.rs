//! Times the training step of `cargo xtask bench step` in candle, in `f32` on the CPU.
//!
//! `cargo run --release -- [resnet20 | resnet18-cifar [BATCH [STEPS]]]`; threads are set by
//! `RAYON_NUM_THREADS`.

#[path = "../../step_clock.rs"]
mod step_clock;

use std::error::Error;

use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{BatchNorm, Conv2d, Conv2dConfig, Linear, Module, ModuleT, VarBuilder, VarMap};

use step_clock::{CLASSES, IMAGE, LABEL_SMOOTHING, LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, Work};

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let work = Work::from_arguments()?;
    let device = Device::Cpu;
    let values = VarMap::new();
    let network = Network::new(&work, VarBuilder::from_varmap(&values, DType::F32, &device))?;
    let mut optimizer = Sgd::new(values.all_vars())?;
    let images = Tensor::randn(0f32, 1f32, (work.batch, 3, IMAGE, IMAGE), &device)?;
    let targets = targets(work.batch, &device)?;
    work.time("candle", || {
        let log_p = candle_nn::ops::log_softmax(&network.forward(&images)?, D::Minus1)?;
        let loss = (&targets * log_p)?.sum(1)?.mean(0)?.neg()?;
        optimizer.step(&loss)?;
        Ok(loss.to_scalar()?)
    })
}

/// Smoothed distributions of the labels 0, 1, 2, …
fn targets(batch: usize, device: &Device) -> Result<Tensor> {
    let off = LABEL_SMOOTHING / CLASSES as f64;
    let value = |i: usize| {
        let right = i % CLASSES == i / CLASSES % CLASSES;
        (if right { 1.0 - LABEL_SMOOTHING + off } else { off }) as f32
    };
    let values: Vec<f32> = (0..batch * CLASSES).map(value).collect();
    Tensor::from_vec(values, (batch, CLASSES), device)
}

struct Network {
    stem: ConvNorm,
    blocks: Vec<Block>,
    head: Linear,
}

impl Network {
    fn new(work: &Work, values: VarBuilder) -> Result<Self> {
        let mut blocks = vec![];
        let mut inputs = work.width;
        for (stage, &count) in work.blocks.iter().enumerate() {
            let outputs = work.width << stage;
            for number in 0..count {
                let stride = if stage > 0 && number == 0 { 2 } else { 1 };
                let values = values.pp(format!("layer{stage}.{number}"));
                blocks.push(Block::new(inputs, outputs, stride, values)?);
                inputs = outputs;
            }
        }
        Ok(Self {
            stem: ConvNorm::new(3, work.width, 3, 1, values.pp("stem"))?,
            blocks,
            head: candle_nn::linear(inputs, CLASSES, values.pp("fc"))?,
        })
    }

    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let mut x = self.stem.forward(images)?.relu()?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        self.head.forward(&x.mean((2, 3))?)
    }
}

/// Two 3x3 convolutions and a shortcut, which is a projection where the shape changes.
struct Block {
    first: ConvNorm,
    second: ConvNorm,
    shortcut: Option<ConvNorm>,
}

impl Block {
    fn new(inputs: usize, outputs: usize, stride: usize, values: VarBuilder) -> Result<Self> {
        let changes = stride != 1 || inputs != outputs;
        let projection = || ConvNorm::new(inputs, outputs, 1, stride, values.pp("shortcut"));
        Ok(Self {
            first: ConvNorm::new(inputs, outputs, 3, stride, values.pp("first"))?,
            second: ConvNorm::new(outputs, outputs, 3, 1, values.pp("second"))?,
            shortcut: changes.then(projection).transpose()?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.second.forward(&self.first.forward(x)?.relu()?)?;
        let beside = match &self.shortcut {
            Some(projection) => projection.forward(x)?,
            None => x.clone(),
        };
        (y + beside)?.relu()
    }
}

/// A convolution without bias, then batch norm with the batch's statistics.
struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvNorm {
    fn new(
        inputs: usize,
        outputs: usize,
        size: usize,
        stride: usize,
        values: VarBuilder,
    ) -> Result<Self> {
        let config = Conv2dConfig { padding: size / 2, stride, ..Default::default() };
        Ok(Self {
            conv: candle_nn::conv2d_no_bias(inputs, outputs, size, config, values.pp("conv"))?,
            norm: candle_nn::batch_norm(outputs, 1e-5, values.pp("norm"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.norm.forward_t(&self.conv.forward(x)?, true)
    }
}

/// SGD with Nesterov momentum, as PyTorch has it; candle's own has no momentum.
struct Sgd(Vec<(Var, Tensor)>);

impl Sgd {
    fn new(parameters: Vec<Var>) -> Result<Self> {
        let with_velocity = |parameter: Var| {
            let velocity = parameter.zeros_like()?;
            Ok((parameter, velocity))
        };
        Ok(Self(parameters.into_iter().map(with_velocity).collect::<Result<_>>()?))
    }

    fn step(&mut self, loss: &Tensor) -> Result<()> {
        let gradients = loss.backward()?;
        for (parameter, velocity) in &mut self.0 {
            // Running statistics are variables, too, but have no gradient.
            if let Some(gradient) = gradients.get(parameter) {
                let value = parameter.as_tensor().detach();
                let gradient = (gradient + (&value * WEIGHT_DECAY)?)?;
                *velocity = ((&*velocity * MOMENTUM)? + &gradient)?;
                let change = (gradient + (&*velocity * MOMENTUM)?)?;
                parameter.set(&(value - (change * LEARNING_RATE)?)?)?;
            }
        }
        Ok(())
    }
}
