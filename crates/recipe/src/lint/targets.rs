//! Rules on the training targets and the loss: smoothing, mixing, teachers.

use trickbag_losses::Reduction;
use trickbag_optim::Optimizer;

use super::case::{Case, Hit};
use super::{LooksAt, Rule, Severity};
use crate::plan::Loss;
use crate::tricks::{LabelSmoothing, Slot, Trick};

pub(super) const STRONG_SMOOTHING: Rule = Rule {
    code: "TB401",
    name: "strong-smoothing",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "`LabelSmoothing` above 0.3",
    why: "published trainings smooth by 0.1, the strongest by 0.2; more takes away what tells \
          classes apart",
    source: "Szegedy et al. 2016 (arXiv 1512.00567), 7; Mueller et al. 2019 (arXiv 1906.02629)",
    fix: "write `LabelSmoothing(0.1)`",
    check: |case| {
        let (eps, at) = case.trick(|trick| match trick {
            Trick::LabelSmoothing(LabelSmoothing(eps)) => Some(*eps),
            _ => None,
        })?;
        let message = format!("{eps} of each target is spread over all classes");
        (eps > 0.3).then(|| Hit::new(at, message))
    },
};

pub(super) const ODD_BATCH: Rule = Rule {
    code: "TB402",
    name: "odd-batch-to-mix",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "`MixUp` or `CutMix` with an odd batch",
    why: "an image's partner is its mirror in the batch, so the one in the middle is mixed with \
          itself",
    source: "timm, issue 1304",
    fix: "use an even batch",
    check: |case| {
        let (_, at) = case.trick(mixes)?;
        let batch = case.plan.batch_size;
        let message = format!("one of {batch} images is its own partner");
        (batch % 2 == 1).then(|| Hit::new(at, message))
    },
};

pub(super) const SHORT_MIXING: Rule = Rule {
    code: "TB403",
    name: "short-training-to-mix",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "`MixUp` or `CutMix` in a training of fewer than 30 epochs",
    why: "mixed images are harder to learn; what they give comes with long trainings, and short \
          ones lose by them",
    source: "Bag of Tricks (arXiv 1812.01187), 5.4 and 5.5: 200 instead of 120 epochs for mixup",
    fix: "train longer, or leave the mixing out",
    check: |case| {
        let (_, at) = case.trick(mixes)?;
        let epochs = case.plan.epochs;
        let message = format!("mixed images in only {epochs} epochs");
        (epochs < 30).then(|| Hit::new(at, message))
    },
};

pub(super) const SMOOTHED_TWICE: Rule = Rule {
    code: "TB404",
    name: "smoothing-with-distillation",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "`LabelSmoothing` together with `Distillation`",
    why: "a teacher's answers are smoothed labels that know which classes are alike; even smoothing on \
          top takes some of that away",
    source: "Yuan et al. 2020 (arXiv 1909.11723), 3: distillation as learned smoothing; Mueller et al. \
             2019 (arXiv 1906.02629), 4",
    fix: "remove `LabelSmoothing`, or compare both",
    check: |case| {
        let at = case.writer(Slot::Targets)?;
        let smoothing = case.plan.targets.label_smoothing;
        let message = format!("targets are smoothed by {smoothing} and by a teacher");
        let taught = matches!(case.plan.loss, Loss::Taught { .. });
        (taught && smoothing > 0.0).then(|| Hit::new(at, message))
    },
};

pub(super) const UNMIXED_QUESTIONS: Rule = Rule {
    code: "TB405",
    name: "binary-cross-entropy-without-mixing",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "`BinaryCrossEntropy` without `MixUp` or `CutMix`",
    why: "it is there for images that show two classes at once; with one class each, the cross entropy \
          asks the same and is what rates are tuned for",
    source: "Wightman et al. 2021 (arXiv 2110.00476), 3.1",
    fix: "add `MixUp` or `CutMix`, or remove the line",
    check: |case| {
        let (_, at) = binary(case)?;
        let message = "a question for each class, and one class in each image".to_owned();
        case.trick(mixes).is_none().then(|| Hit::new(at, message))
    },
};

pub(super) const FAINT_GRADIENTS: Rule = Rule {
    code: "TB406",
    name: "mean-over-classes-with-sgd",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "`BinaryCrossEntropy` as the mean over 100 classes or more, with SGD",
    why: "gradients are then smaller by the number of classes, and SGD's steps with them; optimisers \
          that divide by the size of gradients do not mind",
    source: "Wightman et al. 2021 (arXiv 2110.00476), table 2: with LAMB; Composer's \
             `binary_cross_entropy_with_logits` takes the sum for this reason",
    fix: "write `BinaryCrossEntropy(reduction: SumClasses)`, or use `Lamb` or `AdamW`",
    check: |case| {
        let (reduction, at) = binary(case)?;
        let classes = case.plan.network.classes();
        let message = format!("gradients are divided by {classes} classes");
        let sgd = matches!(case.recipe.optimizer, Optimizer::Sgd(_));
        (reduction == Reduction::Mean && sgd && classes >= 100).then(|| Hit::new(at, message))
    },
};

/// How the binary cross entropies of the classes are put together, and where the recipe says so.
fn binary(case: &Case<'_>) -> Option<(Reduction, String)> {
    match case.plan.loss {
        Loss::EachClass(settings) => Some((settings.reduction, case.writer(Slot::Loss)?)),
        _ => None,
    }
}

fn mixes(trick: &Trick) -> Option<()> {
    matches!(trick, Trick::MixUp(_) | Trick::CutMix(_)).then_some(())
}
