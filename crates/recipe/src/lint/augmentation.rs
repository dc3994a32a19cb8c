//! Rules on the random changes of training images.

use trickbag_data::{Augment, Source};

use super::case::{Case, Hit};
use super::{LooksAt, Rule, Severity};
use crate::number::grouped;
use crate::tricks::{TestTimeAugmentation, Trick};

pub(super) const NONE: Rule = Rule {
    code: "TB501",
    name: "no-augmentation",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "30 epochs or more without any random change of the images",
    why: "the network learns the training images by heart; crops and flips are worth several \
          points",
    source: "Krizhevsky et al. 2012 (NIPS), 4.1; He et al. 2015 (arXiv 1512.03385), 4.2",
    fix: "write `augment: [PadCrop(4), HorizontalFlip]`, or `[RandomResizedCrop, HorizontalFlip]` \
          for photographs",
    check: |case| {
        let epochs = case.plan.epochs;
        let message = format!("{epochs} epochs show the very same images");
        let mixed = case.plan.mixing != trickbag_losses::Mixing::default();
        (case.plan.augment.is_empty() && !mixed && epochs >= 30)
            .then(|| Hit::new("augment", message))
    },
};

pub(super) const MIRRORED_DIGITS: Rule = Rule {
    code: "TB502",
    name: "mirrored-digits",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "flips of `Mnist10k`, in training or in evaluation",
    why: "a mirrored 2 is no 2: the label does not survive the change",
    source: "Shorten and Khoshgoftaar 2019 (Journal of Big Data 6:60), on safe changes",
    fix: "remove the flip",
    check: |case| {
        let trained = case.augment(|augment| is_flip(augment).then_some(augment.name()));
        let (name, at) = trained.or_else(|| case.trick(mirrored_view))?;
        let message = format!("`{name}` mirrors digits");
        (case.plan.data == Source::Mnist10k).then(|| Hit::new(at, message))
    },
};

pub(super) const TWO_FLIPS: Rule = Rule {
    code: "TB503",
    name: "two-flips",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "more than one of `HorizontalFlip` and `AlternatingFlip`",
    why: "a random flip after another one changes nothing, and it undoes the order of an \
          alternating one",
    source: "Jordan 2024 (arXiv 2404.00498), 3.6",
    fix: "keep one of them",
    check: |case| {
        let flips = case.plan.augment.iter().filter(|augment| is_flip(augment)).count();
        let message = format!("{flips} flips");
        (flips > 1).then(|| Hit::new("augment", message))
    },
};

pub(super) const WIDE_PADDING: Rule = Rule {
    code: "TB504",
    name: "wide-padding",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "`PadCrop` or `ReflectPadCrop` by more than a quarter of the image",
    why: "crops then show more border than image; the usual padding is an eighth",
    source: "He et al. 2015 (arXiv 1512.03385), 4.2: 4 pixels for 32",
    fix: "pad by an eighth of the image",
    check: |case| {
        let (pad, at) = case.augment(|augment| match augment {
            Augment::PadCrop(pad) | Augment::ReflectPadCrop(pad) => Some(*pad),
            _ => None,
        })?;
        let side = case.side();
        let message = format!("a crop may miss {pad} of {side} pixels on two sides");
        (4 * pad > side).then(|| Hit::new(at, message))
    },
};

pub(super) const LARGE_CUTOUT: Rule = Rule {
    code: "TB505",
    name: "large-cutout",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "`Cutout` of more than half of the image's side",
    why: "it often hides all that tells the class; the paper's best are half the side for 10 \
          classes and a quarter for 100",
    source: "DeVries and Taylor 2017 (arXiv 1708.04552), 4.2",
    fix: "write `Cutout(16)` for 32 pixels and few classes, `Cutout(8)` for many",
    check: |case| {
        let (cut, at) = case.augment(|augment| match augment {
            Augment::Cutout(side) => Some(*side),
            _ => None,
        })?;
        let side = case.side();
        let message = format!("a square of {cut} is cut out of {side} pixels");
        (2 * cut > side).then(|| Hit::new(at, message))
    },
};

