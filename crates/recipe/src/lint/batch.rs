//! Rules on the batch, the number of updates, and what an epoch shows.

use super::case::Hit;
use super::{LooksAt, Rule, Severity};
use crate::tricks::{RepeatedAugmentation, Trick};

pub(super) const FEW_FOR_NORMS: Rule = Rule {
    code: "TB301",
    name: "few-images-for-batch-norm",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "a batch of fewer than 16 images",
    why: "batch norm takes its statistics from the batch: with few images they are noise, and \
          evaluation, which uses the running ones, sees another network",
    source: "Wu and He 2018 (arXiv 1803.08494), figure 1 and 4.1",
    fix: "use a batch of 32 or more",
    check: |case| {
        let batch = case.plan.batch_size;
        let message = format!("batch norm sees {batch} images at a time");
        (batch < 16).then(|| Hit::new("batch_size", message))
    },
};

pub(super) const LEFT_OUT: Rule = Rule {
    code: "TB302",
    name: "images-left-out",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "a last batch that is never trained on and holds more than a tenth of the training \
            images",
    why: "an epoch drops its last batch when it is not full; others each time, but an epoch is \
          that much shorter",
    source: "PyTorch, `DataLoader(drop_last=True)`",
    fix: "choose a batch that divides the number of images better, or a smaller one",
    check: |case| {
        let (batch, images) = (case.plan.batch_size, case.plan.facts.train_len);
        let left = images % batch;
        let message = format!("an epoch leaves out {left} of {images} training images");
        (10 * left > images).then(|| Hit::new("batch_size", message))
    },
};

pub(super) const FEW_UPDATES: Rule = Rule {
    code: "TB303",
    name: "few-updates",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "a training of fewer than 300 updates",
    why: "it is updates that train, not epochs: large batches and few epochs leave too few of them",
    source: "Hoffer et al. 2017 (arXiv 1705.08741)",
    fix: "train longer or use a smaller batch",
    check: |case| {
        let total = case.plan.total_steps;
        let message = format!("the whole training has {total} updates");
        (total < 300).then(|| Hit::new("epochs", message))
    },
};

pub(super) const FEW_PASSES: Rule = Rule {
    code: "TB304",
    name: "few-passes",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "`RepeatedAugmentation` that shows each image in fewer than 10 epochs on average",
    why: "an epoch is as long as without, so with n copies it shows only the n-th part of the \
          images",
    source: "Hoffer et al. 2020 (arXiv 1901.09335); torchvision's recipe has 4 copies and 600 \
             epochs",
    fix: "train longer, or use fewer copies",
    check: |case| {
        let (copies, at) = case.trick(copies)?;
        let passes = case.plan.epochs as f64 / copies as f64;
        let message = format!(
            "{} epochs with {copies} copies show each image in {passes:.1}",
            case.plan.epochs
        );
        (copies > 1 && passes < 10.0).then(|| Hit::new(at, message))
    },
};

pub(super) const SAME_COPIES: Rule = Rule {
    code: "TB305",
    name: "same-copies",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "`RepeatedAugmentation` without any random change of the images",
    why: "the copies of an image in a batch are then equal, and the batch is as good as one that \
          much smaller",
    source: "Hoffer et al. 2020 (arXiv 1901.09335)",
    fix: "give `augment` random changes, or remove the trick",
    check: |case| {
        let (copies, at) = case.trick(copies)?;
        let message = format!("{copies} equal copies of each image in a batch");
        (copies > 1 && case.plan.augment.is_empty()).then(|| Hit::new(at, message))
    },
};

fn copies(trick: &Trick) -> Option<usize> {
    match trick {
        Trick::RepeatedAugmentation(RepeatedAugmentation(copies)) => Some(*copies),
        _ => None,
    }
}
