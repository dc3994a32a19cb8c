//! A network as data: a tree of layers, and the parameters and statistics that they refer to.

use trickbag_ops::{Activation, Window};
use trickbag_param_groups::Parameter;

use crate::builder::Builder;
use crate::{Architecture, Error, resnet};

/// A convolutional classifier: layers, a global average pool and a linear head.
///
/// It holds no values; see the crate's introduction.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub(crate) layers: Vec<Layer>,
    pub(crate) head: Head,
    pub(crate) parameters: Vec<ParameterSpec>,
    pub(crate) norms: Vec<NormSpec>,
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
    pub(crate) init: Init,
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
    /// [`Error::Depth`] for a depth that the family does not have, [`Error::Width`] for a width
    /// that it cannot divide, [`Error::Empty`] for no channels or no classes.
    pub fn new(
        architecture: &Architecture,
        in_channels: usize,
        classes: usize,
    ) -> Result<Self, Error> {
        if in_channels == 0 || classes == 0 {
            return Err(Error::Empty { in_channels, classes });
        }
        let mut builder = Builder::default();
        let (layers, features) = match architecture {
            Architecture::ResNet(settings) => resnet::layers(settings, in_channels, &mut builder)?,
        };
        let head = builder.head("fc", features, classes);
        let Builder { parameters, norms, .. } = builder;
        Ok(Self { layers, head, parameters, norms, in_channels, classes })
    }

    /// The parameters in the order of [`crate::Parameters`].
    pub fn parameters(&self) -> &[ParameterSpec] {
        &self.parameters
    }

    /// Number of trainable values (running statistics are not parameters).
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
    MaxPool(Window),
    /// Rounds up and divides by the pixels that lie in the image, as ResNet-D's shortcut does.
    AvgPool(Window),
    /// `relu(norm(body(x)) + shortcut(x))`; an empty shortcut is the identity.
    Residual {
        body: Vec<Layer>,
        norm: Norm,
        shortcut: Vec<Layer>,
    },
}

/// A convolution without bias.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Conv {
    pub(crate) filter: ParameterId,
    pub(crate) window: Window,
    pub(crate) groups: usize,
}

/// A batch norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Norm {
    pub(crate) scale: ParameterId,
    pub(crate) shift: ParameterId,
    /// Index into [`Network::norms`] and the running statistics.
    pub(crate) statistics: usize,
}

/// Global average pool and linear classifier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Head {
    pub(crate) weight: ParameterId,
    pub(crate) bias: ParameterId,
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
    /// Normal with variance `2 / (kernel area · outputs)`.
    KaimingNormalFanOut,
    /// Uniform within `± 1 / sqrt(inputs)`.
    LinearUniform {
        inputs: usize,
    },
    One,
    Zero,
    /// The last norm scale of a residual block: one, or zero with [`crate::ZeroGamma::On`].
    ResidualScale,
}
