//! The number format that computes.

use serde::{Deserialize, Serialize};
use trickbag_precision::Policy;

use super::{Effect, Slot};
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// Computes in another number format; parameters, optimiser state and losses stay in f32:
/// `Precision(F32)`.
///
/// Only `F32` can be planned so far.
///
/// Source: Micikevicius et al. 2018 (arXiv 1710.03740); Bag of Tricks (arXiv 1812.01187), section
/// 3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precision(pub Policy);

impl Effect for Precision {
    fn name(&self) -> &'static str {
        "Precision"
    }

    fn slot(&self) -> Slot {
        Slot::NumberFormat
    }

    fn source(&self) -> &'static str {
        "Micikevicius et al. 2018; Bag of Tricks, 3.2"
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        match self.0 {
            Policy::F32 => draft.precision = self.0,
            Policy::Bf16 | Policy::F16 => return Err(Problem::Precision { found: self.0 }.at("")),
        }
        Ok(format!("{:?}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn only_f32_can_be_planned() {
        assert_eq!(check(&Precision(Policy::F32), Ok("F32")).precision, Policy::F32);
        let refused = "the number format Bf16 is not supported yet";
        check(&Precision(Policy::Bf16), Err(("", refused)));
        let refused = "the number format F16 is not supported yet";
        check(&Precision(Policy::F16), Err(("", refused)));
    }
}
