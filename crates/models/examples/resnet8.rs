//! Builds a ResNet-8, runs it forward and backward on random images, and sends its values through
//! the bytes of a safetensors file.
#![allow(clippy::print_stdout)]

use dfdx::prelude::*;
use trickbag_models::{
    Architecture, Error, Mode, Network, Noise, ResNet, Stem, Variant, ZeroGamma,
};
use trickbag_ops::FeatureMap;

fn main() -> Result<(), Error> {
    let run = run()?;
    println!("{} parameters, {} bytes as a file", run.parameters, run.bytes);
    println!("norm of the gradient {:.4}", run.gradient_norm);
    println!("logits before {:.3?}, after loading {:.3?}", run.logits, run.reloaded);
    Ok(())
}

struct Run {
    parameters: usize,
    bytes: usize,
    gradient_norm: f32,
    logits: Vec<f32>,
    reloaded: Vec<f32>,
}

fn run() -> Result<Run, Error> {
    let resnet = ResNet { depth: 8, stem: Stem::Cifar, variant: Variant::B, width: None };
    let network = Network::new(&Architecture::ResNet(resnet), 3, 2)?;
    let dev = Cpu::seed_from_u64(1);
    let parameters = network.initialise(1, ZeroGamma::Off, &dev)?;
    let mut statistics = network.initial_statistics(&dev)?;
    let images: FeatureMap<f32, Cpu> = dev.sample_normal_like(&(2, 16, 16, 3));

    let traced = images.leaky_trace();
    let logits =
        network.forward(&parameters, Mode::Train(&mut statistics, Noise::default()), traced)?;
    let gradients = logits.square().mean().backward();
    let square = |p| gradients.get(p).square().sum::<(), _>().as_vec()[0];
    let gradient_norm = parameters.iter().map(square).sum::<f32>().sqrt();

    let bytes = network.to_safetensors(&parameters, &statistics)?;
    let loaded = network.from_safetensors(&bytes, &dev)?;
    let logits = network.forward(&parameters, Mode::Evaluate(&statistics), images.clone())?;
    let reloaded = network.forward(&loaded.0, Mode::Evaluate(&loaded.1), images)?;
    Ok(Run {
        parameters: network.parameter_count(),
        bytes: bytes.len(),
        gradient_norm,
        logits: logits.as_vec(),
        reloaded: reloaded.as_vec(),
    })
}

#[test]
fn gradients_flow_and_values_come_back() {
    let run = run().unwrap();
    assert_eq!(run.parameters, 77_522);
    assert!(run.gradient_norm > 1e-3 && run.gradient_norm.is_finite());
    assert_eq!(run.logits, run.reloaded);
}
