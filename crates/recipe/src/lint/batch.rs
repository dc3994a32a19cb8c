//! Rules on the batch, the number of updates, and what an epoch shows.

use super::case::Hit;
use super::{LooksAt, Rule, Severity};
use crate::tricks::{LabelNoise, RepeatedAugmentation, Slot, Subset, Trick};

pub(super) const FEW_FOR_NORMS: Rule = Rule {
    code: "TB301",
    name: "few-images-for-batch-norm",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "a pass of fewer than 16 images: the batch, or the smallest part that \
            `GradientAccumulation` makes of it",
    why: "batch norm takes its statistics from the images of a pass: with few they are noise, and \
          evaluation, which uses the running ones, sees another network",
    source: "Wu and He 2018 (arXiv 1803.08494), figure 1 and 4.1",
    fix: "use a batch of 32 or more, in passes of as many",
    check: |case| {
        let (batch, micro_batch) = (case.plan.batch_size, case.plan.micro_batch);
        let seen = match batch % micro_batch {
            0 => micro_batch,
            last => last,
        };
        let accumulation = case.writer(Slot::MicroBatch).filter(|_| seen < batch);
        let at = accumulation.map_or("batch_size".to_owned(), |at| format!("{at}.micro_batch"));
        let message = format!("batch norm sees {seen} images at a time");
        (seen < 16).then(|| Hit::new(at, message))
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
    finds: "a training of fewer than 300 updates without `InitFrom`",
    why: "it is updates that train, not epochs: large batches and few epochs leave too few of them",
    source: "Hoffer et al. 2017 (arXiv 1705.08741)",
    fix: "train longer or use a smaller batch",
    check: |case| {
        let total = case.plan.total_steps;
        let message = format!("the whole training has {total} updates");
        (total < 300 && case.plan.init_from.is_none()).then(|| Hit::new("epochs", message))
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

pub(super) const EXPERIMENT: Rule = Rule {
    code: "TB306",
    name: "experiment",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "`Subset` or `LabelNoise`",
    why: "both cost accuracy and are there to learn something else; a line is easily left behind",
    source: "Zhang et al. 2017 (arXiv 1611.03530) for wrong labels",
    fix: "remove the line when the experiment is over",
    check: |case| {
        let (effect, at) = case.trick(|trick| match trick {
            Trick::Subset(Subset(part)) => {
                Some(format!("only {} % of the images are shown", 100.0 * part.fraction))
            }
            Trick::LabelNoise(LabelNoise(noise)) => {
                Some(format!("{} % of the labels are wrong", 100.0 * noise.fraction))
            }
            _ => None,
        })?;
        Some(Hit::new(at, effect))
    },
};

fn copies(trick: &Trick) -> Option<usize> {
    match trick {
        Trick::RepeatedAugmentation(RepeatedAugmentation(copies)) => Some(*copies),
        _ => None,
    }
}
