//! The command line of `ablate`.

use std::fmt;

use clap::{Args, ValueEnum, value_parser};

use crate::command::{RecipeFile, TrainingFlags};

/// What to leave out, how often to train it, and where.
#[derive(Debug, Args)]
pub(crate) struct Ablate {
    #[command(flatten)]
    pub(crate) recipe: RecipeFile,
    /// Which variants of the recipe to train.
    #[arg(long, value_enum, default_value_t = Mode::Stack)]
    pub(crate) mode: Mode,
    /// Train each variant so many times: with the recipe's seed, the next one, and so on.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u16).range(1..))]
    pub(crate) seeds: u16,
    /// The tricks to measure, as `Warmup,LabelSmoothing`; all others stay in every variant
    /// [default: all of the recipe].
    #[arg(long, value_name = "TRICKS", value_delimiter = ',')]
    pub(crate) tricks: Vec<String>,
    /// Measure the time to this validation accuracy, as 0.9 [default: the first variant's].
    #[arg(long, value_name = "ACCURACY", value_parser = fraction)]
    pub(crate) to: Option<f64>,
    #[command(flatten)]
    pub(crate) training: TrainingFlags,
}

/// Which variants of a recipe are trained. The first is what the others are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// None of the tricks, and then one more at a time, in the recipe's order.
    Stack,
    /// The whole recipe, and the recipe without each of the tricks.
    LeaveOneOut,
    /// None of the tricks, and each of them alone.
    Each,
    /// None of the tricks, and all of them together.
    All,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stack => "stack",
            Self::LeaveOneOut => "leave-one-out",
            Self::Each => "each",
            Self::All => "all",
        })
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    let fraction = text.parse().ok().filter(|fraction| *fraction > 0.0 && *fraction <= 1.0);
    fraction.ok_or("expected a number above 0 and up to 1".to_owned())
}
