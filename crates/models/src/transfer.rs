//! Values from another network's file, as far as they fit: the start of transfer learning.

use std::collections::BTreeMap;

use dfdx::prelude::Device;

use crate::initialise::vector;
use crate::interchange::{from_torch, ignored, torch_shape};
use crate::{Error, NamedTensor, Network, Parameters, RunningStatistics};

/// What became of each tensor, those of the network first, in its order, then the file's others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer(pub Vec<TransferRow>);

/// What became of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    /// Its name, as in PyTorch's `state_dict`.
    pub name: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a tensor when a network was filled from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The network has the file's values.
    Loaded,
    /// The file's shape differs, as that of a head for other classes: the network keeps its values.
    Skipped {
        /// The file's shape, in PyTorch's layout.
        found: Vec<usize>,
        /// The network's, in PyTorch's layout.
        expected: Vec<usize>,
    },
    /// The file has none of this name: the network keeps its values.
    Missing,
    /// The network has none of this name: the file's values are not used.
    Left,
}

impl Transfer {
    /// The rows of tensors with this fate, whatever their shapes.
    pub fn of(&self, fate: fn(&Fate) -> bool) -> impl Iterator<Item = &TransferRow> {
        self.0.iter().filter(move |row| fate(&row.fate))
    }
}

impl Network {
    /// Takes the values that these tensors have for the network, by name, and says what became of
    /// each tensor.
    ///
    /// What does not fit keeps its value: with other classes, that is the head, which so starts
    /// from its initial values. Names are torchvision's for [`ResNet`](crate::ResNet) and
    /// [`InceptionV3`](crate::InceptionV3), which timm shares; timm's for
    /// [`MobileNetV1`](crate::MobileNetV1) and for what torchvision does not have (variants C and D,
    /// squeeze and excitation); see [`WideResNet`](crate::WideResNet) and
    /// [`Airbench94`](crate::Airbench94) for theirs. A checkpoint of Trickbag has them all.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use trickbag_models::{Architecture, Fate, Network, ResNet, Stem, Variant, ZeroGamma};
    ///
    /// let resnet8 = ResNet { depth: 8, stem: Stem::Cifar, variant: Variant::B, width: Some(4) };
    /// let architecture = Architecture::ResNet(resnet8);
    /// let [ten, two] = [10, 2].map(|classes| Network::new(&architecture, 3, classes));
    /// let (ten, two, dev) = (ten?, two?, Cpu::default());
    /// let file = ten.export(
    ///     &ten.initialise(1, ZeroGamma::Off, &dev)?,
    ///     &ten.initial_statistics(&dev)?,
    /// );
    ///
    /// let mut parameters = two.initialise(2, ZeroGamma::Off, &dev)?;
    /// let mut statistics = two.initial_statistics(&dev)?;
    /// let table = two.init_from(file, &mut parameters, &mut statistics, &dev)?;
    /// let skipped = table.of(|fate| matches!(fate, Fate::Skipped { .. }));
    /// let skipped: Vec<_> = skipped.map(|row| row.name.as_str()).collect();
    /// assert_eq!(skipped, ["fc.weight", "fc.bias"]);
    /// # Ok::<(), trickbag_models::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NothingFits`] where not one tensor could be loaded, [`Error::Mismatch`] for values of
    /// another network, and [`Error::Ops`] for a failing device.
    pub fn init_from<D: Device<f32>>(
        &self,
        tensors: Vec<NamedTensor>,
        parameters: &mut Parameters<f32, D>,
        statistics: &mut RunningStatistics<D>,
        dev: &D,
    ) -> Result<Transfer, Error> {
        if (parameters.len(), statistics.len()) != (self.parameters.len(), self.norms.len()) {
            return Err(Error::Mismatch(vec!["lists of other lengths".into()]));
        }
        let mut file = File::new(tensors);
        for (spec, parameter) in self.parameters.iter().zip(parameters.iter_mut()) {
            if let Some(values) = file.take(spec.name(), &spec.shape) {
                *parameter = vector(dev, from_torch(&spec.shape, values))?;
            }
        }
        for (norm, running) in self.norms.iter().zip(statistics.iter_mut()) {
            for (name, into) in [(norm.mean(), &mut running.mean), (norm.var(), &mut running.var)] {
                if let Some(values) = file.take(&name, &[norm.channels]) {
                    *into = vector(dev, values)?;
                }
            }
        }
        file.finish()
    }
}

/// The tensors that nobody has taken yet, and what became of the others.
struct File {
    tensors: BTreeMap<String, NamedTensor>,
    examples: Vec<String>,
    rows: Vec<TransferRow>,
}

impl File {
    /// Names that an error quotes.
    const EXAMPLES: usize = 3;

    fn new(tensors: Vec<NamedTensor>) -> Self {
        let examples = tensors.iter().take(Self::EXAMPLES).map(|t| t.name.clone()).collect();
        let tensors = tensors.into_iter().map(|t| (t.name.clone(), t)).collect();
        Self { tensors, examples, rows: vec![] }
    }

    /// The values of this name, if there are any and their shape is this one of Trickbag's.
    fn take(&mut self, name: &str, shape: &[usize]) -> Option<Vec<f32>> {
        let expected = torch_shape(shape);
        let (fate, values) = match self.tensors.remove(name) {
            Some(tensor) if tensor.shape == expected => (Fate::Loaded, Some(tensor.values)),
            Some(NamedTensor { shape: found, .. }) => (Fate::Skipped { found, expected }, None),
            None => (Fate::Missing, None),
        };
        self.rows.push(TransferRow { name: name.to_owned(), fate });
        values
    }

    fn finish(mut self) -> Result<Transfer, Error> {
        if self.rows.iter().all(|row| row.fate != Fate::Loaded) {
            return Err(Error::NothingFits { tensors: self.examples });
        }
        let left = self.tensors.into_keys().filter(|name| !ignored(name));
        self.rows.extend(left.map(|name| TransferRow { name, fate: Fate::Left }));
        Ok(Transfer(self.rows))
    }
}
