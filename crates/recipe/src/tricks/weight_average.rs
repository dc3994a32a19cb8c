//! An average of the parameters, which is what is evaluated and kept.

use serde::{Deserialize, Serialize};
use trickbag_optim::{DecayWarmup, WeightAverage as Average};
use trickbag_schedules::Duration;

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Follows the parameters with an average; it is the average that is evaluated and kept:
/// `WeightAverage(Ema(decay: 0.999))`, or `WeightAverage(Swa(from: Fraction(0.75), every: Epochs(1)))`.
///
/// Source: Polyak and Juditsky 1992 for `Ema`; Izmailov et al. 2018 (arXiv 1803.05407) for `Swa`.
///
/// Convention: parameters are averaged. Batch-norm statistics are copied with an EMA (timm), and
/// computed again with the averaged parameters, over the images of an epoch, with SWA (PyTorch's
/// `update_bn`). Before the first averaging the network itself is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum WeightAverage {
    /// Recent parameters weigh more.
    Ema(Ema),
    /// All weigh the same.
    Swa(Swa),
}

/// An exponential moving average; see [`trickbag_optim::Ema`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ema {
    /// Share of the average that each averaging keeps, from 0 up to, but not including, 1.
    pub decay: f64,
    /// Whether the decay starts smaller.
    #[serde(default)]
    pub warmup: DecayWarmup,
    /// Time from one averaging to the next; each update when left out.
    #[serde(default = "each_update")]
    pub every: Duration,
}

/// A plain average of the parameters at the end of a training; see [`trickbag_optim::Swa`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swa {
    /// When it begins; the first parameters are taken `every` later.
    pub from: Duration,
    /// Time from one averaging to the next.
    pub every: Duration,
}

pub(super) const CARD: Card = Card {
    name: "WeightAverage",
    slot: Slot::Averaging,
    source: "Polyak and Juditsky 1992; Izmailov et al. 2018",
    line: "WeightAverage(Ema(decay: 0.999))",
    what: "Evaluates and keeps an average of the parameters over the training instead of the last \
           ones. The last updates jump about a minimum; their average lies nearer to it.",
    convention: "Parameters are averaged. Batch-norm statistics are copied with an EMA (timm) and \
                 computed again over an epoch's images with SWA (PyTorch's update_bn). The first \
                 average is the parameters themselves, so that initial values leave no trace.",
    measured: "torchvision's ladder, ResNet-50: 80.196 to 80.450 % with an EMA every 32 updates \
               whose decay, 0.99998 on its command line, comes to 0.99891. Not measured by Trickbag.",
    hurts: "A decay that remembers more updates, every / (1 - decay), than the training has evaluates \
            a network of long ago. An SWA that begins before the rate is low averages across valleys.",
    changes: &["average"],
};

impl Effect for WeightAverage {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let (average, words) = match *self {
            Self::Ema(Ema { decay, warmup, every }) => {
                let every = draft.steps(every, "every")?;
                let words = format!("decay {decay} every {every} steps");
                (Average::Ema(trickbag_optim::Ema { decay, warmup, every }), words)
            }
            Self::Swa(Swa { from, every }) => {
                let every = draft.steps(every, "every")?;
                let from = from.resolve(&draft.clock);
                let from = from.map_err(|error| Problem::Schedule(error).at("from"))?;
                let total = draft.clock.total_steps;
                if from + every > total {
                    let phase = "time up to the first averaging";
                    return Err(Problem::TooLong { phase, steps: from + every, total }.at("from"));
                }
                let words = format!("the mean of every {every} steps from step {from} on");
                (Average::Swa(trickbag_optim::Swa { from, every }), words)
            }
        };
        average.validate().map_err(|error| Problem::Optimizer(error).at(""))?;
        draft.average = Some(average);
        Ok(words)
    }
}

fn each_update() -> Duration {
    Duration::Steps(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    const EMA: Ema = Ema { decay: 0.9, warmup: DecayWarmup::Off, every: Duration::Steps(1) };
    const SWA: Swa = Swa { from: Duration::Fraction(0.5), every: Duration::Epochs(1.0) };

    #[test]
    fn durations_become_updates() {
        let draft = check(&WeightAverage::Ema(EMA), Ok("decay 0.9 every 1 steps"));
        let (decay, warmup) = (0.9, DecayWarmup::Off);
        let ema = trickbag_optim::Ema { decay, warmup, every: 1 };
        assert_eq!(draft.average, Some(Average::Ema(ema)));
        let words = "the mean of every 10 steps from step 50 on";
        let draft = check(&WeightAverage::Swa(SWA), Ok(words));
        let swa = trickbag_optim::Swa { from: 50, every: 10 };
        assert_eq!(draft.average, Some(Average::Swa(swa)));
    }

    #[test]
    fn impossible_averages_are_refused() {
        let refused = "`decay` is 1, expected a number from 0 up to, but not including, 1";
        check(&WeightAverage::Ema(Ema { decay: 1.0, ..EMA }), Err(("", refused)));
        let refused = "`every` comes to 0 steps";
        let every = Duration::Steps(0);
        check(&WeightAverage::Ema(Ema { every, ..EMA }), Err(("every", refused)));
        let refused = "the time up to the first averaging takes 110 steps, but the whole training \
                       has only 100";
        let late = Swa { from: Duration::Fraction(1.0), ..SWA };
        check(&WeightAverage::Swa(late), Err(("from", refused)));
    }
}
