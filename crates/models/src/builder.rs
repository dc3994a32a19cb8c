//! Collects parameters and norms while an architecture lays out its layers.

use trickbag_ops::{Activation, Window};
use trickbag_param_groups::{Kind, Parameter};

use crate::network::{
    Conv, Dense, Head, HeadStyle, Init, Layer, Norm, NormSetting, NormSpec, ParameterId,
    ParameterSpec, Update,
};

#[derive(Debug, Default)]
pub(crate) struct Builder {
    pub(crate) parameters: Vec<ParameterSpec>,
    pub(crate) norms: Vec<NormSpec>,
    pub(crate) norm_setting: NormSetting,
    /// Depth that the next parameters get: 0 for the stem, then the residual blocks in order.
    pub(crate) depth: usize,
}

impl Builder {
    /// A convolution `name.weight` without bias or groups.
    pub(crate) fn conv(&mut self, name: &str, channels: [usize; 2], window: Window) -> Layer {
        self.conv_from(name, channels, window, Init::KaimingNormalFanOut { groups: 1 })
    }

    /// A convolution without bias or groups that starts from `init`.
    pub(crate) fn conv_from(
        &mut self,
        name: &str,
        channels: [usize; 2],
        window: Window,
        init: Init,
    ) -> Layer {
        let filter = self.filter(name, channels, window, init);
        Layer::Conv(Conv { filter, bias: None, window, groups: 1 })
    }

    /// A convolution with a bias, whose filter training leaves as it is.
    pub(crate) fn fixed_conv(&mut self, name: &str, channels: [usize; 2], window: Window) -> Layer {
        let filter = self.filter(name, channels, window, Init::Dirac);
        self.parameters[filter.0].update = Update::Fixed;
        let bias =
            self.parameter(format!("{name}.bias"), Kind::Bias, vec![channels[1]], Init::Zero);
        Layer::Conv(Conv { filter, bias: Some(bias), window, groups: 1 })
    }

    /// A convolution that keeps channels apart.
    pub(crate) fn depthwise(&mut self, name: &str, channels: usize, window: Window) -> Layer {
        let init = Init::KaimingNormalFanOut { groups: channels };
        let filter = self.filter(name, [1, channels], window, init);
        Layer::Conv(Conv { filter, bias: None, window, groups: channels })
    }

    /// A fully connected layer with bias, which PyTorch users have as a 1x1 convolution.
    pub(crate) fn dense(&mut self, name: &str, [inputs, outputs]: [usize; 2]) -> Dense {
        let init = Init::KaimingNormalFanOut { groups: 1 };
        let weight = self.filter(name, [inputs, outputs], Window::square(1), init);
        let init = Init::LinearUniform { inputs };
        let bias = self.parameter(format!("{name}.bias"), Kind::Bias, vec![outputs], init);
        Dense { weight, bias }
    }

    /// A batch norm `name` whose scale starts from one.
    pub(crate) fn norm(&mut self, name: &str, channels: usize) -> Norm {
        self.norm_from(name, channels, Some(Init::One))
    }

    /// The last batch norm of a residual block, subject to zero-gamma.
    pub(crate) fn residual_norm(&mut self, name: &str, channels: usize) -> Norm {
        self.norm_from(name, channels, Some(Init::ResidualScale))
    }

    /// A batch norm whose scale is one for good.
    pub(crate) fn unscaled_norm(&mut self, name: &str, channels: usize) -> Layer {
        let norm = self.norm_from(name, channels, None);
        Layer::Norm { norm, activation: Activation::Identity }
    }

    /// A batch norm and ReLU.
    pub(crate) fn norm_relu(&mut self, name: &str, channels: usize) -> Layer {
        Layer::Norm { norm: self.norm(name, channels), activation: Activation::Relu }
    }

    /// The linear classifier, one deeper than the last block.
    pub(crate) fn head(&mut self, style: HeadStyle, inputs: usize, classes: usize) -> Head {
        self.depth += 1;
        let init = Init::LinearUniform { inputs };
        let HeadStyle { name, bias, pooling, scale } = style;
        let weight = format!("{name}.weight");
        let weight = self.parameter(weight, Kind::LinearWeight, vec![inputs, classes], init);
        let bias =
            bias.then(|| self.parameter(format!("{name}.bias"), Kind::Bias, vec![classes], init));
        Head { weight, bias, pooling, scale, dropout: 0.0 }
    }

    fn filter(
        &mut self,
        name: &str,
        channels: [usize; 2],
        window: Window,
        init: Init,
    ) -> ParameterId {
        let [kernel_h, kernel_w] = window.kernel;
        let shape = vec![kernel_h, kernel_w, channels[0], channels[1]];
        self.parameter(format!("{name}.weight"), Kind::ConvWeight, shape, init)
    }

    fn norm_from(&mut self, name: &str, channels: usize, scale: Option<Init>) -> Norm {
        let shape = vec![channels];
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let scale = scale.map(|init| self.parameter(weight, Kind::NormScale, shape.clone(), init));
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
        self.parameters.push(ParameterSpec { parameter, shape, update: Update::Trained, init });
        ParameterId(self.parameters.len() - 1)
    }
}
