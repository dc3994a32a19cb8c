//! Networks against PyTorch, torchvision and timm, on every device: logits, loss, every gradient, running
//! statistics, parameter and operation counts, and a file that PyTorch saved.
#![allow(clippy::unwrap_used)]

#[path = "../../ops/tests/device/mod.rs"]
mod device;
#[path = "../../ops/tests/golden/mod.rs"]
mod golden;

use device::{Place, Work, to};
use dfdx::dtypes::{Dtype, f16};
use dfdx::prelude::*;
use golden::{Golden, close, fill, near};
use serde::Deserialize;
use trickbag_models::{
    Airbench94, Architecture, Extras, Fate, Mode, NamedTensor, Network, Noise, Parameters, ResNet,
    ZeroGamma,
};
use trickbag_ops::{Backend, FeatureMap, Matrix, Tensors, Vector};

/// Dozens of layers in f32 against f64.
const TOLERANCE: f64 = 2e-3;
/// Among many values some lie so near a ReLU's kink that f32 takes the other side. In f64, which the
/// composed forms compute in, these networks agree within 2e-7. How many do depends on the order of
/// sums; up to 2.4e-2 was seen.
const LARGE_TOLERANCE: f64 = 4e-2;

/// Dozens of layers with 11 bits, all values of a tensor together.
const HALF_TOLERANCE: f64 = 0.03;
/// Gradients of a deep network on a few images hang on each number that lies near a kink: parameters
/// and images that are rounded to 11 bits move those of `f32` by 0.007 to 0.16 of their norm. All
/// that is computed may move them by this many times as much. On an emulated device it was up to 3.3
/// times, as on the CPU.
const HALF_FACTOR: f64 = 4.0;
/// Of the loss, taken out of its gradients again.
const SCALE: f32 = 1024.0;

#[derive(Deserialize)]
struct Case {
    architecture: Architecture,
    #[serde(default)]
    extras: Extras,
    classes: usize,
    images: Images,
    #[serde(default)]
    labels: Vec<usize>,
    #[serde(default)]
    label_smoothing: f32,
    #[serde(default)]
    parameters: Vec<Formula>,
    #[serde(default)]
    norms: Vec<String>,
    #[serde(default)]
    logits: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Images {
    tag: String,
    shape: [usize; 4],
}

#[derive(Deserialize)]
struct Formula {
    name: String,
    shape: Vec<usize>,
    offset: f64,
    gain: f64,
}

impl Case {
    fn network(&self) -> Network {
        let channels = self.images.shape[3];
        Network::with_extras(&self.architecture, &self.extras, channels, self.classes).unwrap()
    }

    fn images(&self) -> FeatureMap<f32, Cpu> {
        let [a, b, c, d] = self.images.shape;
        let values = fill(&self.images.tag, a * b * c * d, 0.0, 1.0);
        Cpu::default().tensor_from_vec(values, (a, b, c, d))
    }

    /// Checks names and shapes on the way.
    fn parameters(&self, network: &Network) -> Parameters<f32, Cpu> {
        assert_eq!(network.parameters().len(), self.parameters.len());
        let values = network.parameters().iter().map(|spec| {
            let formula = self.parameters.iter().find(|f| f.name == spec.name());
            let Formula { name, shape, offset, gain } = formula.unwrap();
            assert_eq!(spec.shape, *shape, "{name}");
            let values = fill(name, spec.len(), *offset, *gain);
            Cpu::default().tensor_from_vec(values, (spec.len(),))
        });
        Parameters(values.collect())
    }

