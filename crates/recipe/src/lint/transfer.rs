//! Rules on a start from another training's values, and on what protects them.

use trickbag_optim::{Optimizer, Sgd};

use super::case::{Case, Hit};
use super::{LooksAt, Rule, Severity};
use crate::number::short;
use crate::tricks::{Slot, Trick};

pub(super) const RANDOM_PROTECTED: Rule = Rule {
    code: "TB801",
    name: "random-layers-protected",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "`Freeze` or `LayerDecay` without `InitFrom`",
    why: "they protect what a pretrained network knows; from scratch they keep layers random, or nearly so",
    source: "Yosinski et al. 2014 (arXiv 1411.1792); Bao et al. 2021 (arXiv 2106.08254)",
    fix: "add `InitFrom(...)`, or remove the line",
    check: |case| {
        let protects = |trick: &Trick| matches!(trick, Trick::Freeze(_) | Trick::LayerDecay(_));
        let (_, at) = case.trick(|trick| protects(trick).then_some(()))?;
        let message = "early layers are kept as they are, which is random".to_owned();
        case.plan.init_from.is_none().then(|| Hit::new(at, message))
    },
};

pub(super) const OVERWRITTEN_GAMMA: Rule = Rule {
    code: "TB802",
    name: "overwritten-zero-gamma",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "`ZeroGamma` together with `InitFrom`",
    why: "the loaded norm scales take the place of the zeros, so the line does nothing",
    source: "Goyal et al. 2017 (arXiv 1706.02677), 5.1: a start for training from scratch",
    fix: "remove `ZeroGamma`",
    check: |case| {
        let at = case.writer(Slot::ResidualScale)?;
        let message = "norm scales start from 0, and are then loaded".to_owned();
        case.plan.init_from.is_some().then(|| Hit::new(at, message))
    },
};

pub(super) const FORGETTING_RATE: Rule = Rule {
    code: "TB803",
    name: "rate-of-scratch-after-init",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "`InitFrom` without `Freeze`, and SGD with momentum at a rate of 0.05 or more; above 256 \
            images in proportion to the batch",
    why: "a rate for training from scratch moves the loaded values so far that they are lost in the first \
          updates; a tenth of it is usual",
    source: "Li et al. 2020 (arXiv 2002.11770); Kornblith et al. 2019 (arXiv 1805.08974)",
    fix: "write `lr: 0.01` or less, or `Freeze` what is to stay",
    check: forgetting_rate,
};

fn forgetting_rate(case: &Case<'_>) -> Option<Hit> {
    let Optimizer::Sgd(Sgd { momentum: 0.8.., .. }) = case.recipe.optimizer else { return None };
    let protected = case.plan.init_from.is_none() || case.writer(Slot::Frozen).is_some();
    let least = 0.05 * (case.plan.batch_size as f64 / 256.0).max(1.0);
    let message = format!("the loaded values are trained at a rate of {}", short(case.peak()));
    (!protected && case.peak() >= least).then(|| Hit::new("optimizer.lr", message))
}

pub(super) const LATE_UNFREEZE: Rule = Rule {
    code: "TB804",
    name: "late-unfreeze",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "`Unfreeze` that leaves less than a tenth of the training, as the sum of its learning rates",
    why: "the learning rate has fallen by then, and little is left to train the freed parameters with",
    source: "Howard and Ruder 2018 (arXiv 1801.06146), 3.3: one layer more each epoch",
    fix: "unfreeze earlier, or remove `Unfreeze` and keep the layers as they are",
    check: late_unfreeze,
};

fn late_unfreeze(case: &Case<'_>) -> Option<Hit> {
    let (step, total) = (case.plan.unfreeze.as_ref()?.step, case.plan.total_steps);
    let way = |from: u64| (from..total).map(|t| case.plan.learning_rate.at(t)).sum::<f64>();
    let share = way(step) / way(0);
    let message = format!(
        "after update {step} of {total}, {} % of all learning rates are left",
        short((100.0 * share).round())
    );
    let at = case.writer(Slot::Thawed)?;
    (share < 0.1).then(|| Hit::new(at, message))
}
