//! Rules on the learning rate: its height, its rise and its fall.

use trickbag_optim::{Optimizer, Sgd};
use trickbag_schedules::Clock;

use super::case::{Case, Hit};
use super::{LooksAt, Rule, Severity};
use crate::number::short;
use crate::tricks::{MultiStep, Slot, StepDecay, Trick};

pub(super) const OFF_BATCH: Rule = Rule {
    code: "TB101",
    name: "rate-off-batch",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "SGD whose highest learning rate is less than 0.3 times or more than 4 times what \
            linear scaling expects; with `InitFrom` only more. `SqrtScaling` and a momentum that moves \
            are left alone",
    why: "the published rates follow the batch: 0.1 for 256 images with momentum 0.9, in \
          proportion to the batch and to 1 - momentum",
    source: "Goyal et al. 2017 (arXiv 1706.02677), 2.1; Smith et al. 2018 (arXiv 1711.00489) for \
             the momentum",
    fix: "add `LinearScaling(base_batch: ...)` with the batch that `lr` was chosen for; if it is \
          there, see that `lr` is the rate before scaling",
    check: off_batch,
};

fn off_batch(case: &Case<'_>) -> Option<Hit> {
    /// CIFAR's usual 0.1 for 128 images is twice the expected rate, the airbench trainings are at
    /// 2.5 times; 0.1 for 1024 is a quarter. The thousandth is for rounding.
    const SOUND: std::ops::RangeInclusive<f64> = 0.3..=4.001;
    let Optimizer::Sgd(Sgd { momentum: momentum @ 0.8.., .. }) = case.recipe.optimizer else {
        return None;
    };
    let scaled_otherwise = case.trick(|trick| matches!(trick, Trick::SqrtScaling(_)).then_some(()));
    if scaled_otherwise.is_some() || case.plan.momentum.is_some() {
        return None;
    }
    let (batch, peak, base) = (case.plan.batch_size, case.peak(), 1.0 - momentum);
    let expected = base * batch as f64 / 256.0;
    let message = format!(
        "the learning rate reaches {} with {batch} images; linear scaling expects {} * {batch}/256 = {}",
        short(peak),
        short(base),
        short(expected)
    );
    let ratio = peak / expected;
    // Fine-tuning has small rates.
    let off = !SOUND.contains(&ratio) && (case.plan.init_from.is_none() || ratio > 1.0);
    off.then(|| Hit::new("optimizer.lr", message))
}

pub(super) const NO_WARMUP: Rule = Rule {
    code: "TB102",
    name: "no-warmup",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "a batch of 1024 images or more whose first update has more than half of the highest \
            learning rate",
    why: "in the first updates the network changes fast, and the high rate of a large batch makes \
          them diverge or stall",
    source: "Goyal et al. 2017 (arXiv 1706.02677), 2.2; Bag of Tricks (arXiv 1812.01187), 3.1",
    fix: "add `Warmup(epochs: 5)`",
    check: |case| {
        let (batch, first, peak) =
            (case.plan.batch_size, case.plan.learning_rate.at(0), case.peak());
        let (first_text, peak_text) = (short(first), short(peak));
        let message = format!(
            "{batch} images in a batch, and the first update has {first_text} of {peak_text}"
        );
        (batch >= 1024 && first > 0.5 * peak).then(|| Hit::new("batch_size", message))
    },
};

pub(super) const LONG_WARMUP: Rule = Rule {
    code: "TB103",
    name: "long-warmup",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "a warmup of more than a third of the training",
    why: "little is left of the training at rates that train; published warmups are 5 of 90 to 120 \
          epochs",
    source: "Goyal et al. 2017 (arXiv 1706.02677), 2.2; Bag of Tricks (arXiv 1812.01187), 3.1",
    fix: "shorten the warmup",
    check: |case| {
        let (warmup, at) = case.trick(|trick| match trick {
            Trick::Warmup(warmup) => Some(warmup),
            _ => None,
        })?;
        let (duration, field) = warmup.duration().ok()?;
        let steps = duration.resolve(&clock(case)).ok()?;
        let total = case.plan.total_steps;
        let message = format!("the warmup takes {steps} of {total} updates");
        (3 * steps > total).then(|| Hit::new(format!("{at}.{field}"), message))
    },
};