    /// The cross entropy of logits, and its gradient.
    fn loss(&self, logits: &[f32]) -> (f32, Vec<f32>) {
        let (batch, classes) = (self.labels.len(), self.classes);
        let (mut loss, mut gradient) = (0.0, vec![]);
        for (row, label) in logits.chunks(classes).zip(&self.labels) {
            let row: Vec<f64> = row.iter().map(|z| f64::from(*z)).collect();
            let largest = row.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = row.iter().map(|z| (z - largest).exp()).sum();
            for (class, z) in row.iter().enumerate() {
                let smoothed = f64::from(self.label_smoothing) / classes as f64;
                let own = f64::from(u8::from(class == *label));
                let target = smoothed + own * (1.0 - f64::from(self.label_smoothing));
                let log_p = z - largest - sum.ln();
                loss -= target * log_p / batch as f64;
                gradient.push(((log_p.exp() - target) / batch as f64) as f32);
            }
        }
        (loss as f32, gradient)
    }
}

/// How many numbers a digest has.
const DIGEST: usize = 18;

/// L2 norm, dot product with a probe, and the first values.
fn digest(values: &[f32]) -> Vec<f32> {
    let probe = fill("probe", values.len(), 0.0, 1.0);
    let norm = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let dot: f64 = values.iter().zip(probe).map(|(v, p)| f64::from(*v) * f64::from(p)).sum();
    let mut digest = vec![norm as f32, dot as f32];
    digest.extend(values.iter().take(DIGEST - 2));
    digest.resize(DIGEST, 0.0);
    digest
}

fn check(file: &str) {
    check_within(file, TOLERANCE);
}

fn check_within(file: &str, tolerance: f64) {
    let golden = Golden::<Case>::read(&format!("tests/goldens/{file}.safetensors"));
    let case = &golden.cases[0];
    let step = |place: Place, rounded| place.run(Step { case, rounded });
    let exact = step(Place::Cpu, false);
    exact.hold(&golden, |name, found, expected| close(name, found, expected, tolerance));
    for place in Place::gpus() {
        let found = step(place, false);
        found.hold(&golden, |name, found, expected| {
            let at = format!("{name} at {place:?}");
            match (place.is_half(), name.starts_with("gradient")) {
                (false, _) => close(&at, found, expected, tolerance),
                (true, false) => near(&at, found, expected, HALF_TOLERANCE),
                // Below, all together.
                (true, true) => {}
            }
        });
        if place.is_half() {
            let (off, moved) = (found.off(&exact), step(Place::Cpu, true).off(&exact));
            assert!(off <= HALF_FACTOR * moved, "gradients off by {off}, moved by {moved}");
        }
    }
}

/// A training step and an evaluation of a network, with its parameters and images rounded to 11 bits
/// or not.
struct Step<'a> {
    case: &'a Case,
    rounded: bool,
}

/// What came of it.
struct Found {
    logits: Vec<f32>,
    loss: f32,
    /// By parameter.
    gradients: Vec<(String, Vec<f32>)>,
    exported: Vec<NamedTensor>,
    evaluation_logits: Vec<f32>,
}

impl Work for Step<'_> {
    type Output = Found;

    fn on<E: Dtype, D: Backend<E>>(self, dev: &D) -> Found {
        let case = self.case;
        let network = case.network();
        let parameters: Vec<Vector<f32, D>> =
            case.parameters(&network).iter().map(|p| to(dev, self.round(p.as_vec()))).collect();
        let working = parameters.iter().map(|p| D::from_f32(p.clone()).unwrap()).collect();
        let working: Parameters<E, D> = Parameters(working);
        let images = case.images();
        let images: FeatureMap<f32, D> =
            dev.tensor_from_vec(self.round(images.as_vec()), *images.shape());
        let images = <D as Backend<E>>::from_f32(images).unwrap();
        let mut statistics = network.initial_statistics(dev).unwrap();
        let mode = Mode::Train(&mut statistics, Noise::default());
        let y = network.forward(&working, mode, images.clone().leaky_traced()).unwrap();
        let logits = <D as Backend<E>>::to_f32(y.retaped::<NoneTape>()).unwrap().as_vec();
        let (loss, gradient) = case.loss(&logits);
        // Scaled as in training, lest 16 bits lose what is small.
        let scaled = gradient.iter().map(|g| g * SCALE).collect();
        let scaled: Matrix<f32, D> = dev.tensor_from_vec(scaled, *y.shape());
        let end = <D as Tensors<E>>::scalar(y, loss, scaled).unwrap();
        let mut gradients = <D as Tensors<E>>::backward(end).unwrap();
        let gradients = network.parameters().iter().zip(working.iter()).map(|(spec, parameter)| {
            let found = <D as Backend<E>>::take_gradient(&mut gradients, parameter).unwrap();
            let found = found.as_vec().into_iter().map(|g| g / SCALE).collect();
            (spec.name().to_owned(), found)
        });
        let gradients = gradients.collect();
        let exported = network.export(&Parameters(parameters), &statistics);
        let y = network.forward(&working, Mode::Evaluate(&statistics), images).unwrap();
        let evaluation_logits = <D as Backend<E>>::to_f32(y).unwrap().as_vec();
        Found { logits, loss, gradients, exported, evaluation_logits }
    }
}

impl Step<'_> {
    fn round(&self, values: Vec<f32>) -> Vec<f32> {
        match self.rounded {
            true => values.into_iter().map(|v| f16::from_f32(v).to_f32()).collect(),
            false => values,
        }
    }
}

