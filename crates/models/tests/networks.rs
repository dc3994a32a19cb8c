//! Networks beside their numbers: what is refused and how, what the parameters start from, and
//! that the summary adds up.
#![allow(clippy::unwrap_used)]

use dfdx::prelude::*;
use trickbag_models::{
    Architecture, Error, Mode, NamedTensor, Network, Parameters, ResNet, Stem, Variant, ZeroGamma,
};
use trickbag_ops::FeatureMap;
use trickbag_param_groups::Kind;

const SMALL: ResNet = ResNet { depth: 8, stem: Stem::Cifar, variant: Variant::B, width: Some(4) };

fn network(resnet: ResNet) -> Network {
    Network::new(&Architecture::ResNet(resnet), 3, 10).unwrap()
}

fn images(shape: (usize, usize, usize, usize)) -> FeatureMap<f32, Cpu> {
    Cpu::default().ones_like(&shape)
}

fn parameters(network: &Network, seed: u64) -> Parameters<f32, Cpu> {
    network.initialise(seed, ZeroGamma::Off, &Cpu::default()).unwrap()
}

#[test]
fn refuses_settings_that_make_no_network() {
    let depth = |found, nearest| Error::Depth { found, nearest };
    let width = |found| Error::Width { found };
    let empty = |in_channels, classes| Error::Empty { in_channels, classes };
    for (resnet, in_channels, classes, expected) in [
        (ResNet { depth: 0, ..SMALL }, 3, 10, depth(0, 8)),
        (ResNet { depth: 2, ..SMALL }, 3, 10, depth(2, 8)),
        (ResNet { depth: 19, ..SMALL }, 3, 10, depth(19, 20)),
        (ResNet { depth: 54, ..SMALL }, 3, 10, depth(54, 56)),
        (ResNet { depth: 111, ..SMALL }, 3, 10, depth(111, 110)),
        (ResNet { width: Some(0), ..SMALL }, 3, 10, width(0)),
        (ResNet { width: Some(5), ..SMALL }, 3, 10, width(5)),
        (SMALL, 0, 10, empty(0, 10)),
        (SMALL, 3, 0, empty(3, 0)),
    ] {
        let built = Network::new(&Architecture::ResNet(resnet), in_channels, classes);
        assert_eq!(built.unwrap_err(), expected);
    }
}

#[test]
fn a_wrong_depth_names_the_nearest() {
    assert_eq!(
        Error::Depth { found: 54, nearest: 56 }.to_string(),
        "there is no ResNet-54: use 18, 34, 50, 101 or 152 (four stages), or 6n + 2 (three \
         stages, for small images), of which 56 is the nearest"
    );
}

