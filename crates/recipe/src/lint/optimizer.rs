//! Rules on the optimiser: momentum, weight decay, and limits for gradients.

use trickbag_optim::{AdamW, Clip, Decay, Optimizer, Sgd};
use trickbag_param_groups::{Kind, Training};
use trickbag_precision::LossScaling;

use super::case::{Case, Hit};
use super::{LooksAt, Rule, Severity};
use crate::number::short;
use crate::tricks::{GradientClipping, Slot, Trick};

pub(super) const NO_MOMENTUM: Rule = Rule {
    code: "TB201",
    name: "no-momentum",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "SGD without momentum",
    why: "momentum is left out by default, and without it networks train several times slower at \
          the same rate",
    source: "Sutskever et al. 2013 (ICML), 3; Bag of Tricks (arXiv 1812.01187), 2",
    fix: "write `momentum: 0.9, nesterov: true`",
    check: |case| match case.recipe.optimizer {
        Optimizer::Sgd(Sgd { momentum: 0.0, .. }) => {
            Some(Hit::new("optimizer.momentum", "SGD has no momentum".to_owned()))
        }
        _ => None,
    },
};

pub(super) const NO_DECAY: Rule = Rule {
    code: "TB202",
    name: "no-weight-decay",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "no weight decay in a training of 10 epochs or more",
    why: "with batch norm, decay is what keeps the effective rate from falling as weights grow; \
          all published trainings of these networks have it",
    source: "He et al. 2015 (arXiv 1512.03385), 3.4; Zhang et al. 2019 (arXiv 1810.12281)",
    fix: "write `weight_decay: 1e-4`, or 5e-4 for small images",
    check: |case| {
        let (decay, epochs) = (case.recipe.optimizer.weight_decay(), case.plan.epochs);
        let message = format!("no weight decay in {epochs} epochs");
        (decay == 0.0 && epochs >= 10).then(|| Hit::new("optimizer.weight_decay", message))
    },
};

pub(super) const DECAYED_NORMS: Rule = Rule {
    code: "TB203",
    name: "decayed-norms",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "weight decay on biases, norm scales or norm shifts",
    why: "there are too few of them to overfit, and pulling a norm's scale to 0 fights the \
          training",
    source: "Bag of Tricks (arXiv 1812.01187), 3.1, after Jia et al. 2018 (arXiv 1807.11205)",
    fix: "add `NoBiasDecay` and `NoNormDecay`",
    check: decayed_norms,
};

fn decayed_norms(case: &Case<'_>) -> Option<Hit> {
    let spared = [Kind::Bias, Kind::NormScale, Kind::NormShift];
    let pairs = case.plan.network.parameters().iter().zip(case.plan.groups.rows());
    let decayed = pairs.filter(|(spec, row)| {
        let decays = row.group.weight_decay > 0.0 && row.group.training == Training::Trainable;
        decays && spared.contains(&spec.parameter.kind)
    });
    let count = decayed.count();
    let message = format!("biases, norm scales and norm shifts that decay: {count}");
    (count > 0).then(|| Hit::new("optimizer.weight_decay", message))
}

pub(super) const WEAK_DECAY: Rule = Rule {
    code: "TB204",
    name: "decay-of-sgd-in-adamw",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "AdamW with a weight decay above 0 and below 0.001",
    why: "AdamW multiplies the decay by the learning rate, not by the gradient's scale, so a value \
          that suits SGD does nothing; 0.01 to 0.1 is usual",
    source: "Loshchilov and Hutter 2019 (arXiv 1711.05101), 2 and 4.1",
    fix: "write `weight_decay: 0.05`, or leave it out for 0.01",
    check: |case| {
        let Optimizer::AdamW(AdamW { weight_decay, .. }) = case.recipe.optimizer else {
            return None;
        };
        let (peak, step) = (case.peak(), case.peak() * weight_decay);
        let message = format!(
            "a weight loses at most {} * {weight_decay} = {} of itself in an update",
            short(peak),
            short(step)
        );
        let weak = weight_decay > 0.0 && weight_decay < 1e-3;
        weak.then(|| Hit::new("optimizer.weight_decay", message))
    },
};