impl Found {
    /// Holds all of it against a golden file.
    fn hold(&self, golden: &Golden<Case>, hold: impl Fn(&str, &[f32], &[f64])) {
        let get = |name: &str| golden.get(name).unwrap();
        hold("logits", &self.logits, &get("logits"));
        hold("loss", &[self.loss], &get("loss"));
        let (case, gradients) = (&golden.cases[0], get("gradients"));
        for (name, found) in &self.gradients {
            let row = case.parameters.iter().position(|f| f.name == *name).unwrap();
            hold(&format!("gradient of {name}"), &digest(found), row_of(&gradients, row));
        }
        for (row, norm) in case.norms.iter().enumerate() {
            for (suffix, tensor) in [("mean", "running_mean"), ("var", "running_variance")] {
                let name = format!("{norm}.running_{suffix}");
                let found = self.exported.iter().find(|t| t.name == name).unwrap();
                let found = digest(&found.values);
                hold(&name, &found, row_of(&get(tensor), row));
            }
        }
        hold("evaluation_logits", &self.evaluation_logits, &get("evaluation_logits"));
    }

    /// How far off all gradients together are, as a fraction of their norm.
    fn off(&self, expected: &Self) -> f64 {
        let (mut off, mut norm) = (0.0, 0.0);
        for ((_, found), (_, expected)) in self.gradients.iter().zip(&expected.gradients) {
            for (found, expected) in found.iter().zip(expected) {
                off += f64::from(found - expected).powi(2);
                norm += f64::from(*expected).powi(2);
            }
        }
        (off / norm).sqrt()
    }
}

/// One of the digests that a tensor of a golden file holds.
fn row_of(digests: &[f64], row: usize) -> &[f64] {
    &digests[row * DIGEST..(row + 1) * DIGEST]
}

#[test]
fn resnet8_for_cifar() {
    check("resnet8");
}

#[test]
fn resnet18_with_a_cifar_stem() {
    check("resnet18-cifar-stem");
}

#[test]
fn resnet18_b() {
    check("resnet18-b");
}

#[test]
fn resnet18_d() {
    check("resnet18-d");
}

#[test]
fn resnet50_a() {
    check("resnet50-a");
}

#[test]
fn resnet50_b() {
    check("resnet50-b");
}

#[test]
fn resnet50_c() {
    check("resnet50-c");
}

#[test]
fn resnet50_d() {
    check("resnet50-d");
}

#[test]
fn a_with_every_tweak_is_d() {
    check("resnet50-a-bcd");
}

#[test]
fn the_deep_stem_alone() {
    check("resnet50-a-c");
}

#[test]
fn squeeze_and_excitation() {
    check("seresnet18-d");
}

#[test]
fn squeeze_and_excitation_of_bottlenecks() {
    check("seresnet50-d");
}

#[test]
fn blur_pooling() {
    check("resnetblur18-d");
}

#[test]
fn blur_pooling_of_bottlenecks() {
    check("resnetblur50-d");
}

#[test]
fn wide_resnet() {
    check_within("wrn16-2", LARGE_TOLERANCE);
}

#[test]
fn a_wide_resnet_as_wide_as_others() {
    check("wrn10-1");
}

#[test]
fn resnet9() {
    check("resnet9");
}

#[test]
fn mobilenet_v1() {
    check("mobilenet-v1");
}

#[test]
fn inception_v3() {
    check_within("inception-v3", LARGE_TOLERANCE);
}

#[test]
fn airbench94() {
    check("airbench94");
}

#[test]
fn a_file_saved_by_pytorch_loads_and_comes_back() {
    let golden = Golden::<Case>::read("tests/goldens/resnet8-torch.safetensors");
    let (case, dev) = (&golden.cases[0], Cpu::default());
    let network = case.network();
    let (parameters, statistics) = network.from_safetensors(golden.bytes(), &dev).unwrap();
    let mode = Mode::Evaluate(&statistics);
    let logits = network.forward(&parameters, mode, case.images()).unwrap();
    close("logits", &logits.as_vec(), &case.logits.concat(), 1e-5);
    let exported = network.export(&parameters, &statistics);
    for tensor in &exported {
        golden.check(&tensor.name, &tensor.values, 0.0);
    }
    let bytes = network.to_safetensors(&parameters, &statistics).unwrap();
    let (parameters, statistics) = network.from_safetensors(&bytes, &dev).unwrap();
    assert_eq!(network.export(&parameters, &statistics), exported);
}

#[derive(Deserialize)]
struct WhiteningCase {
    images: Images,
}