#[test]
fn every_proposed_depth_exists() {
    for depth in 0..200 {
        let built = |depth| {
            Network::new(&Architecture::ResNet(ResNet { depth, width: Some(2), ..SMALL }), 3, 10)
        };
        match built(depth) {
            Ok(network) => assert!(network.parameter_count() > 0),
            Err(Error::Depth { nearest, .. }) => assert!(built(nearest).is_ok(), "{depth}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn an_import_lists_everything_that_does_not_fit() {
    let (network, dev) = (network(SMALL), Cpu::default());
    let statistics = network.initial_statistics(&dev).unwrap();
    let mut tensors = network.export(&parameters(&network, 1), &statistics);
    tensors.retain(|tensor| tensor.name != "layer2.0.conv1.weight");
    let classifier = tensors.iter_mut().find(|tensor| tensor.name == "fc.weight").unwrap();
    classifier.shape = vec![16, 10];
    let extra = |name: &str| NamedTensor { name: name.into(), shape: vec![1], values: vec![0.0] };
    tensors.extend([extra("fc2.weight"), extra("bn1.num_batches_tracked")]);
    assert_eq!(
        network.import(tensors, &dev).unwrap_err().to_string(),
        "these values do not belong to this network: `layer2.0.conv1.weight` is missing; \
         `fc.weight` has shape [16, 10], expected [10, 16]; `fc2.weight` is unknown"
    );
}

#[test]
fn bytes_that_are_no_safetensors_file_are_refused() {
    let error = network(SMALL).from_safetensors(b"PK", &Cpu::default()).unwrap_err();
    assert!(matches!(error, Error::File(_)), "{error}");
}

#[test]
fn forward_refuses_what_does_not_fit() {
    let network = network(SMALL);
    let other = self::network(ResNet { depth: 14, ..SMALL });
    let (ours, theirs) = (parameters(&network, 1), parameters(&other, 1));
    let mut statistics = network.initial_statistics(&Cpu::default()).unwrap();
    let channels = Error::Channels { found: 1, expected: 3 };
    let one_value = Error::OneValue { norm: "layer3.0.bn1".into() };
    let lengths = Error::Mismatch(vec!["lists of other lengths".into()]);
    for (values, shape, expected) in [
        (&ours, (2, 8, 8, 1), channels),
        (&ours, (1, 4, 4, 3), one_value),
        (&theirs, (2, 8, 8, 3), lengths),
    ] {
        let logits = network.forward(values, Mode::Train(&mut statistics), images(shape));
        assert_eq!(logits.unwrap_err(), expected);
    }
    let alone = network.forward(&ours, Mode::Evaluate(&statistics), images((1, 4, 4, 3))).unwrap();
    assert_eq!(alone.shape(), &(1, 10));
}

#[test]
fn a_seed_fixes_every_bit() {
    let network = network(SMALL);
    let bits = |seed| {
        let values = parameters(&network, seed);
        values.iter().flat_map(|p| p.as_vec()).map(f32::to_bits).collect::<Vec<_>>()
    };
    assert_eq!(bits(1), bits(1));
    assert_ne!(bits(1), bits(2));
}

#[test]
fn parameters_start_as_those_of_torchvision() {
    let wide = Architecture::ResNet(ResNet { width: Some(32), ..SMALL });
    let network = Network::new(&wide, 3, 100).unwrap();
    for (spec, values) in network.parameters().iter().zip(parameters(&network, 1).iter()) {
        let (name, values) = (spec.name(), values.as_vec());
        match spec.parameter.kind {
            Kind::ConvWeight => check_kaiming(name, &spec.shape, &values),
            Kind::LinearWeight | Kind::Bias => check_uniform(name, 1.0 / 128.0_f32.sqrt(), &values),
            Kind::NormScale => assert!(values.iter().all(|&v| v == 1.0), "{name}"),
            Kind::NormShift => assert!(values.iter().all(|&v| v == 0.0), "{name}"),
        }
    }
}

/// Mean 0 and variance `2 / fan-out`, within four standard errors.
fn check_kaiming(name: &str, shape: &[usize], values: &[f32]) {
    let std = (2.0 / (shape[0] * shape[1] * shape[3]) as f32).sqrt();
    let n = values.len() as f32;
    let mean = values.iter().sum::<f32>() / n;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt();
    assert!(mean.abs() < 4.0 * std / n.sqrt(), "{name}: mean {mean}");
    let error = (deviation / std - 1.0).abs();
    assert!(error < 4.0 / (2.0 * n).sqrt(), "{name}: standard deviation {deviation}, not {std}");
}

/// Fills `± bound`: everything inside, and something near both ends.
fn check_uniform(name: &str, bound: f32, values: &[f32]) {
    let (low, high) = values.iter().fold((0.0_f32, 0.0_f32), |(l, h), &v| (l.min(v), h.max(v)));
    assert!(low >= -bound && high <= bound, "{name}: {low} to {high}, not within {bound}");
    assert!(low < -0.8 * bound && high > 0.8 * bound, "{name}: only {low} to {high}");
}

#[test]
fn a_summary_adds_up() {
    let stages = |depth, variant| ResNet { depth, stem: Stem::ImageNet, variant, width: None };
    for (resnet, size) in [
        (SMALL, 32),
        (stages(18, Variant::B), 64),
        (stages(50, Variant::A), 64),
        (stages(50, Variant::D), 64),
    ] {
        let network = network(resnet);
        let rows = network.summary(size, size).unwrap();
        let parameters: usize = rows.iter().map(|row| row.parameters).sum();
        assert_eq!(parameters, network.parameter_count());
        let macs: u64 = rows.iter().map(|row| row.macs).sum();
        assert_eq!(macs, network.macs(size, size).unwrap());
        assert_eq!(rows.last().unwrap().output, [1, 1, 10]);
        assert_eq!(rows[0].name.split('.').next(), Some("conv1"));
    }
}
