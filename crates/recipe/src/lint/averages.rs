//! Rules on what goes on beside the optimiser: averages, slow weights, and gradients from elsewhere.

use trickbag_optim::{DecayWarmup, Ema, Swa, WeightAverage};

use super::case::{Case, Hit};
use super::{LooksAt, Rule, Severity};
use crate::number::{grouped, short};
use crate::tricks::Slot;

pub(super) const SLOW_AVERAGE: Rule = Rule {
    code: "TB209",
    name: "slow-average",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "an `Ema` that remembers more than a fifth of the training",
    why: "at the end the average still holds weights of long ago, and is worse than the weights \
          themselves; a decay is chosen for a length of training",
    source: "timm, issue 1182; torchvision's training reference scales the decay by batch and epochs",
    fix: "write a smaller `decay`: 1 - 10 * every / updates remembers a tenth of the training",
    check: slow_average,
};

fn slow_average(case: &Case<'_>) -> Option<Hit> {
    let Some(WeightAverage::Ema(ema)) = case.plan.average else { return None };
    let total = case.plan.total_steps;
    let memory = ema.every as f64 / (1.0 - last_decay(ema, total));
    let message =
        format!("the average remembers {} of {} updates", grouped(memory as u64), grouped(total));
    let at = case.writer(Slot::Averaging)?;
    (5.0 * memory > total as f64).then(|| Hit::new(at, message))
}

/// The decay that the average has at the end of `total` updates.
fn last_decay(Ema { decay, warmup, every }: Ema, total: u64) -> f64 {
    let averagings = (total / every) as f64;
    match warmup {
        DecayWarmup::Off => decay,
        DecayWarmup::Power(power) => decay.min(1.0 - (1.0 + averagings).powf(-power)),
    }
}

pub(super) const WIDE_CLIMB: Rule = Rule {
    code: "TB210",
    name: "sam-with-accumulation",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "`Sam` in updates of several passes",
    why: "the climb follows the gradients of the whole update, so all passes are made twice; and climbs \
          from many images gain less than those from a few, which accumulation does away with",
    source: "Foret et al. 2021 (arXiv 2010.01412), 4.1, on m-sharpness",
    fix: "use a batch that is small enough for one pass",
    check: |case| {
        let at = case.plan.sam.and_then(|_| case.writer(Slot::GradientPlace))?;
        let (batch, micro_batch) = (case.plan.batch_size, case.plan.micro_batch);
        let passes = 2 * batch.div_ceil(micro_batch);
        let message = format!("a climb from {batch} images, and {passes} passes in its update");
        (micro_batch < batch).then(|| Hit::new(at, message))
    },
};

pub(super) const EARLY_AVERAGE: Rule = Rule {
    code: "TB211",
    name: "early-average",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "a `Swa` that begins while the learning rate is above half of its highest",
    why: "weights still move from valley to valley at such rates, and the mean of two valleys is a hill",
    source: "Izmailov et al. 2018 (arXiv 1803.05407), 3.2 and 4: after three quarters of a training, at \
             half of its highest rate or less",
    fix: "begin later: `Swa(from: Fraction(0.75), every: Epochs(1))`",
    check: |case| {
        let Some(WeightAverage::Swa(Swa { from, .. })) = case.plan.average else { return None };
        let (rate, peak) = (case.plan.learning_rate.at(from), case.peak());
        let message =
            format!("the averaging begins at a rate of {} of {}", short(rate), short(peak));
        let at = case.writer(Slot::Averaging)?;
        (rate > 0.5 * peak).then(|| Hit::new(at, message))
    },
};

pub(super) const FAST_END: Rule = Rule {
    code: "TB212",
    name: "fast-weights-at-the-end",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "`Lookahead` whose `every` does not divide the number of updates, with a learning rate that \
            ends above a hundredth of its highest",
    why: "the training then ends between two synchronisations, and what is kept are the fast weights, \
          which swing more than the slow ones",
    source: "Zhang et al. 2019 (arXiv 1907.08610), figure 1",
    fix: "choose an `every` that divides the number of updates, or let the rate fall to 0",
    check: |case| {
        let (every, total) = (case.plan.lookahead?.every, case.plan.total_steps);
        let left = total % every;
        let message = format!("the last {left} of {total} updates are not synchronised");
        let ends_fast = case.plan.learning_rate.at(total - 1) > 0.01 * case.peak();
        let at = case.writer(Slot::SlowWeights)?;
        (left > 0 && ends_fast).then(|| Hit::new(at, message))
    },
};
