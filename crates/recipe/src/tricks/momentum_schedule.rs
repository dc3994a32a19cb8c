//! A momentum that moves in the course of the training.

use serde::{Deserialize, Serialize};
use trickbag_optim::Error;
use trickbag_schedules::{Duration, Schedule};

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Moves the momentum in a line from one value to another:
/// `MomentumSchedule(from: 0.85, to: 0.95, over: Epochs(2))`.
///
/// With `then: Return` it goes back to `from`, in a line that ends with the training: the other half
/// of the one-cycle policy, `MomentumSchedule(from: 0.95, to: 0.85, over: Fraction(0.3), then:
/// Return)`.
///
/// It takes the place of the optimiser's own: the `momentum` of SGD, LARS and RMSprop, the first of
/// the `betas` of AdamW and LAMB.
///
/// Source: Smith 2018 (arXiv 1803.09820), section 4.3.
///
/// Convention: per update; step t of `over`, counted from 0, has from + (to - from) * t/over.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MomentumSchedule {
    /// The momentum of the first update, at least 0 and below 1.
    pub from: f64,
    /// The momentum after `over`, at least 0 and below 1.
    pub to: f64,
    /// How long the way takes; at most the whole training.
    pub over: Duration,
    /// What it does after that.
    #[serde(default)]
    pub then: Then,
}

/// What a momentum does once it has arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Then {
    /// It stays.
    #[default]
    Stay,
    /// It goes back in a line, and has arrived when the training has ended.
    Return,
}

pub(super) const CARD: Card = Card {
    name: "MomentumSchedule",
    slot: Slot::Momentum,
    source: "Smith 2018, 4.3",
    line: "MomentumSchedule(from: 0.95, to: 0.85, over: Fraction(0.3), then: Return)",
    what: "Moves the momentum in the course of the training: up in the first epochs, while \
           gradients still turn often, or against the learning rate, so that the two together do \
           not overshoot at the peak.",
    convention: "Per update, in straight lines. PyTorch's OneCycleLR moves it against the rate between \
                 0.95 and 0.85, along cosines unless told otherwise.",
    measured: "Smith 2018 finds that a falling momentum beside a rising rate allows a higher peak, and \
               about the same accuracy as a good constant momentum. Not measured by Trickbag.",
    hurts: "With optimisers that were made without momentum, which it refuses. A momentum near 1 \
            from the first update on multiplies the steps.",
    changes: &["momentum"],
};

impl Effect for MomentumSchedule {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        for (field, momentum) in [("from", self.from), ("to", self.to)] {
            if !(0.0..1.0).contains(&momentum) {
                let expected = "a momentum of at least 0 and below 1";
                return Err(Problem::impossible(field, momentum, expected).at(field));
            }
        }
        if draft.optimizer.momentum() == 0.0 {
            let error = Error::MadeWithoutMomentum(self.from.max(self.to));
            return Err(Problem::Optimizer(error).at("").with(Some("optimizer".to_owned())));
        }
        let (steps, total) = (draft.steps(self.over, "over")?, draft.clock.total_steps);
        if steps > total {
            return Err(Problem::TooLong { phase: "way of the momentum", steps, total }.at("over"));
        }
        draft.momentum = Some(self.schedule(steps, total)?);
        let back = match self.then {
            Then::Stay => String::new(),
            Then::Return => format!(", and back in {}", total - steps),
        };
        Ok(format!("{} to {} in {steps} steps{back}", self.from, self.to))
    }
}

impl MomentumSchedule {
    fn schedule(&self, steps: u64, total: u64) -> Result<Schedule, Fault> {
        let there = Schedule::linear(self.from, self.to, steps)?;
        if self.then == Then::Stay || steps == total {
            return Ok(there);
        }
        let back = Schedule::linear(self.to, self.from, total - steps)?;
        Ok(Schedule::sequence(vec![(there, steps)], back)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::{check, check_on};

    const RISE: MomentumSchedule =
        MomentumSchedule { from: 0.5, to: 0.75, over: Duration::Epochs(2.0), then: Then::Stay };

    fn momenta(draft: &Draft) -> [f64; 4] {
        [0, 10, 20, 60].map(|step| draft.momentum.as_ref().unwrap().at(step))
    }

    #[test]
    fn the_momentum_moves_and_stays_or_returns() {
        let draft = check(&RISE, Ok("0.5 to 0.75 in 20 steps"));
        assert_eq!(momenta(&draft), [0.5, 0.625, 0.75, 0.75]);
        let cycle = MomentumSchedule { then: Then::Return, ..RISE };
        let draft = check(&cycle, Ok("0.5 to 0.75 in 20 steps, and back in 80"));
        assert_eq!(momenta(&draft), [0.5, 0.625, 0.75, 0.625]);
        let whole = MomentumSchedule { over: Duration::Fraction(1.0), ..cycle };
        check(&whole, Ok("0.5 to 0.75 in 100 steps, and back in 0"));
    }

    #[test]
    fn impossible_momenta_are_refused() {
        let refused = "`to` is 1, expected a momentum of at least 0 and below 1";
        check(&MomentumSchedule { to: 1.0, ..RISE }, Err(("to", refused)));
        let refused =
            "the way of the momentum takes 101 steps, but the whole training has only 100";
        check(&MomentumSchedule { over: Duration::Steps(101), ..RISE }, Err(("over", refused)));
    }

    #[test]
    fn an_optimiser_without_momentum_is_refused() {
        use trickbag_optim::{Optimizer, Sgd};
        let mut draft = Draft::example();
        if let Optimizer::Sgd(sgd) = draft.optimizer {
            draft.optimizer = Optimizer::Sgd(Sgd { momentum: 0.0, ..sgd });
        }
        let refused = Error::MadeWithoutMomentum(0.75).to_string();
        check_on(draft, &RISE, Err(("", &refused)));
    }
}
