//! A network as a table: output shapes, parameters and operations of each layer.

use std::slice;

use trickbag_ops::{AvgPool, Divisor, ImageShape, Rounding, Window};

use crate::network::{Conv, Dense, Layer, Norm, NormSpec, Residual};
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
        rows.push(self.head_row(output));
        Ok(rows)
    }

    /// As [`Network::summary`] with a row for each block: the layers of a residual block, those of
    /// branches that are joined, and those whose names begin alike. Norms and pooling count to the
    /// block before them.
    ///
    /// # Errors
    ///
    /// As [`Network::summary`].
    pub fn blocks(&self, height: usize, width: usize) -> Result<Vec<LayerSummary>, Error> {
        let mut at = [height, width, self.in_channels];
        let mut blocks: Vec<LayerSummary> = vec![];
        for layer in &self.layers {
            let mut rows = vec![];
            at = self.walk(slice::from_ref(layer), at, &mut rows)?;
            let apart = match (blocks.last(), rows.first()) {
                (Some(block), Some(row)) => {
                    !matches!(layer, Layer::Norm { .. }) && !is_inside(&row.name, &block.name)
                }
                _ => true,
            };
            if apart && let Some(first) = rows.first() {
                let (name, parameters, macs) = (first.name.clone(), 0, 0);
                blocks.push(LayerSummary { name, output: at, parameters, macs });
            }
            if let Some(block) = blocks.last_mut() {
                block.take_in(&rows, at);
            }
        }
        blocks.push(self.head_row(at));
        Ok(blocks)
    }

    /// Multiply-accumulate operations of one image's forward pass: convolutions and linear layers,
    /// as they are usually counted (fvcore, torchvision's table); blurs are not.
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
                Layer::Pointwise(_) => at,
                Layer::MaxPool(window) => pooled(window, at, Rounding::Floor)?,
                Layer::AvgPool { window, rounding, .. } => pooled(window, at, *rounding)?,
                Layer::BlurPool => [at[0].div_ceil(2), at[1].div_ceil(2), at[2]],
                Layer::Gate { squeeze, excite } => {
                    rows.extend([squeeze, excite].map(|dense| self.dense_row(dense)));
                    at
                }
                Layer::Residual(Residual { body, shortcut, .. }) => {
                    let output = self.walk(body, at, rows)?;
                    self.walk(shortcut, at, rows)?;
                    output
                }
                Layer::Branches(branches) => {
                    let mut channels = 0;
                    let mut output = at;
                    for branch in branches {
                        output = self.walk(branch, at, rows)?;
                        channels += output[2];
                    }
                    [output[0], output[1], channels]
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
        let parameters = spec.len() + conv.bias.map_or(0, |bias| self.parameters[bias.0].len());
        rows.push(LayerSummary { name: name(spec.name()), output, parameters, macs });
        Ok(output)
    }

    fn dense_row(&self, dense: &Dense) -> LayerSummary {
        let [weight, bias] = [dense.weight, dense.bias].map(|id| &self.parameters[id.0]);
        LayerSummary {
            name: name(weight.name()),
            output: [1, 1, bias.len()],
            parameters: weight.len() + bias.len(),
            macs: weight.len() as u64,
        }
    }

    fn head_row(&self, features: [usize; 3]) -> LayerSummary {
        let head = &self.parameters[self.head.weight.0];
        let bias = self.head.bias.map_or(0, |bias| self.parameters[bias.0].len());
        LayerSummary {
            name: name(head.name()),
            output: [1, 1, self.classes],
            parameters: head.len() + bias,
            macs: (features[2] * self.classes) as u64,
        }
    }

    fn norm_row(&self, norm: &Norm, output: [usize; 3]) -> LayerSummary {
        let NormSpec { name, channels } = &self.norms[norm.statistics];
        let parameters = channels * if norm.scale.is_some() { 2 } else { 1 };
        LayerSummary { name: name.clone(), output, parameters, macs: 0 }
    }
}

impl LayerSummary {
    /// Adds the layers of a block, whose output is `output` after them.
    fn take_in(&mut self, rows: &[LayerSummary], output: [usize; 3]) {
        self.output = output;
        for row in rows {
            self.parameters += row.parameters;
            self.macs += row.macs;
            let common = common(&self.name, &row.name).len();
            if common > 0 {
                self.name.truncate(common);
            }
        }
    }
}

/// The components that two names begin with.
fn common<'a>(name: &'a str, other: &str) -> &'a str {
    let ends = name.match_indices('.').map(|(at, _)| at).chain([name.len()]);
    let shared = ends.filter(|&end| name[..end] == *other || is_inside(other, &name[..end]));
    &name[..shared.max().unwrap_or(0)]
}

fn is_inside(name: &str, block: &str) -> bool {
    name.strip_prefix(block).is_some_and(|rest| rest.starts_with('.'))
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
