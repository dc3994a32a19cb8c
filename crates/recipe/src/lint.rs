//! Known mistakes: rules that look at a recipe, its plan and its data, and what they find.
//!
//! A [`Plan`] refuses what cannot be trained. The rules here warn of what can be trained and yet is
//! hardly what was meant. Each has a code, a reason and a source; `allow` in a recipe silences one,
//! with a reason of its own.
//!
//! ```
//! use trickbag_recipe::lint::{Evidence, lint};
//! use trickbag_recipe::{Document, Plan};
//!
//! let text = r#"Recipe(
//!     name: "digits",
//!     seed: 1,
//!     data: Mnist10k,
//!     augment: [PadCrop(2), HorizontalFlip],
//!     model: ResNet(depth: 8, stem: Cifar),
//!     batch_size: 64,
//!     epochs: 8,
//!     optimizer: Sgd(lr: 0.05, momentum: 0.9, weight_decay: 5e-4),
//!     tricks: [CosineAnnealing, NoBiasDecay, NoNormDecay],
//! )"#;
//! let document = Document::new("recipes/digits.ron", text)?;
//! let plan = Plan::new(&document, &document.facts()?)?;
//! let findings = lint(&document, &plan, &Evidence::default());
//! assert_eq!(findings.len(), 1);
//! assert_eq!(findings[0].rule.name, "mirrored-digits");
//! assert!(findings[0].to_string().contains("recipes/digits.ron:5:27"));
//! # Ok::<(), trickbag_recipe::Error>(())
//! ```

mod allow;
mod augmentation;
mod averages;
mod batch;
mod case;
mod evidence;
mod finding;
mod learning_rate;
mod network;
mod optimizer;
mod reference;
mod samples;
mod targets;
mod transfer;

use std::fmt;

pub use allow::Allow;
pub(crate) use allow::check as check_allowed;
pub use evidence::{Evidence, Medium, Samples, Storage};
pub use finding::Finding;
pub use reference::reference;

use self::case::{Case, Hit};
use crate::document::Document;
use crate::plan::Plan;

/// All rules, by code.
pub const RULES: &[Rule] = &[
    allow::NEEDLESS,
    learning_rate::OFF_BATCH,
    learning_rate::NO_WARMUP,
    learning_rate::LONG_WARMUP,
    learning_rate::NEVER_FALLS,
    learning_rate::LATE_DROP,
    learning_rate::EARLY_END,
    optimizer::NO_MOMENTUM,
    optimizer::NO_DECAY,
    optimizer::DECAYED_NORMS,
    optimizer::WEAK_DECAY,
    optimizer::STRONG_DECAY,
    optimizer::FAST_ADAM,
    optimizer::SMALL_BATCH,
    optimizer::TIGHT_CLIP,
    averages::SLOW_AVERAGE,
    averages::WIDE_CLIMB,
    averages::EARLY_AVERAGE,
    averages::FAST_END,
    optimizer::UNSCALED,
    batch::FEW_FOR_NORMS,
    batch::LEFT_OUT,
    batch::FEW_UPDATES,
    batch::FEW_PASSES,
    batch::SAME_COPIES,
    batch::EXPERIMENT,
    targets::STRONG_SMOOTHING,
    targets::ODD_BATCH,
    targets::SHORT_MIXING,
    targets::SMOOTHED_TWICE,
    targets::UNMIXED_QUESTIONS,
    targets::FAINT_GRADIENTS,
    augmentation::NONE,
    augmentation::MIRRORED_DIGITS,
    augmentation::TWO_FLIPS,
    augmentation::WIDE_PADDING,
    augmentation::LARGE_CUTOUT,
    augmentation::ALWAYS_ERASED,
    augmentation::TWO_POLICIES,
    augmentation::STRONG_POLICY,
    augmentation::GREY_COLORS,
    samples::OTHER_STATISTICS,
    samples::SHARED_IMAGES,
    samples::UNBALANCED,
    samples::BALANCED_ALREADY,
    samples::CLASS_WITHOUT_VALIDATION,
    samples::ENLARGED,
    samples::FEW_TO_VALIDATE,
    samples::SLOW_STORAGE,
    samples::SMALL_EVALUATION,
    samples::PLAIN_SMALLER,
    network::LARGE_STEM,
    network::SMALL_STEM,
    network::SHORT_ZERO_GAMMA,
    network::SHALLOW_SKIPS,
    transfer::RANDOM_PROTECTED,
    transfer::OVERWRITTEN_GAMMA,
    transfer::FORGETTING_RATE,
    transfer::LATE_UNFREEZE,
];

/// A known mistake.
#[derive(Debug)]
pub struct Rule {
    /// `TB` and three digits; it never changes its meaning.
    pub code: &'static str,
    /// Words for the code.
    pub name: &'static str,
    /// How sure it is that this is a mistake.
    pub severity: Severity,
    /// What it needs to see.
    pub looks_at: LooksAt,
    /// What it finds.
    pub finds: &'static str,
    /// Why that is a mistake.
    pub why: &'static str,
    /// Paper and section, or the documentation that says so.
    pub source: &'static str,
    /// What to do.
    pub fix: &'static str,
    pub(crate) check: fn(&Case<'_>) -> Option<Hit>,
}

/// How sure a rule is that it found a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It may be meant like this, but costs something.
    Note,
    /// It is hardly ever meant like this.
    Warning,
}

/// What a rule needs to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LooksAt {
    /// The recipe and its plan.
    Recipe,
    /// The images as well: [`Evidence::samples`].
    Images,
    /// The machine as well: [`Evidence::storage`].
    Machine,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
        })
    }
}

/// What the rules find in a recipe, in the order of [`RULES`], without what its `allow` silences.
///
/// `plan` is that of `document`. Rules whose evidence is missing find nothing.
pub fn lint(document: &Document, plan: &Plan, evidence: &Evidence) -> Vec<Finding> {
    let recipe = document.recipe();
    let case = Case { recipe, plan, evidence };
    let heard = RULES.iter().filter(|rule| !recipe.allow.iter().any(|a| a.rule == rule.code));
    heard
        .filter_map(|rule| {
            let Hit { at, message } = (rule.check)(&case)?;
            Some(Finding { rule, message, place: document.place(&at) })
        })
        .collect()
}
