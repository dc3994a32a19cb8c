//! A network as data: a tree of layers, and the parameters and statistics that they refer to.

use trickbag_ops::{Activation, Divisor, Pointwise, Rounding, Window};
use trickbag_param_groups::Parameter;

use crate::builder::Builder;
use crate::{
    Architecture, Error, Extras, airbench, inception, mobilenet, resnet, resnet9, wide_resnet,
};

/// A convolutional classifier: layers, global pooling and a linear head.
///
/// It holds no values; see the crate's introduction.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub(crate) layers: Vec<Layer>,
    pub(crate) head: Head,
    pub(crate) parameters: Vec<ParameterSpec>,
    pub(crate) norms: Vec<NormSpec>,
    pub(crate) norm_setting: NormSetting,
    pub(crate) in_channels: usize,
    pub(crate) classes: usize,
}

/// A parameter's name, kind, depth and shape.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterSpec {
    /// Name (torchvision's), kind, and depth for rules.
    pub parameter: Parameter,
    /// Shape in Trickbag's layout: `[kernel height, kernel width, inputs / groups, outputs]`,
    /// `[inputs, outputs]` or `[channels]`.
    pub shape: Vec<usize>,
    /// Whether training is meant to change it.
    pub update: Update,
    pub(crate) init: Init,
}

/// Whether training is meant to change a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// As every other.
    Trained,
    /// It stays as it is: the whitening filter of [`Airbench94`](crate::Airbench94). The rules of
    /// the parameter groups see to that; [`Network::forward`] yields its gradient all the same.
    Fixed,
}

impl ParameterSpec {
    /// The parameter's name, as in torchvision's `state_dict`.
    pub fn name(&self) -> &str {
        &self.parameter.name
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no values, which is so in no network.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Network {
    /// Builds the network of `architecture` for images of `in_channels` channels.
    ///
    /// # Errors
    ///
    /// [`Error::Depth`] and [`Error::WideDepth`] for a depth that the family does not have,
    /// [`Error::Width`] for a width that it cannot divide, [`Error::Setting`] for another number
    /// out of its range, [`Error::Empty`] for no channels or no classes.
    pub fn new(
        architecture: &Architecture,
        in_channels: usize,
        classes: usize,
    ) -> Result<Self, Error> {
        Self::with_extras(architecture, &Extras::default(), in_channels, classes)
    }

    /// As [`Network::new`], with what tricks add.
    ///
    /// # Errors
    ///
    /// Those of [`Network::new`], [`Error::Unsupported`] for an extra that the family does not
    /// have, and [`Error::Tweak`] for a tweak that changes nothing.
    pub fn with_extras(
        architecture: &Architecture,
        extras: &Extras,
        in_channels: usize,
        classes: usize,
    ) -> Result<Self, Error> {
        if in_channels == 0 || classes == 0 {
            return Err(Error::Empty { in_channels, classes });
        }
        extras.check(architecture)?;
        let mut builder = Builder::default();
        let mut trunk = trunk(architecture, extras, in_channels, &mut builder)?;
        extras.set_depth_rates(architecture, &mut trunk.layers)?;
        let mut head = builder.head(trunk.head, trunk.features, classes);
        head.dropout = extras.dropout;
        let Builder { parameters, norms, norm_setting, .. } = builder;
        let norm_setting = NormSetting { ghost_batch: extras.ghost_batch, ..norm_setting };
        let layers = trunk.layers;
        Ok(Self { layers, head, parameters, norms, norm_setting, in_channels, classes })
    }

    /// The parameters in the order of [`crate::Parameters`].
    pub fn parameters(&self) -> &[ParameterSpec] {
        &self.parameters
    }

    /// Number of values in all parameters (running statistics are none).
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(ParameterSpec::len).sum()
    }

    /// Number of classes: the width of the logits.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Channels of the images that the network takes.
    pub fn in_channels(&self) -> usize {
        self.in_channels
    }
}

fn trunk(
    architecture: &Architecture,
    extras: &Extras,
    in_channels: usize,
    builder: &mut Builder,
) -> Result<Trunk, Error> {
    match architecture {
        Architecture::ResNet(settings) => resnet::trunk(settings, extras, in_channels, builder),
        Architecture::WideResNet(settings) => wide_resnet::trunk(settings, in_channels, builder),
        Architecture::ResNet9(settings) => resnet9::trunk(settings, in_channels, builder),
        Architecture::MobileNetV1(settings) => mobilenet::trunk(settings, in_channels, builder),
        Architecture::InceptionV3(_) => Ok(inception::trunk(in_channels, builder)),
        Architecture::Airbench94(settings) => airbench::trunk(settings, in_channels, builder),
    }
}

/// What an architecture lays out: everything but the classifier, and how that one looks.
#[derive(Debug)]
pub(crate) struct Trunk {
    pub(crate) layers: Vec<Layer>,
    /// Channels that the layers end in.
    pub(crate) features: usize,
    pub(crate) head: HeadStyle,
}

/// How the classifier looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadStyle {
    pub(crate) name: &'static str,
    pub(crate) bias: bool,
    pub(crate) pooling: Pooling,
    pub(crate) scale: f32,
}

