//! Networks beside their numbers: what is refused and how, what the parameters start from, what is
//! random, and that the summary adds up.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use trickbag_models::{
    Airbench94, Architecture, BlurPool, Error, Extras, InceptionV3, LayerSummary, MobileNetV1,
    Mode, NamedTensor, Network, Noise, Parameters, ResNet, ResNet9, RunningStatistics,
    SqueezeExcite, Stem, Tweak, Update, Variant, WideResNet, ZeroGamma,
};
use trickbag_ops::{Backend, Bf16, FeatureMap, Tensors};
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

fn bottlenecks(stem: Stem, variant: Variant) -> Architecture {
    Architecture::ResNet(ResNet { depth: 50, stem, variant, width: Some(4) })
}

fn mobilenet(width: f64) -> Architecture {
    Architecture::MobileNetV1(MobileNetV1 { width })
}

fn wide(depth: usize, widen: usize) -> Architecture {
    Architecture::WideResNet(WideResNet { depth, widen })
}

/// One of each family, small, with everything that it can have beside, and the pixels it is run with.
fn everything() -> Vec<(Architecture, Extras, usize)> {
    let dropout = Extras { dropout: 0.5, ..Extras::default() };
    let depth = Extras { stochastic_depth: 0.5, ..dropout.clone() };
    let all = Extras {
        tweaks: vec![Tweak::C, Tweak::D],
        squeeze_excite: Some(SqueezeExcite::default()),
        blur_pool: BlurPool::On,
        ..depth.clone()
    };
    let resnet18 = ResNet { depth: 18, stem: Stem::ImageNet, variant: Variant::B, width: Some(4) };
    vec![
        (Architecture::ResNet(resnet18), all, 64),
        (wide(10, 2), depth.clone(), 16),
        (Architecture::ResNet9(ResNet9 { width: Some(4) }), depth, 32),
        (mobilenet(0.25), dropout.clone(), 64),
        (Architecture::InceptionV3(InceptionV3 {}), dropout.clone(), 107),
        (Architecture::Airbench94(Airbench94 { width: Some(4) }), dropout, 32),
    ]
}

