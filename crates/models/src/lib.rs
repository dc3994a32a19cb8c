//! The ResNet family on [dfdx] tensors, with torchvision's parameter names, counts and
//! initialisation.
//!
//! A [`Network`] is a description: layers, and a list of parameters with their names, kinds and
//! shapes. The values live apart, in [`Parameters`] and [`RunningStatistics`], so that an average
//! of weights, a teacher or a half-precision copy is just another list of values for the same
//! network.
//!
//! ```
//! use dfdx::prelude::*;
//! use trickbag_models::{Architecture, Mode, Network, ResNet, Stem, Variant, ZeroGamma};
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
//! let logits = network.forward(&parameters, Mode::Train(&mut statistics), traced)?;
//! let gradients = logits.square().mean().backward();
//! assert_eq!(network.parameters()[0].name(), "conv1.weight");
//! assert_eq!(gradients.get(&parameters[0]).shape(), parameters[0].shape());
//! # Ok::<(), trickbag_models::Error>(())
//! ```
//!
//! Parameters are flat vectors in Trickbag's layout (see [`trickbag_ops`]); [`Network::export`]
//! and [`Network::import`] convert to and from torchvision's shapes, so that safetensors files
//! interchange.

mod architecture;
mod builder;
mod error;
mod forward;
mod initialise;
mod interchange;
mod network;
mod resnet;
mod summary;

pub use architecture::{Architecture, ResNet, Stem, Variant, ZeroGamma};
pub use error::Error;
pub use forward::Mode;
pub use initialise::{Parameters, RunningStatistics};
pub use interchange::NamedTensor;
pub use network::{Network, ParameterSpec};
pub use summary::LayerSummary;
