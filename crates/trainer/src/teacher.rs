//! A trained network that answers for the images of a step.

use dfdx::dtypes::Dtype;
use trickbag_models::{Mode, NamedTensor, Network, Parameters, RunningStatistics};
use trickbag_ops::{Backend, FeatureMap, Matrix};
use trickbag_precision::working_copy;
use trickbag_recipe::{Loss, Plan};

use crate::Error;
use crate::checkpoint::named_tensors;

/// A teacher with its values.
#[derive(Debug)]
pub(crate) struct Teacher<'p, E: Dtype, D: Backend<E>> {
    network: &'p Network,
    parameters: Parameters<E, D>,
    statistics: RunningStatistics<D>,
}

impl<'p, E: Dtype, D: Backend<E>> Teacher<'p, E, D> {
    /// The plan's teacher, if it has one.
    pub(crate) fn of(plan: &'p Plan, dev: &D) -> Result<Option<Self>, Error> {
        let Loss::Taught { teacher, .. } = &plan.loss else { return Ok(None) };
        let (network, path) = (&teacher.network, &teacher.checkpoint);
        let tensors: Vec<NamedTensor> = named_tensors(path)?;
        let imported = network.import(tensors, dev);
        let (parameters, statistics) =
            imported.map_err(|reason| Error::Values { path: path.clone(), reason })?;
        let parameters = Parameters(working_copy::<E, D>(&parameters)?);
        Ok(Some(Self { network, parameters, statistics }))
    }

    pub(crate) fn logits(&self, images: FeatureMap<E, D>) -> Result<Matrix<f32, D>, Error> {
        let mode = Mode::Evaluate(&self.statistics);
        let logits = self.network.forward(&self.parameters, mode, images)?;
        Ok(<D as Backend<E>>::to_f32(logits)?)
    }
}
