//! Averages of the parameters over the training: exponential (EMA) and plain (SWA).

use dfdx::prelude::*;
use serde::{Deserialize, Serialize};
use trickbag_ops::Vector;

use crate::range::{at_least_one, positive, share};
use crate::vectors::{check_like, lerp, zeros_like};
use crate::{Error, Slot};

/// Which average of the parameters is kept beside them.
///
/// Convention: parameters are averaged, batch-norm statistics are *copied* from the network at the
/// moment of averaging. With an EMA both change slowly enough for that; after SWA, statistics fit
/// the averaged weights better when they are computed again with them (PyTorch's `update_bn`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum WeightAverage {
    /// Recent parameters weigh more.
    Ema(Ema),
    /// All weigh the same.
    Swa(Swa),
}

/// Exponential moving average: `average += (1 - decay) * (parameter - average)` (Polyak and Juditsky
/// 1992; timm's `ModelEmaV3`).
///
/// Convention: the first average is the parameters themselves, as timm has it when it is told the
/// step, so that initial values leave no trace.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ema {
    /// Share of the average that is kept each time, in `[0, 1)`; it remembers about
    /// `every / (1 - decay)` updates.
    pub decay: f64,
    /// Whether the decay starts smaller.
    #[serde(default)]
    pub warmup: DecayWarmup,
    /// Updates from one averaging to the next; at least 1. The decay is that of one averaging, not
    /// of one update.
    #[serde(default = "one")]
    pub every: u64,
}

/// How the decay of an [`Ema`] begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum DecayWarmup {
    /// With its full value.
    #[default]
    Off,
    /// Averaging `n`, counted from 0, has at most the decay `1 - (1 + n)^-power` (timm's
    /// `use_warmup`, with gamma 1). 2/3 reaches 0.999 after 31600 averagings, 3/4 after 10000.
    Power(f64),
}

/// Stochastic weight averaging (Izmailov et al., arXiv 1803.05407; PyTorch's `AveragedModel`):
/// `average += (parameter - average) / (n + 1)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swa {
    /// Updates before the averaging begins: the first average is taken `every` updates later.
    pub from: u64,
    /// Updates from one averaging to the next; at least 1, usually those of an epoch.
    pub every: u64,
}

/// An average at work: it follows a training, update by update.
///
/// ```
/// use dfdx::prelude::*;
/// use trickbag_optim::{Average, Swa, WeightAverage};
///
/// let dev = Cpu::default();
/// let swa = WeightAverage::Swa(Swa { from: 1, every: 1 });
/// let mut parameters = vec![dev.tensor_from_vec(vec![8.0], (1,))];
/// let mut average = Average::new(swa, &parameters, &[])?;
/// for value in [4.0, 2.0, 1.0] {
///     parameters[0].copy_from(&[value]); // an update
///     average.update(&parameters, &[])?;
/// }
/// assert_eq!(average.values().unwrap().parameters[0].as_vec(), [1.5]);
/// # Ok::<(), trickbag_optim::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Average<D: Device<f32>> {
    settings: WeightAverage,
    updates: u64,
    /// The parameters, then the statistics.
    slots: [Slot<D>; 2],
}

/// What an [`Average`] has come to.
#[derive(Debug, Clone, Copy)]
pub struct Averaged<'a, D: Device<f32>> {
    /// The averaged parameters.
    pub parameters: &'a [Vector<f32, D>],
    /// The batch-norm statistics that were copied with them.
    pub statistics: &'a [Vector<f32, D>],
}