pub(super) const ALWAYS_ERASED: Rule = Rule {
    code: "TB506",
    name: "always-erased",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "`RandomErasing` with a probability above 0.9",
    why: "the network then never trains on a whole image, which is all that evaluation shows; 0.1 \
          to 0.5 is usual",
    source: "Zhong et al. 2017 (arXiv 1708.04896), 4.2; torchvision's recipe has 0.1",
    fix: "write `p: 0.1`, or at most 0.5",
    check: |case| {
        let (p, at) = case.augment(|augment| match augment {
            Augment::RandomErasing(erasing) => Some(erasing.p),
            _ => None,
        })?;
        let message = format!("{} % of the images lose a rectangle", 100.0 * p);
        (p > 0.9).then(|| Hit::new(at, message))
    },
};

pub(super) const TWO_POLICIES: Rule = Rule {
    code: "TB507",
    name: "two-policies",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "more than one of `RandAugment`, `TrivialAugment`, `AutoAugment` and `AugMix`",
    why: "each was searched or tuned as the only one of its kind; their strengths add up",
    source: "Mueller and Hutter 2021 (arXiv 2103.10158); Cubuk et al. 2019 (arXiv 1909.13719)",
    fix: "keep one of them",
    check: |case| {
        let names: Vec<_> = case
            .plan
            .augment
            .iter()
            .filter(|augment| is_policy(augment))
            .map(Augment::name)
            .collect();
        let message = names.join(" and ");
        (names.len() > 1).then(|| Hit::new("augment", message))
    },
};

pub(super) const STRONG_POLICY: Rule = Rule {
    code: "TB508",
    name: "strong-policy-for-a-small-network",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "`RandAugment` with a magnitude above 14 or more than 3 operations for a network of \
            less than a million parameters",
    why: "the best strength grows with the network; a small one cannot fit such images",
    source: "Cubuk et al. 2019 (arXiv 1909.13719), 4.1 and figure 1",
    fix: "write `RandAugment(ops: 2, magnitude: 9)` or less",
    check: strong_policy,
};

fn strong_policy(case: &Case<'_>) -> Option<Hit> {
    let (policy, at) = case.augment(|augment| match augment {
        Augment::RandAugment(policy) => Some(policy),
        _ => None,
    })?;
    let parameters = case.plan.network.parameter_count();
    let message = format!(
        "{} operations of magnitude {} for {} parameters",
        policy.ops,
        policy.magnitude,
        grouped(parameters as u64)
    );
    let strong = policy.ops > 3 || (policy.ops > 0 && policy.magnitude > 14);
    (strong && parameters < 1_000_000).then(|| Hit::new(at, message))
}

pub(super) const GREY_COLORS: Rule = Rule {
    code: "TB509",
    name: "colours-of-grey-images",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "`ColorJitter` of the saturation or hue of grey images",
    why: "grey images have neither, so the settings do nothing",
    source: "torchvision, `ColorJitter`",
    fix: "set only `brightness` and `contrast`",
    check: |case| {
        let (jitter, at) = case.augment(|augment| match augment {
            Augment::ColorJitter(jitter) => Some(jitter),
            _ => None,
        })?;
        let colored = jitter.saturation > 0.0 || jitter.hue > 0.0;
        let message = "saturation and hue of grey images".to_owned();
        (colored && case.plan.facts.channels == 1).then(|| Hit::new(at, message))
    },
};

/// The trick's name where evaluation sees mirrored images.
fn mirrored_view(trick: &Trick) -> Option<&'static str> {
    let mirrors =
        matches!(trick, Trick::TestTimeAugmentation(TestTimeAugmentation { flip: true, .. }));
    mirrors.then_some(trick.card().name)
}

fn is_flip(augment: &Augment) -> bool {
    matches!(augment, Augment::HorizontalFlip | Augment::AlternatingFlip)
}

fn is_policy(augment: &Augment) -> bool {
    use Augment::{AugMix, AutoAugment, RandAugment, TrivialAugment};
    matches!(augment, AugMix(_) | AutoAugment(_) | RandAugment(_) | TrivialAugment)
}
