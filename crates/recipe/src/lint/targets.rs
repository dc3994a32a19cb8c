//! Rules on the training targets: smoothing and mixing.

use super::case::Hit;
use super::{LooksAt, Rule, Severity};
use crate::tricks::{LabelSmoothing, Trick};

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

fn mixes(trick: &Trick) -> Option<()> {
    matches!(trick, Trick::MixUp(_) | Trick::CutMix(_)).then_some(())
}
