//! The number format that computes.

use serde::{Deserialize, Serialize};
use trickbag_precision::Policy;

use super::{Card, Effect, Slot};
use crate::plan::Draft;
use crate::problem::Fault;

const IN_F16: &str = "activations and their gradients in 16 bits of small range, with a scaled loss; \
                      parameters, statistics, losses and sums in F32";
const IN_BF16: &str = "activations and their gradients in 16 bits with the range of F32; \
                       parameters, statistics, losses and sums in F32";

/// Computes in another number format: `Precision(Bf16)` or `Precision(F16)`.
///
/// The format is that of activations and their gradients, and of the copy of the parameters that
/// meets them. Parameters, optimiser state, batch-norm statistics and losses are f32 always, and
/// sums are taken in f32. `Bf16` has the range of f32, so it needs no loss scaling; `F16` has more
/// digits and less range, and its loss is scaled, dynamically unless [`LossScaling`](super::LossScaling)
/// says otherwise. Both train on the CPU, and `F16` on CUDA.
///
/// Source: Kalamkar et al. 2019 (arXiv 1905.12322) for `Bf16`; Micikevicius et al. 2018 (arXiv
/// 1710.03740) for `F16` and the f32 copy of the parameters; Bag of Tricks (arXiv 1812.01187), section 3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precision(pub Policy);

pub(super) const CARD: Card = Card {
    name: "Precision",
    slot: Slot::NumberFormat,
    source: "Micikevicius et al. 2018; Kalamkar et al. 2019; Bag of Tricks, 3.2",
    line: "Precision(Bf16)",
    what: "Computes activations and their gradients in 16 bits, which take half the memory and, on \
           processors with instructions for them, less time. Parameters, optimiser state, \
           statistics and losses stay in f32, since small updates would be rounded away.",
    convention: "Sums are taken in f32. `Bf16` has the range of f32, so it needs no loss scaling. `F16` \
                 does: the loss is scaled dynamically unless `LossScaling` says otherwise, and \
                 gradients are unscaled in f32 before they are clipped.",
    measured: "Accuracy, ResNet-50 on ImageNet in FP16, about: 76.03 to 76.21 at batch 1024 (Bag \
               of Tricks, 3.2); recipes/mnist.ron, seeds 1 to 3: 98.53 +- 0.07 % in F32, 98.58 \
               +- 0.23 % in Bf16, 98.60 +- 0.20 % in F16; 5 epochs of \
               recipes/cifar10-resnet20.ron, seeds 1 to 3: 73.6 +- 1.5, 73.7 +- 1.1 and 73.9 \
               +- 1.1 % (Trickbag). Speed, in Bf16: a step of ResNet-20 77.5 to 59.0 ms and of \
               ResNet-18 318 to 224 ms on two cores with AVX512-BF16, 136 to 69 ms and 559 to \
               245 ms on two with AMX (Trickbag, docs/speed.md).",
    hurts: "Where the processor has no instructions for bf16, and always in F16, the same work is \
            done in f32 with roundings between: no faster. Bf16 keeps eight binary digits; a \
            network that depends on small differences trains worse.",
    changes: &["precision"],
};

impl Effect for Precision {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        draft.precision = self.0;
        match self.0 {
            Policy::F32 => Ok("F32".to_owned()),
            Policy::Bf16 => Ok(IN_BF16.to_owned()),
            Policy::F16 => Ok(IN_F16.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    #[test]
    fn formats_are_planned() {
        assert_eq!(check(&Precision(Policy::F32), Ok("F32")).precision, Policy::F32);
        assert_eq!(check(&Precision(Policy::Bf16), Ok(IN_BF16)).precision, Policy::Bf16);
        assert_eq!(check(&Precision(Policy::F16), Ok(IN_F16)).precision, Policy::F16);
    }
}