#[test]
fn the_whitening_filter() {
    let golden = Golden::<WhiteningCase>::read("tests/goldens/whitening.safetensors");
    let Images { tag, shape } = &golden.cases[0].images;
    let mut images = fill(tag, shape.iter().product(), 0.0, 1.0);
    for pixel in images.chunks_mut(shape[3]) {
        pixel.iter_mut().zip([0.5, 1.0, 1.5]).for_each(|(value, factor)| *value *= factor);
    }
    let airbench94 = Architecture::Airbench94(Airbench94 { width: Some(8) });
    let network = Network::new(&airbench94, shape[3], 10).unwrap();
    let dev = Cpu::default();
    let mut parameters = network.initialise(1, ZeroGamma::Off, &dev).unwrap();
    let bias = parameters[1].as_vec();
    network.whiten(&mut parameters, &images, *shape, &dev).unwrap();
    assert_eq!(network.parameters()[0].name(), "whiten.weight");
    golden.check("filter", &parameters[0].as_vec(), 1e-5);
    assert_eq!(parameters[1].as_vec(), bias);
}

#[test]
fn a_file_fills_a_network_with_another_head() {
    let golden = Golden::<Case>::read("tests/goldens/resnet8-torch.safetensors");
    let (case, dev) = (&golden.cases[0], Cpu::default());
    let network = Network::new(&case.architecture, 3, case.classes + 2).unwrap();
    let mut parameters = network.initialise(1, ZeroGamma::Off, &dev).unwrap();
    let mut statistics = network.initial_statistics(&dev).unwrap();
    let before = network.export(&parameters, &statistics);
    let mut file = NamedTensor::deserialize(golden.bytes()).unwrap();
    file.retain(|tensor| tensor.name != "bn1.weight");
    file.push(NamedTensor { name: "ema".into(), shape: vec![1], values: vec![0.0] });
    let table = network.init_from(file, &mut parameters, &mut statistics, &dev).unwrap();
    let skipped = |inputs: &[usize]| {
        let shape = |classes| [&[classes], inputs].concat();
        Fate::Skipped { found: shape(case.classes), expected: shape(case.classes + 2) }
    };
    let others = table.of(|fate| *fate != Fate::Loaded);
    let others: Vec<_> = others.map(|row| (&row.name[..], row.fate.clone())).collect();
    assert_eq!(
        others,
        [
            ("bn1.weight", Fate::Missing),
            ("fc.weight", skipped(&[16])),
            ("fc.bias", skipped(&[])),
            ("ema", Fate::Left),
        ]
    );
    for (new, old) in network.export(&parameters, &statistics).iter().zip(before) {
        match table.of(|fate| *fate == Fate::Loaded).any(|row| row.name == new.name) {
            true => golden.check(&new.name, &new.values, 0.0),
            false => assert_eq!(*new, old),
        }
    }
}

#[derive(Deserialize)]
struct Counts {
    networks: Vec<Count>,
}

#[derive(Deserialize)]
struct Count {
    name: String,
    architecture: Architecture,
    #[serde(default)]
    extras: Extras,
    classes: usize,
    size: usize,
    parameters: usize,
    macs: u64,
}

#[test]
fn counts_are_those_of_torchvision_and_timm() {
    let counts = std::fs::read_to_string("tests/goldens/counts.json").unwrap();
    let counts: Counts = serde_json::from_str(&counts).unwrap();
    let resnet50 = counts.networks.iter().find(|c| c.name == "torchvision resnet50").unwrap();
    assert_eq!((resnet50.classes, resnet50.parameters), (1000, 25_557_032));
    for Count { name, architecture, extras, classes, size, parameters, macs } in counts.networks {
        let network = Network::with_extras(&architecture, &extras, 3, classes).unwrap();
        assert_eq!(network.parameter_count(), parameters, "{name}");
        assert_eq!(network.macs(size, size).unwrap(), macs, "{name}");
    }
}

#[test]
fn zero_gamma_starts_each_block_as_its_shortcut() {
    let resnet =
        ResNet { depth: 8, stem: Default::default(), variant: Default::default(), width: Some(4) };
    let network = Network::new(&Architecture::ResNet(resnet), 3, 2).unwrap();
    let dev = Cpu::default();
    let [off, on] =
        [ZeroGamma::Off, ZeroGamma::On].map(|zero| network.initialise(1, zero, &dev).unwrap());
    let differs = |i: &usize| off[*i].as_vec() != on[*i].as_vec();
    let changed: Vec<_> = (0..off.len()).filter(differs).collect();
    let names: Vec<_> = changed.iter().map(|&i| network.parameters()[i].name()).collect();
    assert_eq!(names, ["layer1.0.bn2.weight", "layer2.0.bn2.weight", "layer3.0.bn2.weight"]);
    for i in changed {
        assert!(on[i].as_vec().iter().all(|&v| v == 0.0));
    }
}
