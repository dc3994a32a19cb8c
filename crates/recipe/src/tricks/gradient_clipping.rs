//! A limit for the gradients.

use serde::{Deserialize, Serialize};
use trickbag_optim::{Clip, Error};

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Limits the gradients of each update: `GradientClipping(Norm(1.0))`.
///
/// `Norm(limit)` limits the Euclidean norm of all gradients together, `Value(limit)` each number, and
/// `Adaptive(limit)` each unit's gradient, as a multiple of the norm of its weights; the last layer is
/// left out of it. Limits are above 0.
///
/// Source: Pascanu et al. 2013 (arXiv 1211.5063); Brock et al. 2021 (arXiv 2102.06171), section 4, for
/// `Adaptive`.
///
/// Convention: once for each update, after unscaling and accumulation, before weight decay and
/// momentum (PyTorch, timm).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GradientClipping(pub Clip);

pub(super) const CARD: Card = Card {
    name: "GradientClipping",
    slot: Slot::GradientLimit,
    source: "Pascanu et al. 2013; Brock et al. 2021, 4",
    line: "GradientClipping(Norm(1.0))",
    what: "Shortens the gradients of an update where they are too long, so that one odd batch \
           cannot throw the parameters far away. `Norm` limits all of them together, `Value` each \
           number, `Adaptive` each unit as a share of its weights.",
    convention: "Once for each update, after unscaling and accumulation, before weight decay and \
                 momentum (PyTorch, timm). To clip scaled gradients, or each micro-batch, are \
                 classic slips. `Adaptive` leaves out the last layer (Brock et al.).",
    measured: "For ResNets with batch norm none of the published recipes here has it. Brock et al. \
               2021 need `Adaptive` for large batches without batch norm. Not measured by \
               Trickbag.",
    hurts: "A limit that is reached at most steps is a smaller learning rate in disguise, whose \
            size nobody chose: with cross entropy and a new network, norms above 1 are usual. A \
            diverging rate is better cured by `Warmup`.",
    changes: &["clip"],
};

impl Effect for GradientClipping {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        self.0.validate().map_err(|error: Error| Problem::Optimizer(error).at(""))?;
        draft.clip = Some(self.0);
        Ok(match self.0 {
            Clip::Norm(limit) => format!("all gradients together at most {limit} long"),
            Clip::Value(limit) => format!("each number from -{limit} to {limit}"),
            Clip::Adaptive(limit) => format!("each unit at most {limit} times its weights"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn gradients_get_a_limit() {
        for (clip, words) in [
            (Clip::Norm(1.0), "all gradients together at most 1 long"),
            (Clip::Value(0.5), "each number from -0.5 to 0.5"),
            (Clip::Adaptive(0.02), "each unit at most 0.02 times its weights"),
        ] {
            assert_eq!(check(&GradientClipping(clip), Ok(words)).clip, Some(clip));
        }
    }

    #[test]
    fn impossible_limits_are_refused() {
        let refused = Clip::Norm(0.0).validate().unwrap_err().to_string();
        check(&GradientClipping(Clip::Norm(0.0)), Err(("", &refused)));
    }
}
