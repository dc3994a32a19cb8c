//! Rules on the images: their classes, sizes and statistics, and where they lie.

use trickbag_data::{Augment, Keep, Order};

use super::case::{Case, Hit};
use super::evidence::{Medium, Storage};
use super::{LooksAt, Rule, Severity};
use crate::number::short;
use crate::tricks::{Slot, Trick};

pub(super) const OTHER_STATISTICS: Rule = Rule {
    code: "TB601",
    name: "statistics-of-other-images",
    severity: Severity::Warning,
    looks_at: LooksAt::Images,
    finds: "a normalisation whose mean is off by more than 0.15 from that of the training images, \
            or whose standard deviation is off by more than a factor of 2.5, without `InitFrom`, \
            which wants the statistics of its own images",
    why: "what comes out is not centred, or not of size 1; often the numbers are another data \
          set's, or counted to 255",
    source: "LeCun et al. 1998 (Efficient BackProp), 4.3",
    fix: "write the statistics of the training images, in units of the pixel value from 0 to 1",
    check: other_statistics,
};

fn other_statistics(case: &Case<'_>) -> Option<Hit> {
    let samples = case.evidence.samples.as_ref()?;
    let normalize = &case.plan.normalize;
    let mut means = normalize.mean.iter().map(|mean| f64::from(*mean)).zip(&samples.mean);
    let mut stds = normalize.std.iter().map(|std| f64::from(*std)).zip(&samples.std);
    let off = means.any(|(mean, found)| (mean - found).abs() > 0.15);
    let stretched = stds.any(|(std, found)| !(0.4..=2.5).contains(&(std / found)));
    let message = format!(
        "mean {:?} and std {:?}, but the images have mean {:.3?} and std {:.3?}",
        normalize.mean, normalize.std, samples.mean, samples.std
    );
    let own = case.plan.init_from.is_none();
    (own && (off || stretched)).then(|| Hit::new("normalize", message))
}

pub(super) const SHARED_IMAGES: Rule = Rule {
    code: "TB602",
    name: "validation-in-training",
    severity: Severity::Warning,
    looks_at: LooksAt::Images,
    finds: "more than a hundredth of the validation images among the training images, pixel by \
            pixel",
    why: "the accuracy then measures memory",
    source: "Barz and Denzler 2020 (arXiv 1902.00423)",
    fix: "take the images out of one of the two",
    check: |case| {
        let samples = case.evidence.samples.as_ref()?;
        let (shared, compared) = (samples.shared, samples.compared);
        let message = format!("{shared} of {compared} validation images are training images");
        (100 * shared > compared).then(|| Hit::new("data", message))
    },
};

pub(super) const UNBALANCED: Rule = Rule {
    code: "TB603",
    name: "unbalanced-classes",
    severity: Severity::Warning,
    looks_at: LooksAt::Images,
    finds: "a class with more than 5 times the training images of another, drawn as they come",
    why: "rare classes are hardly learned, and the accuracy over all images does not show it",
    source: "Cui et al. 2019 (arXiv 1901.05555); Kang et al. 2020 (arXiv 1910.09217)",
    fix: "add `ClassBalancedSampling`",
    check: |case| {
        let (fewest, most) = extremes(case)?;
        let message = format!("the classes have {fewest} to {most} training images");
        let as_they_come = case.plan.order != Order::Balanced;
        (as_they_come && most > 5 * fewest).then(|| Hit::new("data", message))
    },
};

pub(super) const BALANCED_ALREADY: Rule = Rule {
    code: "TB604",
    name: "balanced-already",
    severity: Severity::Warning,
    looks_at: LooksAt::Images,
    finds: "`ClassBalancedSampling` where no class has 1.5 times the training images of another",
    why: "it draws with replacement, so an epoch misses 37 % of the images and shows others twice, \
          for nothing",
    source: "Kang et al. 2020 (arXiv 1910.09217), 4.1",
    fix: "remove `ClassBalancedSampling`",
    check: |case| {
        let (_, at) =
            case.trick(|trick| matches!(trick, Trick::ClassBalancedSampling(_)).then_some(()))?;
        let (fewest, most) = extremes(case)?;
        let message = format!("the classes have {fewest} to {most} training images");
        (2 * most < 3 * fewest).then(|| Hit::new(at, message))
    },
};

/// Training images of the smallest and of the largest class.
fn extremes(case: &Case<'_>) -> Option<(usize, usize)> {
    let counts = &case.evidence.samples.as_ref()?.train_counts;
    Some((*counts.iter().min()?, *counts.iter().max()?))
}

pub(super) const CLASS_WITHOUT_VALIDATION: Rule = Rule {
    code: "TB605",
    name: "class-without-validation",
    severity: Severity::Warning,
    looks_at: LooksAt::Images,
    finds: "a class without validation images",
    why: "the accuracy says nothing about it",
    source: "scikit-learn, user guide 3.1.2.2: stratified splits",
    fix: "move some of its images to the validation split",
    check: |case| {
        let counts = &case.evidence.samples.as_ref()?.val_counts;
        let empty = counts.iter().filter(|count| **count == 0).count();
        let message = format!("{empty} of {} classes have no validation images", counts.len());
        (empty > 0).then(|| Hit::new("data", message))
    },
};

