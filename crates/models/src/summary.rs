//! A network as a table: output shapes, parameters and operations of each layer.

use trickbag_ops::{AvgPool, Divisor, ImageShape, Rounding, Window};

use crate::network::{Conv, Layer, Norm, NormSpec};
use crate::{Error, Network};

/// One row of the table that `explain` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSummary {
    /// The name of the layer's weight without `.weight`, or of the operation.
    pub name: String,
    /// Height, width and channels of the output.
    pub output: [usize; 3],
    /// Number of trainable values.
    pub parameters: usize,
    /// Multiply-accumulate operations of one image's forward pass.
    pub macs: u64,
}

impl Network {
    /// The layers that hold weights, for images of `height` by `width` pixels.
    ///
    /// # Errors
    ///
    /// [`Error::Ops`] where the images are too small for the network.
    pub fn summary(&self, height: usize, width: usize) -> Result<Vec<LayerSummary>, Error> {
        let mut rows = vec![];
        let input = [height, width, self.in_channels];
        let output = self.walk(&self.layers, input, &mut rows)?;
        let head = &self.parameters[self.head.weight.0];
        rows.push(LayerSummary {
            name: name(head.name()),
            output: [1, 1, self.classes],
            parameters: head.len() + self.classes,
            macs: (output[2] * self.classes) as u64,
        });
        Ok(rows)
    }

    /// Multiply-accumulate operations of one image's forward pass: convolutions and the head, as
    /// they are usually counted (fvcore, torchvision's table).
    ///
    /// # Errors
    ///
    /// As [`Network::summary`].
    pub fn macs(&self, height: usize, width: usize) -> Result<u64, Error> {
        Ok(self.summary(height, width)?.iter().map(|row| row.macs).sum())
    }

    fn walk(
        &self,
        layers: &[Layer],
        mut at: [usize; 3],
        rows: &mut Vec<LayerSummary>,
    ) -> Result<[usize; 3], Error> {
        for layer in layers {
            at = match layer {
                Layer::Conv(conv) => self.conv_row(conv, at, rows)?,
                Layer::Norm { norm, .. } => {
                    rows.push(self.norm_row(norm, at));
                    at
                }
                Layer::MaxPool(window) => pooled(window, at, Rounding::Floor)?,
                Layer::AvgPool(window) => pooled(window, at, Rounding::Ceil)?,
                Layer::Residual { body, norm, shortcut } => {
                    let output = self.walk(body, at, rows)?;
                    rows.push(self.norm_row(norm, output));
                    self.walk(shortcut, at, rows)?;
                    output
                }
            };
        }
        Ok(at)
    }

    fn conv_row(
        &self,
        conv: &Conv,
        [height, width, _]: [usize; 3],
        rows: &mut Vec<LayerSummary>,
    ) -> Result<[usize; 3], Error> {
        let spec = &self.parameters[conv.filter.0];
        let [height, width] =
            conv.window.output([height, width]).map_err(trickbag_ops::Error::from)?;
        let output = [height, width, spec.shape[3]];
        let macs = (height * width * spec.len()) as u64;
        rows.push(LayerSummary { name: name(spec.name()), output, parameters: spec.len(), macs });
        Ok(output)
    }

    fn norm_row(&self, norm: &Norm, output: [usize; 3]) -> LayerSummary {
        let NormSpec { name, channels } = &self.norms[norm.statistics];
        LayerSummary { name: name.clone(), output, parameters: 2 * channels, macs: 0 }
    }
}

fn pooled(
    window: &Window,
    [height, width, channels]: [usize; 3],
    rounding: Rounding,
) -> Result<[usize; 3], Error> {
    let input = ImageShape { batch: 1, height, width, channels };
    let pool = AvgPool::new(input, *window, rounding, Divisor::Valid);
    let output = pool.map_err(trickbag_ops::Error::from)?.output();
    Ok([output.height, output.width, channels])
}

fn name(weight: &str) -> String {
    weight.trim_end_matches(".weight").to_owned()
}
