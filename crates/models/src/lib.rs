//! Image classifiers on [dfdx] tensors: ResNet and its variants, WideResNet, ResNet-9,
//! MobileNet-V1, Inception-V3 and airbench94's network, with the parameter names and counts of
//! torchvision and timm.
//!
//! A [`Network`] is a description: layers, and a list of parameters with their names, kinds and
//! shapes. The values live apart, in [`Parameters`] and [`RunningStatistics`], so that an average
//! of weights, a teacher or a half-precision copy is just another list of values for the same
//! network.
//!
//! ```
//! use dfdx::prelude::*;
//! use trickbag_models::{Architecture, Mode, Network, Noise, ResNet, Stem, Variant, ZeroGamma};
//! use trickbag_ops::FeatureMap;
//!
//! let resnet8 = ResNet { depth: 8, stem: Stem::Cifar, variant: Variant::B, width: Some(4) };
//! let network = Network::new(&Architecture::ResNet(resnet8), 1, 10)?;
//! let dev = Cpu::default();
//! let parameters = network.initialise(42, ZeroGamma::On, &dev)?;
//! let mut statistics = network.initial_statistics(&dev)?;
//!
//! let images: FeatureMap<f32, Cpu> = dev.sample_normal_like(&(2, 28, 28, 1));
//! let traced = images.leaky_traced();
//! let mode = Mode::Train(&mut statistics, Noise { seed: 42, step: 0 });
//! let logits = network.forward(&parameters, mode, traced)?;
//! let gradients = logits.square().mean().backward();
//! assert_eq!(network.parameters()[0].name(), "conv1.weight");
//! assert_eq!(gradients.get(&parameters[0]).shape(), parameters[0].shape());
//! # Ok::<(), trickbag_models::Error>(())
//! ```
//!
//! [`Extras`] has what tricks add to a network: single tweaks of ResNet, squeeze and excitation, blur
//! pooling, stochastic depth, dropout. What is random follows from a [`Noise`].
//!
//! Parameters are flat vectors in Trickbag's layout (see [`trickbag_ops`]); [`Network::export`]
//! and [`Network::import`] convert to and from torchvision's shapes, so that safetensors files
//! interchange. [`Network::init_from`] takes what fits from another network's file.
//!
//! [`Network::freeze`] makes a network for use, which keeps what it prepares of its filters.
//!
//! Ranks that have a [`Share`] of a batch each train together with [`Network::forward_share`].

mod airbench;
mod architecture;
mod builder;
mod error;
mod extras;
mod forward;
mod frozen;
mod inception;
mod initialise;
mod interchange;
mod mobilenet;
mod network;
mod noise;
mod resnet;
mod resnet9;
mod share;
mod summary;
mod transfer;
mod whitening;
mod wide_resnet;

pub use airbench::Airbench94;
pub use architecture::{Architecture, ResNet, Stem, Variant, ZeroGamma};
pub use error::Error;
pub use extras::{BlurPool, Extras, SqueezeExcite, Tweak};
pub use forward::Mode;
pub use frozen::Frozen;
pub use inception::InceptionV3;
pub use initialise::{Parameters, RunningStatistics};
pub use interchange::NamedTensor;
pub use mobilenet::MobileNetV1;
pub use network::{Network, ParameterSpec, Update};
pub use noise::Noise;
pub use resnet9::ResNet9;
pub use share::Share;
pub use summary::LayerSummary;
pub use transfer::{Fate, Transfer, TransferRow};
pub use wide_resnet::WideResNet;