pub(super) const ENLARGED: Rule = Rule {
    code: "TB606",
    name: "enlarged-images",
    severity: Severity::Warning,
    looks_at: LooksAt::Images,
    finds: "a size of images above that of more than a tenth of the files",
    why: "the files are blown up, which costs time and adds nothing to see",
    source: "Touvron et al. 2019 (arXiv 1906.06423), 3, on apparent sizes",
    fix: "write a `size` that the files have",
    check: |case| {
        let (sides, size) = (&case.evidence.samples.as_ref()?.sides, case.side());
        let smaller = sides.iter().filter(|side| **side < size).count();
        let message = format!(
            "{smaller} of {} images are smaller than {size} pixels, the smallest {}",
            sides.len(),
            sides.iter().min()?
        );
        (10 * smaller > sides.len()).then(|| Hit::new("data.size", message))
    },
};

pub(super) const FEW_TO_VALIDATE: Rule = Rule {
    code: "TB607",
    name: "few-images-to-validate",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "fewer than 500 validation images",
    why: "chance alone moves the accuracy by more than most tricks are worth",
    source: "the binomial distribution: a standard error of sqrt(p (1 - p) / n)",
    fix: "compare recipes over several seeds, and do not read much into a point",
    check: |case| {
        let images = case.plan.facts.val_len;
        let error = 100.0 * (0.9 * 0.1 / images as f64).sqrt();
        let message = format!(
            "{images} validation images: an accuracy of 90 % has a standard error of {} points",
            short((10.0 * error).round() / 10.0)
        );
        (images < 500).then(|| Hit::new("data", message))
    },
};

pub(super) const SLOW_STORAGE: Rule = Rule {
    code: "TB608",
    name: "slow-storage",
    severity: Severity::Note,
    looks_at: LooksAt::Machine,
    finds: "images that every epoch reads anew from a rotating disk or a network file system, and \
            that do not fit into memory",
    why: "such storage serves some hundred small files a second, and the processor waits; virtual \
          machines may call any disk rotating",
    source: "FFCV (Leclerc et al. 2023, arXiv 2306.12517), 1 and 3",
    fix: "copy the images to a local solid-state disk",
    check: slow_storage,
};

fn slow_storage(case: &Case<'_>) -> Option<Hit> {
    let Storage { medium, bytes, memory } = case.evidence.storage.as_ref()?;
    let place = match medium {
        Medium::Rotating => "a rotating disk".to_owned(),
        Medium::Network(name) => format!("a network file system ({name})"),
        Medium::Other => return None,
    };
    let reread = case.evidence.samples.as_ref()?.kept == Keep::Files && bytes > memory;
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    let message = format!(
        "every epoch reads {} from {place}, and {} of memory are free",
        gib(*bytes),
        gib(*memory)
    );
    reread.then(|| Hit::new("data", message))
}

pub(super) const SMALL_EVALUATION: Rule = Rule {
    code: "TB609",
    name: "evaluation-smaller-than-training",
    severity: Severity::Warning,
    looks_at: LooksAt::Recipe,
    finds: "evaluation at a smaller size than training",
    why: "random crops enlarge what they show, so objects already look larger in training; evaluation \
          wants larger images, not smaller ones",
    source: "Touvron et al. 2019 (arXiv 1906.06423), 3",
    fix: "write a `train` below the data's `size`, or a larger `size`",
    check: |case| {
        let (at, train, side) = training_side(case)?;
        let message = format!("training sees {train} pixels, evaluation {side}");
        (train > side).then(|| Hit::new(at, message))
    },
};

pub(super) const PLAIN_SMALLER: Rule = Rule {
    code: "TB610",
    name: "smaller-without-random-crops",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "`TrainTestResolution` that trains on smaller images without `RandomResizedCrop`",
    why: "evaluation is made larger because such crops enlarge objects in training; without them \
          objects look larger in evaluation than they ever did in training",
    source: "Touvron et al. 2019 (arXiv 1906.06423), 3",
    fix: "add `RandomResizedCrop`, or train at the size of evaluation",
    check: |case| {
        let (at, train, side) = training_side(case)?;
        let crops = case.plan.augment.contains(&Augment::RandomResizedCrop);
        let message = format!("evaluation shows objects {side}/{train} times as large");
        (train < side && !crops).then(|| Hit::new(at, message))
    },
};

/// Where the size of training images stands, and the shorter sides in training and in evaluation.
fn training_side(case: &Case<'_>) -> Option<(String, usize, usize)> {
    let at = case.writer(Slot::TrainSize)?;
    let [height, width] = case.plan.train_size;
    Some((format!("{at}.train"), height.min(width), case.side()))
}
