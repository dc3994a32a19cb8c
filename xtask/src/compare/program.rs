//! The programs that are compared: how each is started, and what it said.

use std::{ffi::OsString, fmt, path::PathBuf, process::Command};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::options::Options;
use crate::{cannot_start, trickbag, workspace_root};

/// How PyTorch lays images out and runs a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mode {
    pub(crate) layout: &'static str,
    pub(crate) engine: &'static str,
}

/// The last two are for inference alone.
pub(crate) const MODES: [Mode; 6] = [
    Mode { layout: "nchw", engine: "eager" },
    Mode { layout: "channels_last", engine: "eager" },
    Mode { layout: "nchw", engine: "compile" },
    Mode { layout: "channels_last", engine: "compile" },
    Mode { layout: "nchw", engine: "freeze" },
    Mode { layout: "channels_last", engine: "freeze" },
];

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.layout, self.engine)
    }
}

/// A mode and the milliseconds of its step, unless it failed.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) mode: Mode,
    pub(crate) ms: Option<f64>,
}

/// Both programs with the flags that say what is measured.
pub(crate) struct Programs<'a> {
    options: &'a Options,
    script: PathBuf,
    threads: Option<u64>,
}

impl<'a> Programs<'a> {
    pub(crate) fn new(options: &'a Options) -> anyhow::Result<Self> {
        let script = workspace_root()?.join("bench/pytorch/step.py");
        pytorch_cap(options.isa.as_deref())?;
        Ok(Self { options, script, threads: None })
    }

    /// Builds Trickbag, telling how it goes.
    pub(crate) fn build(&self) -> anyhow::Result<()> {
        let mut command = trickbag("bench", &["--help".into()])?;
        let output = command.stderr(std::process::Stdio::inherit()).output();
        let output = output.with_context(|| cannot_start(&command))?;
        ensure!(output.status.success(), "Trickbag does not build, for the reasons above");
        Ok(())
    }

    /// How PyTorch can do this work.
    pub(crate) fn modes(&self) -> impl Iterator<Item = Mode> + use<> {
        let trains = self.options.work == "step";
        MODES.into_iter().filter(move |mode| !(trains && mode.engine == "freeze"))
    }

    /// Has PyTorch compute with the threads of this measurement, which follow from the flags.
    pub(crate) fn use_threads_of(&mut self, measurement: &Value) -> anyhow::Result<()> {
        let threads = measurement["threads"].as_u64();
        self.threads = Some(threads.with_context(|| format!("no threads in {measurement}"))?);
        Ok(())
    }

    pub(crate) fn trickbag(&self, steps: u32) -> anyhow::Result<Value> {
        let mut flags: Vec<OsString> = vec![self.options.work.into(), "--json".into()];
        flags.extend(["--steps".into(), steps.to_string().into()]);
        flags.extend(self.options.shared.iter().cloned());
        let mut command = trickbag("bench", &flags)?;
        command.env("CARGO_TERM_QUIET", "true");
        if let Some(isa) = &self.options.isa {
            command.env("TRICKBAG_ISA", isa);
        }
        run(command)
    }

    pub(crate) fn pytorch(&self, mode: Mode, steps: u32) -> anyhow::Result<Value> {
        let mut command = Command::new(&self.options.python);
        command.arg(&self.script).args(["--work", self.options.work]);
        command.args(["--layout", mode.layout, "--engine", mode.engine]);
        command.args(["--steps", &steps.to_string()]).args(&self.options.shared);
        if let Some(threads) = self.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        command.envs(pytorch_cap(self.options.isa.as_deref())?);
        run(command)
    }
}

/// The median of a measurement.
pub(crate) fn median_ms(measurement: &Value) -> anyhow::Result<f64> {
    let median = measurement.pointer("/ms/median").and_then(Value::as_f64);
    median.with_context(|| format!("no ms.median in {measurement}"))
}

/// The variables that cap oneDNN's kernels and PyTorch's own.
fn pytorch_cap(isa: Option<&str>) -> anyhow::Result<Vec<(&'static str, &'static str)>> {
    let (onednn, aten) = match isa {
        None => return Ok(vec![]),
        Some("portable") => ("SSE41", "default"),
        Some("avx2") => ("AVX2", "avx2"),
        Some("avx512") => ("AVX512_CORE", "avx512"),
        Some(other) => bail!("--isa is `{other}`, and must be portable, avx2 or avx512"),
    };
    Ok(vec![("ONEDNN_MAX_CPU_ISA", onednn), ("ATEN_CPU_CAPABILITY", aten)])
}

/// Runs a program whose last line is a JSON object.
fn run(mut command: Command) -> anyhow::Result<Value> {
    let output = command.output().with_context(|| cannot_start(&command))?;
    let [said, complaint] = [&output.stdout, &output.stderr].map(|o| String::from_utf8_lossy(o));
    if !output.status.success() {
        bail!("{}: {}", output.status, reason(&complaint));
    }
    let line = said.lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("expected a JSON object, found `{line}`"))
}

/// The line of a long complaint that names the error.
fn reason(complaint: &str) -> &str {
    let mut lines = complaint.lines().rev().filter(|line| !line.trim().is_empty());
    let last = lines.clone().next().unwrap_or("it said nothing");
    lines.find(|line| line.to_lowercase().contains("error")).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_line_that_names_the_error() {
        let check = |complaint: &str, expected: &str| assert_eq!(reason(complaint), expected);
        check(
            "Traceback:\n  here\nRuntimeError: no compiler\nset a flag\n\n",
            "RuntimeError: no compiler",
        );
        check("error: no such flag\n\nusage: …\n", "error: no such flag");
        check("killed\n", "killed");
        check("\n", "it said nothing");
    }
}
