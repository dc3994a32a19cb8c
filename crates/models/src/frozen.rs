//! A network in use: its values no longer change.

use dfdx::dtypes::Dtype;
use trickbag_ops::{Backend, FeatureMap, Matrix, Packed};

use crate::{Error, Mode, Network, Parameters, RunningStatistics};

/// A network with values that no longer change, for one forward pass after the other.
///
/// What a device makes of the filters before it multiplies them is kept, where a device has such a thing, as the CPU
/// has: for a few images the first pass takes longer, and later ones much less time than [`Network::forward`].
/// It costs memory: about that of the parameters once more, and three times that of the 3x3 filters of stride 1 that
/// go through minimal filtering. PyTorch calls this freezing.
///
/// ```
/// use dfdx::prelude::*;
/// use trickbag_models::{Architecture, Network, ResNet, Stem, Variant, ZeroGamma};
/// use trickbag_ops::FeatureMap;
///
/// let resnet8 = ResNet { depth: 8, stem: Stem::Cifar, variant: Variant::B, width: Some(4) };
/// let network = Network::new(&Architecture::ResNet(resnet8), 1, 10)?;
/// let dev = Cpu::default();
/// let parameters = network.initialise(42, ZeroGamma::Off, &dev)?;
/// let classifier = network.freeze(parameters, network.initial_statistics(&dev)?)?;
/// for batch in 1..3 {
///     let images: FeatureMap<f32, Cpu> = dev.sample_normal_like(&(batch, 28, 28, 1));
///     assert_eq!(classifier.forward(images)?.shape(), &(batch, 10));
/// }
/// # Ok::<(), trickbag_models::Error>(())
/// ```
#[derive(Debug)]
pub struct Frozen<'n, E: Dtype, D: Backend<E>> {
    network: &'n Network,
    parameters: Parameters<E, D>,
    statistics: RunningStatistics<D>,
    packed: Vec<Packed>,
}

impl Network {
    /// This network with these values, which can no longer change.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] for values of another network.
    pub fn freeze<E: Dtype, D: Backend<E>>(
        &self,
        parameters: Parameters<E, D>,
        statistics: RunningStatistics<D>,
    ) -> Result<Frozen<'_, E, D>, Error> {
        self.check(&parameters, &Mode::Evaluate(&statistics))?;
        let packed = parameters.iter().map(|_| Packed::default()).collect();
        Ok(Frozen { network: self, parameters, statistics, packed })
    }
}

impl<E: Dtype, D: Backend<E>> Frozen<'_, E, D> {
    /// Logits `(batch, classes)` of images `(batch, height, width, channels)`: those of [`Network::forward`] in
    /// [`Mode::Evaluate`], up to rounding.
    ///
    /// # Errors
    ///
    /// Those of [`Network::forward`].
    pub fn forward(&self, images: FeatureMap<E, D>) -> Result<Matrix<E, D>, Error> {
        let mode = Mode::Evaluate(&self.statistics);
        self.network.pass(&self.parameters, mode, None, Some(&self.packed), images)
    }
}
