//! What tricks add to a network, whatever its family: each part can be switched by itself.

use serde::{Deserialize, Serialize};

use crate::network::Layer;
use crate::{Architecture, Error};

/// What tricks add to a network; the default is nothing. See [`Network::with_extras`].
///
/// ```
/// use trickbag_models::{Architecture, Extras, Network, ResNet, Stem, Tweak, Variant};
///
/// let resnet50 = ResNet { depth: 50, stem: Stem::ImageNet, variant: Variant::A, width: None };
/// let architecture = Architecture::ResNet(resnet50);
/// let extras = Extras { tweaks: vec![Tweak::B, Tweak::C, Tweak::D], ..Extras::default() };
/// let network = Network::with_extras(&architecture, &extras, 3, 1000)?;
/// assert_eq!(network.parameter_count(), 25_576_264); // ResNet-50-D
/// # Ok::<(), trickbag_models::Error>(())
/// ```
///
/// [`Network::with_extras`]: crate::Network::with_extras
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Extras {
    /// Single tweaks of a [`ResNet`](crate::ResNet), in any order.
    pub tweaks: Vec<Tweak>,
    /// Gates at the end of each block of a [`ResNet`](crate::ResNet).
    pub squeeze_excite: Option<SqueezeExcite>,
    /// Blurs before a [`ResNet`](crate::ResNet) subsamples.
    pub blur_pool: BlurPool,
    /// Probability that a sample skips the last residual block in training, from 0 up to, but not
    /// 1.
    ///
    /// Block `l` of `L` is skipped with `l / L` of it (Huang et al., arXiv 1603.09382, equation 4;
    /// Composer). timm takes `(l - 1) / (L - 1)`, torchvision's EfficientNet `(l - 1) / L`. Each
    /// sample is skipped by itself (torchvision's `row`), and what remains is divided by the
    /// probability that it does, so evaluation needs no correction.
    pub stochastic_depth: f64,
    /// Probability that a feature before the classifier is zero in training, from 0 up to, but not
    /// 1; the others are divided by the probability that they remain (Srivastava et al. 2014,
    /// PyTorch).
    pub dropout: f64,
    /// Images that batch norm sees together in training; the whole batch when there is none. It
    /// must divide every batch (Hoffer et al., arXiv 1705.08741).
    pub ghost_batch: Option<usize>,
}

/// A tweak of the residual network by itself (Bag of Tricks, section 4).
///
/// [`Variant`](crate::Variant) has the cumulated ones. A tweak that the network has already, or that
/// changes nothing in it, is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tweak {
    /// The stride moves from the first 1x1 convolution of a bottleneck to the 3x3 one.
    B,
    /// Three 3x3 convolutions replace the 7x7 one: half the width, half, and the width.
    C,
    /// 2x2 average pooling and an unstrided 1x1 convolution replace the strided one of the
    /// shortcut.
    D,
}

/// Squeeze and excitation (Hu et al., arXiv 1709.01507): a gate for each channel, computed from the
/// averages of all channels by two small layers.
///
/// It acts on the branch, right before the addition, as in timm's `seresnet50`. The layer between
/// has `channels / reduction` units, rounded to a multiple of 8 (timm); the paper does not round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SqueezeExcite {
    /// Channels for each unit of the layer between; 16 in the paper and in timm.
    pub reduction: usize,
}

impl Default for SqueezeExcite {
    fn default() -> Self {
        Self { reduction: 16 }
    }
}

/// Whether a network blurs before it subsamples (Zhang, arXiv 1904.11486).
///
/// As in timm's `resnetblur50`: the pooling of the stem and the strided convolution of each block
/// lose their stride, and a blur with stride 2 follows (after norm and ReLU). The first convolution
/// and the shortcuts keep their strides. Composer keeps all strides of convolutions and blurs what
/// goes into them, in the shortcuts as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlurPool {
    /// Strides as they are.
    #[default]
    Off,
    /// Blurs instead of strides.
    On,
}

/// Units of the layer between are a multiple of this.
const SQUEEZE_MULTIPLE: usize = 8;

impl SqueezeExcite {
    /// Units of the layer between.
    pub(crate) fn units(self, channels: usize) -> usize {
        let step = SQUEEZE_MULTIPLE * self.reduction;
        ((channels + step / 2) / step).max(1) * SQUEEZE_MULTIPLE
    }
}

impl Extras {
    /// Whether the family has what the extras change, and their numbers make sense.
    pub(crate) fn check(&self, architecture: &Architecture) -> Result<(), Error> {
        let resnet = matches!(architecture, Architecture::ResNet(_));
        for (extra, asked) in [
            ("a tweak of ResNet", !self.tweaks.is_empty()),
            ("squeeze and excitation", self.squeeze_excite.is_some()),
            ("blur pooling", self.blur_pool == BlurPool::On),
        ] {
            if asked && !resnet {
                return Err(Error::Unsupported { extra, family: architecture.name() });
            }
        }
        if self.squeeze_excite.is_some_and(|gate| gate.reduction == 0) {
            return Err(Error::setting("reduction of squeeze and excitation", 0.0, "1 or more"));
        }
        if let Some(images @ 0..2) = self.ghost_batch {
            return Err(Error::setting("images of a ghost batch", images as f64, "2 or more"));
        }
        check_rate("rate of stochastic depth", self.stochastic_depth)?;
        check_rate("rate of dropout", self.dropout)
    }

    /// Gives each residual block its rate of stochastic depth.
    pub(crate) fn set_depth_rates(
        &self,
        architecture: &Architecture,
        layers: &mut [Layer],
    ) -> Result<(), Error> {
        if self.stochastic_depth == 0.0 {
            return Ok(());
        }
        let blocks = layers.iter_mut().filter_map(|layer| match layer {
            Layer::Residual(residual) => Some(residual),
            _ => None,
        });
        let blocks: Vec<_> = blocks.collect();
        let count = blocks.len();
        if count == 0 {
            let family = architecture.name();
            return Err(Error::Unsupported { extra: "stochastic depth", family });
        }
        for (index, block) in blocks.into_iter().enumerate() {
            block.drop_rate = self.stochastic_depth * (index + 1) as f64 / count as f64;
        }
        Ok(())
    }
}

fn check_rate(what: &'static str, rate: f64) -> Result<(), Error> {
    match (0.0..1.0).contains(&rate) {
        true => Ok(()),
        false => Err(Error::setting(what, rate, "0 up to, but not 1")),
    }
}
