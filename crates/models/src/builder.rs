//! Collects parameters and norms while an architecture lays out its layers.

use trickbag_ops::{Activation, Window};
use trickbag_param_groups::{Kind, Parameter};

use crate::network::{Conv, Head, Init, Layer, Norm, NormSpec, ParameterId, ParameterSpec};

#[derive(Debug, Default)]
pub(crate) struct Builder {
    pub(crate) parameters: Vec<ParameterSpec>,
    pub(crate) norms: Vec<NormSpec>,
    /// Depth that the next parameters get: 0 for the stem, then the residual blocks in order.
    pub(crate) depth: usize,
}

impl Builder {
    /// A convolution `name.weight` without bias or groups.
    pub(crate) fn conv(&mut self, name: &str, channels: [usize; 2], window: Window) -> Layer {
        let [kernel_h, kernel_w] = window.kernel;
        let shape = vec![kernel_h, kernel_w, channels[0], channels[1]];
        let name = format!("{name}.weight");
        let filter = self.parameter(name, Kind::ConvWeight, shape, Init::KaimingNormalFanOut);
        Layer::Conv(Conv { filter, window, groups: 1 })
    }

    /// A batch norm `name` whose scale starts from one.
    pub(crate) fn norm(&mut self, name: &str, channels: usize) -> Norm {
        self.norm_from(name, channels, Init::One)
    }

    /// The last batch norm of a residual block, subject to zero-gamma.
    pub(crate) fn residual_norm(&mut self, name: &str, channels: usize) -> Norm {
        self.norm_from(name, channels, Init::ResidualScale)
    }

    /// A batch norm and ReLU.
    pub(crate) fn norm_relu(&mut self, name: &str, channels: usize) -> Layer {
        Layer::Norm { norm: self.norm(name, channels), activation: Activation::Relu }
    }

    /// The linear classifier, one deeper than the last block.
    pub(crate) fn head(&mut self, name: &str, inputs: usize, classes: usize) -> Head {
        self.depth += 1;
        let init = Init::LinearUniform { inputs };
        let weight = format!("{name}.weight");
        let weight = self.parameter(weight, Kind::LinearWeight, vec![inputs, classes], init);
        let bias = self.parameter(format!("{name}.bias"), Kind::Bias, vec![classes], init);
        Head { weight, bias }
    }

    fn norm_from(&mut self, name: &str, channels: usize, scale: Init) -> Norm {
        let shape = vec![channels];
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let scale = self.parameter(weight, Kind::NormScale, shape.clone(), scale);
        let shift = self.parameter(bias, Kind::NormShift, shape, Init::Zero);
        self.norms.push(NormSpec { name: name.to_owned(), channels });
        Norm { scale, shift, statistics: self.norms.len() - 1 }
    }

    fn parameter(
        &mut self,
        name: String,
        kind: Kind,
        shape: Vec<usize>,
        init: Init,
    ) -> ParameterId {
        let parameter = Parameter { name, kind, depth: self.depth };
        self.parameters.push(ParameterSpec { parameter, shape, init });
        ParameterId(self.parameters.len() - 1)
    }
}