#[test]
fn refuses_settings_out_of_range() {
    let (none, dropout) = (Extras::default(), Extras { dropout: 1.0, ..Extras::default() });
    let gate = |reduction| Extras {
        squeeze_excite: Some(SqueezeExcite { reduction }),
        ..Extras::default()
    };
    let skipping = |stochastic_depth| Extras { stochastic_depth, ..Extras::default() };
    let blur = Extras { blur_pool: BlurPool::On, ..Extras::default() };
    for (architecture, extras, expected) in [
        (
            wide(27, 1),
            &none,
            "there is no WideResNet of depth 27: use 6n + 4, of which 28 is the nearest",
        ),
        (
            wide(4, 1),
            &none,
            "there is no WideResNet of depth 4: use 6n + 4, of which 10 is the nearest",
        ),
        (wide(28, 0), &none, "the widening factor is 0, expected 1 or more"),
        (mobilenet(0.0), &none, "the width multiplier is 0, expected above 0 and up to 8"),
        (mobilenet(f64::NAN), &none, "the width multiplier is NaN, expected above 0 and up to 8"),
        (
            Architecture::ResNet9(ResNet9 { width: Some(0) }),
            &none,
            "the width is 0, expected 1 or more",
        ),
        (wide(10, 1), &dropout, "the rate of dropout is 1, expected 0 up to, but not 1"),
        (
            wide(10, 1),
            &skipping(-0.1),
            "the rate of stochastic depth is -0.1, expected 0 up to, but not 1",
        ),
        (
            Architecture::ResNet(SMALL),
            &gate(0),
            "the reduction of squeeze and excitation is 0, expected 1 or more",
        ),
        (
            wide(10, 1),
            &gate(16),
            "WideResNet cannot have squeeze and excitation: remove one of the two",
        ),
        (mobilenet(1.0), &blur, "MobileNetV1 cannot have blur pooling: remove one of the two"),
        (
            mobilenet(1.0),
            &skipping(0.1),
            "MobileNetV1 cannot have stochastic depth: remove one of the two",
        ),
    ] {
        let built = Network::with_extras(&architecture, extras, 3, 10);
        assert_eq!(built.unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_tweak_that_changes_nothing_is_refused() {
    let imagenet = |variant| bottlenecks(Stem::ImageNet, variant);
    for (architecture, tweak, reason) in [
        (Architecture::ResNet(SMALL), Tweak::B, "basic blocks have no 1x1 convolution"),
        (imagenet(Variant::B), Tweak::B, "the 3x3 convolution has the stride already"),
        (imagenet(Variant::C), Tweak::C, "the stem is deep already"),
        (bottlenecks(Stem::Deep, Variant::A), Tweak::C, "the stem is deep already"),
        (bottlenecks(Stem::Cifar, Variant::A), Tweak::C, "the stem for small images has no 7x7"),
        (imagenet(Variant::D), Tweak::D, "the shortcuts are pooled already"),
    ] {
        let extras = Extras { tweaks: vec![tweak], ..Extras::default() };
        let error = Network::with_extras(&architecture, &extras, 3, 10).unwrap_err();
        let expected = format!("ResNet-{tweak:?} changes nothing in this network: {reason}");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    let twice = Extras { tweaks: vec![Tweak::B, Tweak::B], ..Extras::default() };
    assert!(Network::with_extras(&imagenet(Variant::A), &twice, 3, 10).is_err());
}

#[test]
fn tweaks_in_any_order_make_the_variants() {
    let build = |variant, tweaks: &[Tweak]| {
        let extras = Extras { tweaks: tweaks.to_vec(), ..Extras::default() };
        Network::with_extras(&bottlenecks(Stem::ImageNet, variant), &extras, 3, 10).unwrap()
    };
    use Tweak::{B, C, D};
    for (variant, tweaks) in [
        (Variant::B, &[B][..]),
        (Variant::C, &[B, C]),
        (Variant::C, &[C, B]),
        (Variant::D, &[B, C, D]),
        (Variant::D, &[D, C, B]),
    ] {
        assert_eq!(build(Variant::A, tweaks), build(variant, &[]), "{tweaks:?}");
    }
}

/// The logits of a training step, whose head hands the features on as they are.
fn features(
    architecture: &Architecture,
    extras: &Extras,
    gammas: impl Fn(&str) -> f32,
    noise: Noise,
) -> Vec<f32> {
    const FEATURES: usize = 16;
    let dev = Cpu::default();
    let network = Network::with_extras(architecture, extras, 3, FEATURES).unwrap();
    let mut values = parameters(&network, 1);
    for (spec, value) in network.parameters().iter().zip(values.iter_mut()) {
        let new = match spec.parameter.kind {
            Kind::LinearWeight => {
                let one = |i| if i % (FEATURES + 1) == 0 { 1.0 } else { 0.0 };
                (0..spec.len()).map(one).collect()
            }
            Kind::Bias => vec![0.0; spec.len()],
            Kind::NormScale => vec![gammas(spec.name()); spec.len()],
            Kind::ConvWeight | Kind::NormShift => continue,
        };
        *value = dev.tensor_from_vec(new, (spec.len(),));
    }
    let mut statistics = network.initial_statistics(&dev).unwrap();
    let images: FeatureMap<f32, Cpu> = Cpu::seed_from_u64(1).sample_normal_like(&(16, 8, 8, 3));
    network.forward(&values, Mode::Train(&mut statistics, noise), images).unwrap().as_vec()
}

#[test]
fn dropout_multiplies_the_features_by_the_mask() {
    let noise = Noise { seed: 3, step: 9 };
    let architecture = Architecture::ResNet(SMALL);
    let with = |dropout| {
        let extras = Extras { dropout, ..Extras::default() };
        features(&architecture, &extras, |_| 1.0, noise)
    };
    let (plain, dropped) = (with(0.0), with(0.4));
    let mask = noise.mask(0, plain.len(), 0.4);
    let expected: Vec<_> = plain.iter().zip(&mask).map(|(x, m)| x * m).collect();
    assert!(mask.contains(&0.0));
    for (found, expected) in dropped.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
    }
}

/// All blocks but the last are their shortcuts anyway, so that only its mask shows.
#[test]
fn stochastic_depth_leaves_the_shortcut_of_dropped_samples() {
    let noise = Noise { seed: 3, step: 9 };
    let architecture = Architecture::ResNet(SMALL);
    let last = |name: &str| {
        if name.ends_with("bn2.weight") && !name.contains("layer3") { 0.0 } else { 1.0 }
    };
    let none = |name: &str| if name.ends_with("bn2.weight") { 0.0 } else { 1.0 };
    let skipping = Extras { stochastic_depth: 0.5, ..Extras::default() };
    let skipped = features(&architecture, &skipping, last, noise);
    let shortcut = features(&architecture, &Extras::default(), none, noise);
    let rows = skipped.chunks(16).zip(shortcut.chunks(16));
    let mask = noise.mask(3, 16, 0.5);
    assert!(mask.contains(&0.0) && mask.contains(&2.0));
    for ((found, shortcut), kept) in rows.zip(mask) {
        let same = found.iter().zip(shortcut).all(|(a, b)| (a - b).abs() < 1e-5);
        assert_eq!(same, kept == 0.0, "{found:?}, {shortcut:?}");
    }
}

#[test]
fn noise_decides_every_bit_of_a_training_step_and_none_of_an_evaluation() {
    for (architecture, extras, size) in everything() {
        let network = Network::with_extras(&architecture, &extras, 3, 10).unwrap();
        let plain = Extras { stochastic_depth: 0.0, dropout: 0.0, ..extras.clone() };
        let plain = Network::with_extras(&architecture, &plain, 3, 10).unwrap();
        let values = parameters(&network, 1);
        let images: FeatureMap<f32, Cpu> =
            Cpu::seed_from_u64(1).sample_normal_like(&(4, size, size, 3));
        let train = |network: &Network, step| {
            let mut statistics = network.initial_statistics(&Cpu::default()).unwrap();
            let mode = Mode::Train(&mut statistics, Noise { seed: 1, step });
            network.forward(&values, mode, images.clone()).unwrap().as_vec()
        };
        let name = format!("{architecture:?}");
        assert_eq!(train(&network, 1), train(&network, 1), "{name}");
        assert_ne!(train(&network, 1), train(&network, 2), "{name}");
        assert_eq!(train(&plain, 1), train(&plain, 2), "{name}");
        let statistics = network.initial_statistics(&Cpu::default()).unwrap();
        let evaluate = |network: &Network| {
            let mode = Mode::Evaluate(&statistics);
            network.forward(&values, mode, images.clone()).unwrap().as_vec()
        };
        assert_eq!(evaluate(&network), evaluate(&plain), "{name}");
    }
}

#[test]
fn calibrated_statistics_are_the_mean_over_batches() {
    let network = Network::new(&mobilenet(0.25), 3, 10).unwrap();
    let values = parameters(&network, 1);
    let dev = Cpu::seed_from_u64(1);
    let batches: [FeatureMap<f32, Cpu>; 2] =
        std::array::from_fn(|_| dev.sample_normal_like(&(4, 32, 32, 3)));
    let calibrate = |statistics: &mut RunningStatistics<Cpu>, before, batch: usize| {
        let mode = Mode::Calibrate(statistics, before);
        network.forward(&values, mode, batches[batch].clone()).unwrap();
    };
    let initial = || network.initial_statistics(&dev).unwrap();
    let [mut first, mut second, mut both] = [initial(), initial(), initial()];
    calibrate(&mut first, 0, 0);
    calibrate(&mut second, 0, 1);
    calibrate(&mut both, 0, 0);
    calibrate(&mut both, 1, 1);
    for ((a, b), both) in first.iter().zip(second.iter()).zip(both.iter()) {
        for [a, b, both] in [[&a.mean, &b.mean, &both.mean], [&a.var, &b.var, &both.var]] {
            for ((a, b), both) in a.as_vec().into_iter().zip(b.as_vec()).zip(both.as_vec()) {
                let mean = (a + b) / 2.0;
                assert!((mean - both).abs() <= 1e-5 * mean.abs().max(1.0), "{mean} {both}");
            }
        }
    }
}

/// `f64` runs the composed forms.
#[test]
fn every_network_runs_in_every_number_format() {
    for (architecture, extras, size) in everything() {
        let network = Network::with_extras(&architecture, &extras, 3, 10).unwrap();
        let precise = logits_in::<f32>(&network, size);
        for (format, found, tolerance) in [
            ("f64", logits_in::<f64>(&network, size), 1e-3),
            ("Bf16", logits_in::<Bf16>(&network, size), 0.1),
        ] {
            let scale = precise.iter().fold(0.0, |max: f32, x| max.max(x.abs()));
            for (found, expected) in found.iter().zip(&precise) {
                let error = (found - expected).abs() / scale;
                assert!(error < tolerance, "{architecture:?} in {format}: off by {error}");
            }
        }
    }
}

fn logits_in<E: Dtype>(network: &Network, size: usize) -> Vec<f32>
where
    Cpu: Backend<E>,
{
    let values = parameters(network, 1).0;
    let values = values.into_iter().map(|v| <Cpu as Backend<E>>::from_f32(v).unwrap());
    let statistics = network.initial_statistics(&Cpu::default()).unwrap();
    let images: FeatureMap<f32, Cpu> =
        Cpu::seed_from_u64(1).sample_normal_like(&(1, size, size, 3));
    let images = <Cpu as Backend<E>>::from_f32(images).unwrap();
    let mode = Mode::Evaluate(&statistics);
    let logits = network.forward(&Parameters(values.collect()), mode, images).unwrap();
    <Cpu as Backend<E>>::to_f32(logits).unwrap().as_vec()
}

#[test]
fn every_parameter_of_every_network_gets_a_gradient() {
    for (architecture, extras, size) in everything() {
        let network = Network::with_extras(&architecture, &extras, 3, 10).unwrap();
        for (format, gradients) in [
            ("f32", gradients_in::<f32>(&network, size)),
            ("Bf16", gradients_in::<Bf16>(&network, size)),
        ] {
            for (spec, gradient) in network.parameters().iter().zip(gradients) {
                let what = format!("{format}: {} of {architecture:?}", spec.name());
                assert!(gradient.iter().all(|g| g.is_finite()), "{what}");
                assert!(gradient.iter().any(|g| *g != 0.0), "{what}");
            }
        }
    }
}

fn gradients_in<E: Dtype>(network: &Network, size: usize) -> Vec<Vec<f32>>
where
    Cpu: Backend<E>,
{
    let values = parameters(network, 1).0;
    let values = values.into_iter().map(|v| <Cpu as Backend<E>>::from_f32(v).unwrap());
    let values = Parameters(values.collect());
    let mut statistics = network.initial_statistics(&Cpu::default()).unwrap();
    let dev = Cpu::seed_from_u64(1);
    let images: FeatureMap<f32, Cpu> = dev.sample_normal_like(&(4, size, size, 3));
    let images = <Cpu as Backend<E>>::from_f32(images).unwrap().leaky_traced();
    let mode = Mode::Train(&mut statistics, Noise { seed: 1, step: 1 });
    let logits = network.forward(&values, mode, images).unwrap();
    let gradient = dev.sample_normal_like(logits.shape());
    let loss = <Cpu as Tensors<E>>::scalar(logits, 0.0, gradient).unwrap();
    let mut gradients = <Cpu as Tensors<E>>::backward(loss).unwrap();
    let mut take = |of| <Cpu as Backend<E>>::take_gradient(&mut gradients, of).unwrap().as_vec();
    values.iter().map(&mut take).collect()
}

#[test]
fn depthwise_filters_start_from_the_fan_out_of_a_channel() {
    let network = Network::new(&mobilenet(1.0), 3, 10).unwrap();
    let values = parameters(&network, 1);
    let depthwise = network.parameters().iter().zip(values.iter());
    for (spec, values) in depthwise.filter(|(spec, _)| spec.name().ends_with("conv_dw.weight")) {
        check_kaiming(spec.name(), &[3, 3, 1, 1], &values.as_vec());
    }
}

#[test]
fn airbench94_starts_as_the_identity() {
    let airbench94 = Architecture::Airbench94(Airbench94 { width: Some(32) });
    let network = Network::new(&airbench94, 3, 10).unwrap();
    let values = parameters(&network, 1);
    for (spec, values) in network.parameters().iter().zip(values.iter()) {
        let fixed = spec.name() == "whiten.weight";
        assert_eq!(spec.update == Update::Fixed, fixed, "{}", spec.name());
        if spec.parameter.kind != Kind::ConvWeight || fixed {
            continue;
        }
        let [height, width, inputs, outputs] = spec.shape[..] else { panic!("{spec:?}") };
        let bound = 1.0 / ((height * width * inputs) as f32).sqrt();
        for (i, value) in values.as_vec().into_iter().enumerate() {
            let (tap, input, output) = (i / outputs / inputs, i / outputs % inputs, i % outputs);
            match output < inputs {
                true => assert_eq!(value, if tap == 4 && input == output { 1.0 } else { 0.0 }),
                false => assert!(value.abs() <= bound && value != 0.0, "{value}"),
            }
        }
    }
}

#[test]
fn whitening_refuses_what_it_cannot_use() {
    let dev = Cpu::default();
    let airbench94 = Architecture::Airbench94(Airbench94::default());
    let network = Network::new(&airbench94, 3, 10).unwrap();
    let mut values = parameters(&network, 1);
    for (len, shape) in
        [(48, [1, 4, 4, 1]), (48, [1, 16, 1, 3]), (47, [1, 4, 4, 3]), (0, [0, 4, 4, 3])]
    {
        let error = network.whiten(&mut values, &vec![1.0; len], shape, &dev).unwrap_err();
        assert_eq!(error, Error::Images { values: len, shape, channels: 3 });
    }
    let other = self::network(SMALL);
    let mut values = parameters(&other, 1);
    let error = other.whiten(&mut values, &[1.0; 48], [1, 4, 4, 3], &dev).unwrap_err();
    assert_eq!(error, Error::NoWhitening);
}

#[test]
fn a_file_of_another_family_is_refused() {
    let dev = Cpu::default();
    let (network, other) = (network(SMALL), Network::new(&wide(10, 1), 3, 10).unwrap());
    let (mut values, mut statistics) =
        (parameters(&network, 1), network.initial_statistics(&dev).unwrap());
    let extra = |name: &str| NamedTensor { name: name.into(), shape: vec![1], values: vec![0.0] };
    let file = vec![extra("model.conv1.weight"), extra("model.fc.bias")];
    let error = network.init_from(file, &mut values, &mut statistics, &dev).unwrap_err();
    assert_eq!(
        error.to_string(),
        "none of the file's tensors fits the network, as `model.conv1.weight`, `model.fc.bias`: use \
         a file of the same family and sizes"
    );
    let mut values = parameters(&other, 1);
    let error = network.init_from(vec![], &mut values, &mut statistics, &dev).unwrap_err();
    assert!(matches!(error, Error::Mismatch(_)), "{error}");
}

#[test]
fn frozen_networks_say_the_same_for_batches_of_all_sizes() {
    for (architecture, extras, size) in everything() {
        let network = Network::with_extras(&architecture, &extras, 3, 10).unwrap();
        let (parameters, dev) = (parameters(&network, 1), Cpu::default());
        let statistics = network.initial_statistics(&dev).unwrap();
        let frozen = network.freeze(parameters.clone(), statistics.clone()).unwrap();
        for batch in [1, 3, 1] {
            let images: FeatureMap<f32, Cpu> = dev.sample_normal_like(&(batch, size, size, 3));
            let mode = Mode::Evaluate(&statistics);
            let expected = network.forward(&parameters, mode, images.clone()).unwrap().as_vec();
            let found = frozen.forward(images).unwrap().as_vec();
            let scale = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            for (found, expected) in found.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() <= 1e-4 * scale,
                    "{architecture:?}: {found}, expected {expected}"
                );
            }
        }
    }
    let (small, other) = (network(SMALL), network(ResNet { depth: 14, ..SMALL }));
    let statistics = small.initial_statistics(&Cpu::default()).unwrap();
    let refused = other.freeze(parameters(&small, 1), statistics).unwrap_err();
    assert!(matches!(refused, Error::Mismatch(_)), "{refused}");
}

#[test]
fn every_network_adds_up() {
    for (architecture, extras, size) in everything() {
        let network = Network::with_extras(&architecture, &extras, 3, 10).unwrap();
        let rows = network.summary(size, size).unwrap();
        let parameters: usize = rows.iter().map(|row| row.parameters).sum();
        assert_eq!(parameters, network.parameter_count(), "{architecture:?}");
        let named: Vec<_> = network.parameters().iter().map(|spec| spec.name()).collect();
        for row in &rows {
            let found = ["weight", "bias"]
                .iter()
                .any(|end| named.contains(&&*format!("{}.{end}", row.name)));
            assert!(found, "{}", row.name);
        }
        let depths: Vec<_> = network.parameters().iter().map(|spec| spec.parameter.depth).collect();
        assert!(depths.is_sorted() && depths[0] == 0, "{architecture:?}: {depths:?}");
    }
}

#[test]
fn the_blocks_of_every_network_add_up() {
    for (architecture, extras, size) in everything() {
        let network = Network::with_extras(&architecture, &extras, 3, 10).unwrap();
        let [blocks, layers] =
            [network.blocks(size, size), network.summary(size, size)].map(Result::unwrap);
        let parameters =
            |rows: &[LayerSummary]| rows.iter().map(|row| row.parameters).sum::<usize>();
        let macs = |rows: &[LayerSummary]| rows.iter().map(|row| row.macs).sum::<u64>();
        assert_eq!(parameters(&blocks), parameters(&layers), "{architecture:?}");
        assert_eq!(macs(&blocks), macs(&layers), "{architecture:?}");
        let names: BTreeSet<&str> = blocks.iter().map(|block| block.name.as_str()).collect();
        assert_eq!(names.len(), blocks.len(), "{architecture:?}");
    }
}

#[test]
fn blocks_are_named_by_what_their_layers_share_and_end_in_its_output() {
    for (architecture, size, name, output) in [
        (bottlenecks(Stem::ImageNet, Variant::B), 64, "conv1", [16, 16, 4]),
        (bottlenecks(Stem::Deep, Variant::B), 64, "conv1", [16, 16, 4]),
        (bottlenecks(Stem::ImageNet, Variant::B), 64, "layer2.0", [8, 8, 32]),
        (Architecture::InceptionV3(InceptionV3 {}), 299, "Conv2d_1a_3x3", [149, 149, 32]),
        (Architecture::InceptionV3(InceptionV3 {}), 299, "Mixed_5b", [35, 35, 256]),
        (mobilenet(1.0), 64, "blocks.0.0", [32, 32, 64]),
    ] {
        let blocks = Network::new(&architecture, 3, 10).unwrap().blocks(size, size).unwrap();
        let found = blocks.iter().find(|block| block.name == name);
        assert_eq!(found.map(|block| block.output), Some(output), "{name}: {blocks:?}");
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
        let logits =
            network.forward(values, Mode::Train(&mut statistics, Noise::default()), images(shape));
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
