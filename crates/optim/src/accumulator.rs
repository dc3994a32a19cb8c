//! Gradient accumulation: the mean of the gradients of several micro-batches.

use dfdx::prelude::*;
use trickbag_ops::Vector;

use crate::Error;
use crate::range::at_least_one;
use crate::vectors::{check_like, lerp};

/// Gathers the gradients of the micro-batches of one update.
///
/// Convention: the result is the mean over all *samples* of the update, also where the last
/// micro-batch, or the last window of an epoch, is short. Dividing by the number of micro-batches
/// that were planned is the classic slip. Gradients come unscaled, each the mean over its
/// micro-batch. Clipping comes afterwards, once.
///
/// ```
/// use dfdx::prelude::*;
/// use trickbag_optim::Accumulator;
///
/// let dev = Cpu::default();
/// let mut window = Accumulator::default();
/// window.add(vec![dev.tensor_from_vec(vec![1.0], (1,))], 3)?;
/// window.add(vec![dev.tensor_from_vec(vec![5.0], (1,))], 1)?;
/// assert_eq!(window.take()[0].as_vec(), [2.0]); // (3 * 1 + 1 * 5) / 4
/// assert_eq!(window.samples(), 0);
/// # Ok::<(), trickbag_optim::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Accumulator<D: Device<f32>> {
    samples: u64,
    mean: Vec<Vector<f32, D>>,
}

impl<D: Device<f32>> Default for Accumulator<D> {
    fn default() -> Self {
        Self { samples: 0, mean: vec![] }
    }
}

impl<D: Device<f32>> Accumulator<D> {
    /// Adds the mean gradients of a micro-batch of so many samples.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for no samples, [`Error::Mismatch`] for gradients of other parameters than
    /// those before, [`Error::Ops`] for a failing device.
    pub fn add(&mut self, gradients: Vec<Vector<f32, D>>, samples: u64) -> Result<(), Error> {
        at_least_one("samples", samples)?;
        if self.samples == 0 {
            self.mean = gradients;
        } else {
            check_like("gradients", &gradients, &self.mean)?;
            let weight = samples as f64 / (self.samples + samples) as f64;
            for (mean, gradient) in self.mean.iter_mut().zip(&gradients) {
                lerp(mean, gradient, weight)?;
            }
        }
        self.samples += samples;
        Ok(())
    }

    /// Samples since the last [`take`](Self::take).
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// The mean gradients over all samples since the last time, and begins anew; nothing where
    /// there were none. Also what a loss scaler's overflow calls for: the window is lost.
    pub fn take(&mut self) -> Vec<Vector<f32, D>> {
        self.samples = 0;
        std::mem::take(&mut self.mean)
    }
}