pub(super) const NEVER_FALLS: Rule = Rule {
    code: "TB104",
    name: "rate-never-falls",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "a learning rate whose last value is more than half of its highest",
    why: "most of the accuracy comes with the fall of the rate: with a high one the weights keep \
          jumping around a minimum",
    source: "Bag of Tricks (arXiv 1812.01187), 5.1 and figure 3; He et al. 2015 (arXiv \
             1512.03385), 3.4",
    fix: "add `CosineAnnealing`; if there is a decay, let it begin within the training",
    check: |case| {
        let (last, peak) = (case.plan.learning_rate.at(case.plan.total_steps - 1), case.peak());
        let message = format!("the last update still has {} of {}", short(last), short(peak));
        (last > 0.5 * peak).then(|| Hit::new("optimizer.lr", message))
    },
};

pub(super) const LATE_DROP: Rule = Rule {
    code: "TB105",
    name: "late-drop",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "a `StepDecay` or `MultiStep` whose last drop leaves an epoch or less, in a training of 10 \
            epochs or more",
    why: "a drop pays off over some epochs at the lower rate; one at the end is a slip in counting",
    source: "He et al. 2015 (arXiv 1512.03385), 3.4; Bag of Tricks (arXiv 1812.01187), figure 3",
    fix: "drop earlier, or train until the next drop would come",
    check: |case| {
        let (drop, at) = last_drop(case)?;
        let (total, epoch) = (case.plan.total_steps, case.plan.steps_per_epoch);
        let left = total.saturating_sub(drop);
        let message = format!("the last drop leaves {left} of {total} updates");
        (left <= epoch && case.plan.epochs >= 10).then(|| Hit::new(at, message))
    },
};

/// The update of the last drop, and the setting that says so. A `MultiStep` may name one after the
/// end.
fn last_drop(case: &Case<'_>) -> Option<(u64, String)> {
    let clock = clock(case);
    let ((drop, field), at) = case.trick(|trick| match trick {
        Trick::StepDecay(StepDecay { every, .. }) => {
            let every = every.resolve(&clock).ok()?;
            let drops = (clock.total_steps - 1) / every;
            (drops > 0).then_some((drops * every, "every"))
        }
        Trick::MultiStep(MultiStep { at, .. }) => Some((at.last()?.resolve(&clock).ok()?, "at")),
        _ => None,
    })?;
    Some((drop, format!("{at}.{field}")))
}

pub(super) const EARLY_END: Rule = Rule {
    code: "TB106",
    name: "early-end",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "a learning rate that is below a thousandth of its highest value halfway through the \
            training",
    why: "the second half trains nothing; often the time between two drops is counted in updates \
          where epochs were meant",
    source: "PyTorch Lightning, issues 11599 and 19774",
    fix: "drop less often: `StepDecay(every: Epochs(30), factor: 0.1)` for 90 epochs",
    check: |case| {
        let half = case.plan.total_steps / 2;
        let (rate, peak) = (case.plan.learning_rate.at(half), case.peak());
        let message = format!(
            "update {half} of {} has {} of {}",
            case.plan.total_steps,
            short(rate),
            short(peak)
        );
        let at = case.writer(Slot::Decay).unwrap_or("optimizer.lr".to_owned());
        (rate < 1e-3 * peak).then(|| Hit::new(at, message))
    },
};

fn clock(case: &Case<'_>) -> Clock {
    let (steps_per_epoch, total_steps) = (case.plan.steps_per_epoch, case.plan.total_steps);
    Clock { steps_per_epoch, total_steps }
}