pub(super) const STRONG_DECAY: Rule = Rule {
    code: "TB205",
    name: "decay-of-adamw-in-sgd",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "SGD with a coupled weight decay of 0.005 or more",
    why: "the decay passes through the momentum and is that much stronger than AdamW's; 1e-4 to \
          5e-4 is usual",
    source: "He et al. 2015 (arXiv 1512.03385), 3.4; Loshchilov and Hutter 2019 (arXiv \
             1711.05101), 2",
    fix: "write `weight_decay: 5e-4`",
    check: |case| {
        let Optimizer::Sgd(Sgd { weight_decay, momentum, decay: Decay::Coupled, .. }) =
            case.recipe.optimizer
        else {
            return None;
        };
        let step = case.peak() * weight_decay / (1.0 - momentum);
        let message = format!(
            "at the highest rate a weight loses {} * {weight_decay} / {} = {} of itself in an update",
            short(case.peak()),
            short(1.0 - momentum),
            short(step)
        );
        (weight_decay >= 5e-3).then(|| Hit::new("optimizer.weight_decay", message))
    },
};

pub(super) const FAST_ADAM: Rule = Rule {
    code: "TB206",
    name: "rate-of-sgd-in-adamw",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "AdamW with a learning rate above 0.01",
    why: "Adam's updates have the size of the rate itself, whatever the gradients', so a rate that \
          suits SGD makes the first updates overwrite the weights",
    source: "Kingma and Ba 2015 (arXiv 1412.6980), 2 and 2.1",
    fix: "write `lr: 1e-3`, and let it grow with the root of the batch rather than with the batch",
    check: |case| {
        let message = format!("AdamW's learning rate reaches {}", short(case.peak()));
        let fast = matches!(case.recipe.optimizer, Optimizer::AdamW(_)) && case.peak() > 0.01;
        fast.then(|| Hit::new("optimizer.lr", message))
    },
};

pub(super) const SMALL_BATCH: Rule = Rule {
    code: "TB207",
    name: "small-batch-for-lars",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "`Lars` or `Lamb` with a batch below 1024 images",
    why: "they are made for batches of many thousands; tuned SGD and AdamW are as good below and \
          have fewer settings",
    source: "You et al. 2017 (arXiv 1708.03888); Nado et al. 2021 (arXiv 2102.06356)",
    fix: "use `Sgd` or `AdamW`",
    check: |case| {
        let batch = case.plan.batch_size;
        let adapts = matches!(case.recipe.optimizer, Optimizer::Lars(_) | Optimizer::Lamb(_));
        let message = format!("a rate for each layer with only {batch} images in a batch");
        (adapts && batch < 1024).then(|| Hit::new("optimizer", message))
    },
};

pub(super) const TIGHT_CLIP: Rule = Rule {
    code: "TB208",
    name: "tight-clip",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "`GradientClipping(Norm(limit))` with a limit below 0.1",
    why: "gradients of a classifier are mostly longer than this, so every update is cut to the \
          same length and the learning rate no longer means what it says; the limit is for \
          outliers",
    source: "Pascanu et al. 2013 (arXiv 1211.5063), 3.2: half to ten times the average norm",
    fix: "write `GradientClipping(Norm(1.0))`",
    check: |case| {
        let (limit, at) = case.trick(|trick| match trick {
            Trick::GradientClipping(GradientClipping(Clip::Norm(limit))) => Some(*limit),
            _ => None,
        })?;
        let message = format!("all gradients together may be only {limit} long");
        (limit < 0.1).then(|| Hit::new(at, message))
    },
};

pub(super) const UNSCALED: Rule = Rule {
    code: "TB213",
    name: "unscaled-half-precision",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "`Precision(F16)` with `LossScaling(Off)`",
    why: "gradients below 6e-8 become zero in F16, and those below 6e-5 lose digits; scaling the loss \
          moves them to where there is room",
    source: "Micikevicius et al. 2018 (arXiv 1710.03740), 3.2",
    fix: "remove the line, and the scale is found out; or compute in `Bf16`, which needs none",
    check: |case| {
        let at = case.writer(Slot::LossScale)?;
        let message = "the gradients of F16 are not scaled".to_owned();
        (case.plan.loss_scaling == LossScaling::Off).then(|| Hit::new(at, message))
    },
};
