//! The networks that are timed, and the usual size of their work.

use clap::ValueEnum;
use serde::Serialize;
use trickbag_models::{Architecture, Error, Network, ResNet, Stem, Variant};

use super::options::Pass;

/// A network by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Model {
    /// Three stages for CIFAR: 16, 32 and 64 channels; 10 classes.
    Resnet20,
    /// Four stages on a CIFAR stem: 64 to 512 channels; 10 classes.
    #[serde(rename = "resnet18-cifar")]
    Resnet18Cifar,
    /// The network for photographs; 1000 classes.
    Resnet50,
}

impl Model {
    pub(crate) fn network(self) -> Result<Network, Error> {
        let (depth, stem, classes) = match self {
            Self::Resnet20 => (20, Stem::Cifar, 10),
            Self::Resnet18Cifar => (18, Stem::Cifar, 10),
            Self::Resnet50 => (50, Stem::ImageNet, 1000),
        };
        let resnet = ResNet { depth, stem, variant: Variant::B, width: None };
        Network::new(&Architecture::ResNet(resnet), 3, classes)
    }

    /// Height and width of its usual images.
    pub(crate) fn image(self) -> usize {
        match self {
            Self::Resnet20 | Self::Resnet18Cifar => 32,
            Self::Resnet50 => 224,
        }
    }

    /// Images of its usual step.
    pub(crate) fn batch(self, pass: Pass) -> usize {
        match (pass, self) {
            (Pass::Infer, _) => 64,
            (Pass::Step, Self::Resnet20) => 128,
            (Pass::Step, Self::Resnet18Cifar) => 64,
            (Pass::Step, Self::Resnet50) => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_those_of_the_papers() {
        let check = |model: Model, parameters, millions_of_macs| {
            let network = model.network().unwrap();
            let macs = network.macs(model.image(), model.image()).unwrap();
            assert_eq!(network.parameter_count(), parameters, "{model:?}");
            assert_eq!((macs as f64 / 1e6).round(), millions_of_macs, "{model:?}");
        };
        check(Model::Resnet20, 272_474, 41.0);
        check(Model::Resnet18Cifar, 11_173_962, 555.0);
        check(Model::Resnet50, 25_557_032, 4089.0);
    }
}
