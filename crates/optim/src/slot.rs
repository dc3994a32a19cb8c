//! What is remembered of each parameter from step to step, and how it is put back.

use dfdx::prelude::*;
use trickbag_ops::Vector;

use crate::Error;
use crate::vectors::check_len;

/// One remembered value per parameter, such as the momentum.
#[derive(Debug, Clone)]
pub struct Slot<D: Device<f32>> {
    /// What to save it under; PyTorch's name where it has one, such as `momentum_buffer`.
    pub name: &'static str,
    /// In the order and of the shapes of the parameters.
    pub values: Vec<Vector<f32, D>>,
}

impl<D: Device<f32>> Slot<D> {
    /// Puts saved values back: `saved` gives those of an index under a slot's name.
    pub(crate) fn restore<F: From<Error>>(
        &mut self,
        saved: &mut impl FnMut(&'static str, usize) -> Result<Vec<f32>, F>,
    ) -> Result<(), F> {
        for (index, value) in self.values.iter_mut().enumerate() {
            let found = saved(self.name, index)?;
            let what = || format!("saved values of {} {index}", self.name);
            check_len(what, found.len(), value.shape().0)?;
            value.copy_from(&found);
        }
        Ok(())
    }
}