impl WeightAverage {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the first setting out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Ema(Ema { decay, warmup, every }) => {
                share("decay", *decay)?;
                if let DecayWarmup::Power(power) = warmup {
                    positive("warmup", *power)?;
                }
                at_least_one("every", *every)
            }
            Self::Swa(Swa { every, .. }) => at_least_one("every", *every),
        }
    }

    /// How many averages the first `updates` updates have.
    fn taken(&self, updates: u64) -> u64 {
        match self {
            Self::Ema(ema) => updates / ema.every,
            Self::Swa(swa) => updates.saturating_sub(swa.from) / swa.every,
        }
    }

    /// How far averaging `n` (from 0) goes towards the parameters.
    fn weight(&self, n: u64) -> f64 {
        match self {
            Self::Ema(Ema { decay, warmup: DecayWarmup::Off, .. }) => 1.0 - decay,
            Self::Ema(Ema { decay, warmup: DecayWarmup::Power(power), .. }) => {
                (1.0 - decay).max((1.0 + n as f64).powf(-power))
            }
            Self::Swa(_) => 1.0 / (n as f64 + 1.0),
        }
    }
}

impl<D: Device<f32>> Average<D> {
    /// An average of nothing so far, for parameters and statistics of these lengths.
    ///
    /// # Errors
    ///
    /// Those of [`WeightAverage::validate`], and [`Error::Ops`] where the device has no room.
    pub fn new(
        settings: WeightAverage,
        parameters: &[Vector<f32, D>],
        statistics: &[Vector<f32, D>],
    ) -> Result<Self, Error> {
        settings.validate()?;
        let parameters = Slot { name: "average", values: zeros_like(parameters)? };
        let statistics = Slot { name: "average_statistics", values: zeros_like(statistics)? };
        Ok(Self { settings, updates: 0, slots: [parameters, statistics] })
    }

    /// Takes note of an update of the parameters, and averages where it is time to.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] for lists that do not belong to the average; [`Error::Ops`] for a failing
    /// device.
    pub fn update(
        &mut self,
        parameters: &[Vector<f32, D>],
        statistics: &[Vector<f32, D>],
    ) -> Result<(), Error> {
        let [averages, copies] = &mut self.slots;
        check_like("averaged parameters", &averages.values, parameters)?;
        check_like("averaged statistics", &copies.values, statistics)?;
        let before = self.settings.taken(self.updates);
        self.updates += 1;
        if self.settings.taken(self.updates) == before {
            return Ok(());
        }
        copies.values.clone_from_slice(statistics);
        if before == 0 {
            averages.values.clone_from_slice(parameters);
            return Ok(());
        }
        let weight = self.settings.weight(before);
        let mut each = averages.values.iter_mut().zip(parameters);
        each.try_for_each(|(average, parameter)| lerp(average, parameter, weight))
    }

    /// The average so far; `None` before the first averaging.
    pub fn values(&self) -> Option<Averaged<'_, D>> {
        let [averages, copies] = &self.slots;
        let begun = self.settings.taken(self.updates) > 0;
        begun.then_some(Averaged { parameters: &averages.values, statistics: &copies.values })
    }

    /// Whether the copied statistics suit the averaged parameters: those of an EMA do; for a plain
    /// average they are to be computed again with them (PyTorch's `update_bn`).
    pub fn statistics_fit(&self) -> bool {
        matches!(self.settings, WeightAverage::Ema(_))
    }

    /// Updates seen so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// What to save, together with [`updates`](Self::updates): first the parameters, `average`, then
    /// the statistics, `average_statistics`, whose values are one for each vector that
    /// [`new`](Self::new) was given.
    pub fn slots(&self) -> &[Slot<D>] {
        &self.slots
    }

    /// Puts saved values back: for each slot, by its name, the values of each index.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] where `saved` has not exactly the values that are needed, and whatever
    /// `saved` returns.
    pub fn restore<F: From<Error>>(
        &mut self,
        updates: u64,
        mut saved: impl FnMut(&'static str, usize) -> Result<Vec<f32>, F>,
    ) -> Result<(), F> {
        for slot in &mut self.slots {
            slot.restore(&mut saved)?;
        }
        self.updates = updates;
        Ok(())
    }
}

fn one() -> u64 {
    1
}
