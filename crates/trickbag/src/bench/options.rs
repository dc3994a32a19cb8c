//! The command line of `trickbag bench`: which work, how often, and in which form it is printed.

use std::fmt;

use clap::{Args, Subcommand, ValueEnum, value_parser};
use serde::Serialize;
use trickbag_precision::Policy;

use super::model::Model;
use crate::device::DeviceName;

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Training: forward, cross entropy, backward, SGD with Nesterov momentum.
    Step(Options),
    /// Inference: forward with the running statistics.
    Infer(Options),
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The network.
    #[arg(long, value_enum, default_value_t = Model::Resnet20)]
    model: Model,
    /// Height and width of the images [default: the model's, 32 or 224].
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..))]
    image: Option<u16>,
    /// Images of a step [default: the model's, 128, 64 or 8, in training; else 64].
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..))]
    batch: Option<u16>,
    /// The number format that computes.
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
    /// Where to compute: `cpu`, `cuda` or `cuda:N`.
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    pub(crate) device: DeviceName,
    /// Threads that compute [default: all processors].
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// Steps to time, after two that are not.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = value_parser!(u16).range(1..))]
    pub(crate) steps: u16,
    /// Print one JSON object, with the time of every step.
    #[arg(long)]
    pub(crate) json: bool,
    /// Also say how the time divides between the operators.
    #[arg(long)]
    pub(crate) profile: bool,
}

/// What is timed: all that the time depends on but the machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Work {
    #[serde(rename = "work")]
    pub(crate) pass: Pass,
    pub(crate) model: Model,
    pub(crate) image: usize,
    pub(crate) batch: usize,
    pub(crate) precision: Precision,
}

/// Which part of the work of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pass {
    Step,
    Infer,
}

/// Number formats that can be timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Precision {
    F32,
    Bf16,
    F16,
}

impl Bench {
    pub(crate) fn parts(&self) -> (Pass, &Options) {
        match self {
            Self::Step(options) => (Pass::Step, options),
            Self::Infer(options) => (Pass::Infer, options),
        }
    }
}

impl Options {
    pub(crate) fn work(&self, pass: Pass) -> Work {
        let Self { model, image, batch, precision, .. } = *self;
        Work {
            pass,
            model,
            image: image.map_or(model.image(), usize::from),
            batch: batch.map_or(model.batch(pass), usize::from),
            precision,
        }
    }
}

/// As in `training step of resnet20 in f32`.
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pass = match self.pass {
            Pass::Step => "training step",
            Pass::Infer => "inference",
        };
        write!(f, "{pass} of {} in {}", name(self.model), name(self.precision))
    }
}

/// What the command line calls it.
fn name(choice: impl ValueEnum) -> String {
    choice.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
}

impl From<Precision> for Policy {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
            Precision::F16 => Self::F16,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        bench: Bench,
    }

    #[test]
    fn what_is_left_out_follows_from_the_model() {
        let check = |line: &str, pass, model, image, batch, precision| {
            let line = Line::parse_from(format!("bench {line}").split(' '));
            let (found, options) = line.bench.parts();
            assert_eq!(options.work(found), Work { pass, model, image, batch, precision });
        };
        use Model::*;
        use Pass::*;
        use Precision::*;
        check("step", Step, Resnet20, 32, 128, F32);
        check("infer", Infer, Resnet20, 32, 64, F32);
        check("step --model resnet18-cifar", Step, Resnet18Cifar, 32, 64, F32);
        check("step --model resnet50", Step, Resnet50, 224, 8, F32);
        check("infer --model resnet50 --batch 1", Infer, Resnet50, 224, 1, F32);
        check("step --image 28 --precision bf16", Step, Resnet20, 28, 128, Bf16);
    }

    #[test]
    fn refuses_what_cannot_be_timed() {
        let check = |line: &str, said: &str| {
            let error = Line::try_parse_from(format!("bench {line}").split(' ')).err().unwrap();
            assert!(error.to_string().contains(said), "{error}");
        };
        check("step --steps 0", "--steps");
        check("step --batch 0", "--batch");
        check("step --threads 0", "--threads");
        check("step --model resnet19", "resnet20, resnet18-cifar, resnet50");
        check("step --precision f64", "f32, bf16, f16");
        check("train", "train");
    }
}