impl HeadStyle {
    /// Global average pooling and a linear layer `name` with bias.
    pub(crate) fn usual(name: &'static str) -> Self {
        Self { name, bias: true, pooling: Pooling::Average, scale: 1.0 }
    }
}

/// Index of a parameter in [`Network::parameters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ParameterId(pub(crate) usize);

/// One step of the forward pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Layer {
    Conv(Conv),
    Norm {
        norm: Norm,
        activation: Activation,
    },
    Pointwise(Pointwise),
    MaxPool(Window),
    AvgPool {
        window: Window,
        rounding: Rounding,
        divisor: Divisor,
    },
    BlurPool,
    /// Multiplies each channel by `sigmoid(excite(relu(squeeze(averages))))`.
    Gate {
        squeeze: Dense,
        excite: Dense,
    },
    Residual(Residual),
    /// The channels of all branches, one after the other.
    Branches(Vec<Vec<Layer>>),
}

/// `activation(body(x) + shortcut(x))`; an empty shortcut is the identity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Residual {
    pub(crate) body: Vec<Layer>,
    pub(crate) shortcut: Vec<Layer>,
    pub(crate) activation: Activation,
    /// Probability that a sample goes without the body in training.
    pub(crate) drop_rate: f64,
}

impl Residual {
    /// A block that is never skipped.
    pub(crate) fn new(body: Vec<Layer>, shortcut: Vec<Layer>, activation: Activation) -> Self {
        Self { body, shortcut, activation, drop_rate: 0.0 }
    }
}

/// A convolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Conv {
    pub(crate) filter: ParameterId,
    pub(crate) bias: Option<ParameterId>,
    pub(crate) window: Window,
    pub(crate) groups: usize,
}

/// A fully connected layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Dense {
    pub(crate) weight: ParameterId,
    pub(crate) bias: ParameterId,
}

/// A batch norm; without a scale parameter its scale is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Norm {
    pub(crate) scale: Option<ParameterId>,
    pub(crate) shift: ParameterId,
    /// Index into [`Network::norms`] and the running statistics.
    pub(crate) statistics: usize,
}

/// Numbers that all batch norms of a network share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NormSetting {
    /// Added to the variance.
    pub(crate) eps: f32,
    /// Weight of the batch in the running statistics.
    pub(crate) momentum: f64,
    /// Images that are normalised together in training, unless all of a batch are.
    pub(crate) ghost_batch: Option<usize>,
}

impl Default for NormSetting {
    /// PyTorch's.
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1, ghost_batch: None }
    }
}

/// How a feature map becomes one number per channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    Average,
    Maximum,
}

/// Global pooling, dropout, a linear classifier and a factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Head {
    pub(crate) weight: ParameterId,
    pub(crate) bias: Option<ParameterId>,
    pub(crate) pooling: Pooling,
    pub(crate) scale: f32,
    pub(crate) dropout: f64,
}

/// A batch norm's name, for `running_mean` and `running_var`, and its channels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NormSpec {
    pub(crate) name: String,
    pub(crate) channels: usize,
}

/// What a parameter starts from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Init {
    /// Normal with variance `2 / (kernel area · outputs of a group)`.
    KaimingNormalFanOut {
        groups: usize,
    },
    /// Uniform within `± 1 / sqrt(inputs)`.
    LinearUniform {
        inputs: usize,
    },
    /// The identity for as many outputs as there are inputs, PyTorch's uniform for the others.
    Dirac,
    One,
    Zero,
    /// The last norm scale of a residual block: one, or zero with [`crate::ZeroGamma::On`].
    ResidualScale,
}
