//! Values to and from torchvision's names and shapes, as a list or a safetensors file.

use std::collections::{BTreeMap, HashMap};

use dfdx::prelude::Device;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use trickbag_ops::{BatchStatistics, Vector};

use crate::initialise::vector;
use crate::network::NormSpec;
use crate::{Error, Network, ParameterSpec, Parameters, RunningStatistics};

/// A tensor as PyTorch names and shapes it: convolutions `(outputs, inputs / groups, kernel
/// height, kernel width)`, linear weights `(outputs, inputs)`.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Name in the `state_dict`.
    pub name: String,
    /// PyTorch's shape.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Vec<f32>,
}

impl Network {
    /// The values as a torchvision `state_dict` has them, without `num_batches_tracked`, which
    /// PyTorch fills in itself.
    pub fn export<D: Device<f32>>(
        &self,
        parameters: &Parameters<f32, D>,
        statistics: &RunningStatistics<D>,
    ) -> Vec<NamedTensor> {
        let parameters = self.parameters.iter().zip(parameters.iter()).map(|(spec, values)| {
            let (shape, values) = to_torch(&spec.shape, values.as_vec());
            NamedTensor { name: spec.name().to_owned(), shape, values }
        });
        let statistics = self.norms.iter().zip(statistics.iter()).flat_map(|(norm, running)| {
            let tensor = |name: String, values: &Vector<f32, D>| NamedTensor {
                name,
                shape: vec![norm.channels],
                values: values.as_vec(),
            };
            [tensor(norm.mean(), &running.mean), tensor(norm.var(), &running.var)]
        });
        parameters.chain(statistics).collect()
    }

    /// The inverse of [`Network::export`]; `num_batches_tracked` may be there and is ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] lists every tensor that is missing, unknown or of another shape, and
    /// [`Error::Ops`] a failing device.
    pub fn import<D: Device<f32>>(
        &self,
        tensors: Vec<NamedTensor>,
        dev: &D,
    ) -> Result<(Parameters<f32, D>, RunningStatistics<D>), Error> {
        let mut pile = Pile::new(tensors);
        let parameters: Vec<_> = self.parameters.iter().map(|spec| pile.parameter(spec)).collect();
        let statistics: Vec<_> = self.norms.iter().map(|norm| pile.statistics(norm)).collect();
        pile.finish()?;
        let parameters = parameters.into_iter().map(|values| vector(dev, values));
        let statistics = statistics.into_iter().map(|[mean, var]| -> Result<_, Error> {
            Ok(BatchStatistics { mean: vector(dev, mean)?, var: vector(dev, var)? })
        });
        Ok((
            Parameters(parameters.collect::<Result<_, _>>()?),
            RunningStatistics(statistics.collect::<Result<_, _>>()?),
        ))
    }

    /// [`Network::export`] as the bytes of a safetensors file that PyTorch loads.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the values cannot be written in that format.
    pub fn to_safetensors<D: Device<f32>>(
        &self,
        parameters: &Parameters<f32, D>,
        statistics: &RunningStatistics<D>,
    ) -> Result<Vec<u8>, Error> {
        NamedTensor::serialize(&self.export(parameters, statistics), None)
    }

    /// [`Network::import`] from the bytes of a safetensors file, for instance one of torchvision's
    /// models saved from PyTorch.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for bytes that are no safetensors file or hold another number format than
    /// `F32`, and those of [`Network::import`].
    pub fn from_safetensors<D: Device<f32>>(
        &self,
        bytes: &[u8],
        dev: &D,
    ) -> Result<(Parameters<f32, D>, RunningStatistics<D>), Error> {
        self.import(NamedTensor::deserialize(bytes)?, dev)
    }
}

impl NamedTensor {
    /// The tensors of a safetensors file, for instance one of timm's, but for
    /// `num_batches_tracked`.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for bytes that are no safetensors file or hold another number format than
    /// `F32`.
    pub fn deserialize(bytes: &[u8]) -> Result<Vec<Self>, Error> {
        let file = SafeTensors::deserialize(bytes).map_err(Error::file)?;
        let tensors = file.iter().filter(|(name, _)| !ignored(name));
        tensors.map(|(name, view)| Self::from_view(name, &view)).collect()
    }

