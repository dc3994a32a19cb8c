//! The flags of `bench compare`. Those that say what is measured go to both programs as they are.

use std::{ffi::OsString, path::PathBuf};

pub(crate) const HELP: &str = "\
Time Trickbag and PyTorch at the same work, in turn

Usage: cargo xtask bench compare --python PATH [FLAGS]

  --python PATH  a Python that has bench/pytorch/requirements.txt
  --infer        time forward passes instead of training steps
  --rounds N     runs of each program [default: 5]
  --steps N      timed steps of a run [default: 10]
  --isa NAME     cap both programs to portable, avx2 or avx512

Both programs get these as they are, as in `bench step --help`:
  --model NAME, --image N, --batch N, --precision FORMAT, --threads N";

#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    Help,
    Compare(Options),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) python: PathBuf,
    /// `step` or `infer`.
    pub(crate) work: &'static str,
    pub(crate) rounds: u32,
    pub(crate) steps: u32,
    pub(crate) isa: Option<String>,
    /// For both programs.
    pub(crate) shared: Vec<OsString>,
}

pub(crate) fn parse(arguments: &[OsString]) -> Result<Request, String> {
    let mut python = None;
    let (mut work, mut rounds, mut steps, mut isa, mut shared) = ("step", 5, 10, None, vec![]);
    let mut arguments = arguments.iter();
    while let Some(flag) = arguments.next() {
        let name = flag.to_string_lossy();
        if matches!(name.as_ref(), "--help" | "-h") {
            return Ok(Request::Help);
        }
        if name == "--infer" {
            work = "infer";
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{name} has no value"))?;
        match name.as_ref() {
            "--python" => python = Some(PathBuf::from(value)),
            "--rounds" => rounds = count(&name, value)?,
            "--steps" => steps = count(&name, value)?,
            "--isa" => isa = Some(value.to_string_lossy().into_owned()),
            "--model" | "--image" | "--batch" | "--precision" | "--threads" => {
                shared.extend([flag.clone(), value.clone()]);
            }
            _ => return Err(format!("there is no flag `{name}`")),
        }
    }
    let python = python.ok_or("--python is missing")?;
    Ok(Request::Compare(Options { python, work, rounds, steps, isa, shared }))
}

fn count(flag: &str, value: &OsString) -> Result<u32, String> {
    let text = value.to_string_lossy();
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{flag} is `{text}`, and must be a whole number from 1 up"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, String> {
        let words: Vec<_> = line.split_whitespace().map(OsString::from).collect();
        parse(&words)
    }

    #[test]
    fn flags_are_ours_or_for_both_programs() {
        let check = |line: &str, work, rounds, steps, isa: Option<&str>, shared: &[&str]| {
            let expected = Options {
                python: "venv/python".into(),
                work,
                rounds,
                steps,
                isa: isa.map(String::from),
                shared: shared.iter().map(OsString::from).collect(),
            };
            let line = format!("--python venv/python {line}");
            assert_eq!(parsed(&line), Ok(Request::Compare(expected)), "{line}");
        };
        check("", "step", 5, 10, None, &[]);
        check("--infer --rounds 3", "infer", 3, 10, None, &[]);
        check("--isa avx2 --steps 7", "step", 5, 7, Some("avx2"), &[]);
        let shared = ["--model", "resnet50", "--batch", "1", "--threads", "2"];
        check(&shared.join(" "), "step", 5, 10, None, &shared);
    }

    #[test]
    fn mistakes_are_told() {
        let check = |line: &str, expected: &str| assert_eq!(parsed(line), Err(expected.into()));
        check("", "--python is missing");
        check("--python", "--python has no value");
        check("--rounds 0", "--rounds is `0`, and must be a whole number from 1 up");
        check("--steps few", "--steps is `few`, and must be a whole number from 1 up");
        check("--json yes", "there is no flag `--json`");
        assert_eq!(parsed("--rounds 3 --help"), Ok(Request::Help));
    }
}