    /// The bytes of a safetensors file with these tensors. Metadata of more than one entry have no
    /// fixed order, so that the bytes vary.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the tensors cannot be written in that format.
    pub fn serialize(
        tensors: &[Self],
        metadata: Option<HashMap<String, String>>,
    ) -> Result<Vec<u8>, Error> {
        let bytes: Vec<_> = tensors.iter().map(Self::to_le_bytes).collect();
        let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?;
            Ok((&tensor.name, view))
        });
        let views: Vec<_> = views.collect::<Result<_, _>>().map_err(Error::file)?;
        safetensors::serialize(views, metadata).map_err(Error::file)
    }

    /// Reads a tensor of a safetensors file.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for another number format than `F32`.
    pub fn from_view(name: &str, view: &TensorView<'_>) -> Result<Self, Error> {
        if view.dtype() != Dtype::F32 {
            return Err(Error::File(format!(
                "tensor `{name}` has number format {:?}, expected F32: convert it with \
                 `.float()` before saving",
                view.dtype()
            )));
        }
        let (chunks, _) = view.data().as_chunks::<4>();
        let values = chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Ok(Self { name: name.to_owned(), shape: view.shape().to_vec(), values })
    }

    fn to_le_bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }
}

impl NormSpec {
    pub(crate) fn mean(&self) -> String {
        format!("{}.running_mean", self.name)
    }

    pub(crate) fn var(&self) -> String {
        format!("{}.running_var", self.name)
    }
}

/// Tensors by name, and what was wrong with those taken so far.
struct Pile {
    tensors: BTreeMap<String, NamedTensor>,
    complaints: Vec<String>,
}

impl Pile {
    fn new(tensors: Vec<NamedTensor>) -> Self {
        let tensors = tensors.into_iter().map(|t| (t.name.clone(), t)).collect();
        Self { tensors, complaints: vec![] }
    }

    fn parameter(&mut self, spec: &ParameterSpec) -> Vec<f32> {
        from_torch(&spec.shape, self.take(spec.name(), &torch_shape(&spec.shape)))
    }

    fn statistics(&mut self, norm: &NormSpec) -> [Vec<f32>; 2] {
        [norm.mean(), norm.var()].map(|name| self.take(&name, &[norm.channels]))
    }

    /// Zeros where the tensor is missing or does not fit: `finish` reports that.
    fn take(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        let complaint = match self.tensors.remove(name) {
            Some(tensor) if tensor.shape == shape => return tensor.values,
            Some(tensor) => {
                format!("`{name}` has shape {:?}, expected {shape:?}", tensor.shape)
            }
            None => format!("`{name}` is missing"),
        };
        self.complaints.push(complaint);
        vec![0.0; shape.iter().product()]
    }

    fn finish(mut self) -> Result<(), Error> {
        let unknown = self.tensors.into_keys().filter(|name| !ignored(name));
        self.complaints.extend(unknown.map(|name| format!("`{name}` is unknown")));
        match self.complaints.is_empty() {
            true => Ok(()),
            false => Err(Error::Mismatch(self.complaints)),
        }
    }
}

pub(crate) fn ignored(name: &str) -> bool {
    name.ends_with(".num_batches_tracked")
}

pub(crate) fn torch_shape(shape: &[usize]) -> Vec<usize> {
    match *shape {
        [kernel_h, kernel_w, inputs, outputs] => vec![outputs, inputs, kernel_h, kernel_w],
        [inputs, outputs] => vec![outputs, inputs],
        _ => shape.to_vec(),
    }
}

/// Moves the last axis to the front and, of four, the one before it to the second place.
fn to_torch(shape: &[usize], values: Vec<f32>) -> (Vec<usize>, Vec<f32>) {
    let torch = torch_index(shape);
    let mut permuted = vec![0.0; values.len()];
    for (ours, value) in values.into_iter().enumerate() {
        permuted[torch(ours)] = value;
    }
    (torch_shape(shape), permuted)
}

pub(crate) fn from_torch(shape: &[usize], values: Vec<f32>) -> Vec<f32> {
    let torch = torch_index(shape);
    (0..values.len()).map(|ours| values[torch(ours)]).collect()
}

/// Maps a position in Trickbag's layout to the position in PyTorch's.
fn torch_index(shape: &[usize]) -> impl Fn(usize) -> usize {
    let (taps, inputs, outputs) = match *shape {
        [kernel_h, kernel_w, inputs, outputs] => (kernel_h * kernel_w, inputs, outputs),
        [inputs, outputs] => (1, inputs, outputs),
        _ => (1, 1, shape.iter().product()),
    };
    move |ours| {
        let (row, output) = (ours / outputs, ours % outputs);
        let (tap, input) = (row / inputs, row % inputs);
        (output * inputs + input) * taps + tap
    }
}
