//! `trickbag doctor`: what this machine has of what training uses, and what to do about the rest.

mod disk;
mod library;

use std::{fmt, fs, path::PathBuf, process::ExitCode, thread};

use clap::Args;
use dfdx::dtypes::Dtype;
use trickbag_kernels::Isa;
use trickbag_ops::Backend;
use trickbag_precision::Policy;

use self::{disk::Disk, library::Library};
use crate::bench::processor::Processor;
use crate::device::{DeviceName, Job, dispatch};
use crate::failure::Failure;
use crate::output::print;

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Folders that hold images, or will.
    #[arg(value_name = "FOLDER", default_value = ".")]
    folders: Vec<PathBuf>,
    /// Where to compute: this device is opened.
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: DeviceName,
}

/// Prints a line for each thing that was looked for. Only a device that was asked for must be there.
pub(crate) fn doctor(options: &Doctor, isa: Isa) -> Result<ExitCode, Failure> {
    let facts = Facts::gather(options, isa);
    for line in facts.lines() {
        print(line)?;
    }
    Ok(if facts.device.1.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(NO_DEVICE) })
}

/// What ends with this code cannot compute where it was asked to.
const NO_DEVICE: u8 = 1;

/// What the machine says of itself.
struct Facts {
    processor: Processor,
    threads: usize,
    isa: Isa,
    /// The text of `/proc/meminfo`.
    meminfo: String,
    folders: Vec<(PathBuf, Option<Disk>)>,
    /// The device that was asked for, and whether it opens.
    device: (DeviceName, Result<(), String>),
    /// What nvidia-smi says, a GPU to a line.
    gpus: Option<String>,
    driver: Option<Library>,
    nvrtc: Option<Library>,
    cublas: Option<Library>,
    nccl: Option<Library>,
}

impl Facts {
    fn gather(options: &Doctor, isa: Isa) -> Self {
        let disk = |folder: &PathBuf| (folder.clone(), Disk::of(folder));
        let opened = dispatch(options.device, Policy::F32, Open);
        let opened = opened.map_err(|failure| format!("{:#}", failure.error()));
        Self {
            processor: Processor::here(),
            threads: thread::available_parallelism().map_or(1, usize::from),
            isa,
            meminfo: fs::read_to_string("/proc/meminfo").unwrap_or_default(),
            folders: options.folders.iter().map(disk).collect(),
            device: (options.device, opened),
            gpus: gpus(),
            driver: Library::first(&["libcuda.so.1"], Some(c"cuDriverGetVersion")),
            nvrtc: Library::first(&["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"], None),
            cublas: Library::first(
                &["libcublas.so.13", "libcublas.so.12", "libcublas.so.11"],
                None,
            ),
            nccl: Library::first(&["libnccl.so.2"], Some(c"ncclGetVersion")),
        }
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = vec![self.processor(), self.instructions(), self.memory()];
        lines.extend(self.folders.iter().map(|(folder, disk)| match disk {
            Some(disk) => Line::ok("folder", format!("{}: {disk}", folder.display())),
            None => {
                let missing = format!("{}: create it, or name another one", folder.display());
                Line::missing("folder", missing)
            }
        }));
        lines.extend([self.program(), self.device()]);
        lines.extend(self.gpus());
        let library = |subject, found: &Option<Library>, advice: &str| match found {
            Some(library) => Line::ok(subject, library.to_string()),
            None => Line::missing(subject, advice),
        };
        lines.extend([
            library("driver", &self.driver, "no libcuda.so.1: it comes with NVIDIA's driver"),
            library("NVRTC", &self.nvrtc, &in_toolkit("libnvrtc.so")),
            library("cuBLAS", &self.cublas, &in_toolkit("libcublas.so")),
            library("NCCL", &self.nccl, "no libnccl.so.2: nothing uses it so far"),
        ]);
        lines
    }

    fn processor(&self) -> Line {
        let threads = self.threads;
        match self.processor.name.as_str() {
            "" => Line::ok("processor", format!("{threads} threads")),
            name => Line::ok("processor", format!("{name}, {threads} threads")),
        }
    }

    fn instructions(&self) -> Line {
        let isa = format!("{:?}", self.isa).to_lowercase();
        match (self.isa, self.processor.features.join(" ")) {
            (Isa::Portable, _) => {
                let advice = "kernels run in their portable form: a processor with AVX2 is faster";
                Line::missing("instructions", advice)
            }
            (_, features) => Line::ok("instructions", format!("{isa}, of {features}")),
        }
    }

    fn memory(&self) -> Line {
        let [total, free] = ["MemTotal:", "MemAvailable:"].map(|field| {
            let line = self.meminfo.lines().find_map(|line| line.strip_prefix(field))?;
            let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(gigabytes(1024 * kibibytes))
        });
        match (total, free) {
            (Some(total), Some(free)) => Line::ok("memory", format!("{total}, {free} free")),
            _ => Line::missing("memory", "the system does not say: watch it yourself"),
        }
    }

    fn program(&self) -> Line {
        let text = match cfg!(feature = "cuda") {
            true => "built with CUDA",
            false => "built without CUDA; `cargo xtask … --device cuda` builds it with CUDA",
        };
        Line::ok("program", text)
    }

    fn device(&self) -> Line {
        match &self.device {
            (name, Ok(())) => Line::ok("device", format!("{name} opens")),
            (name, Err(error)) => Line::missing("device", format!("{name}: {error}")),
        }
    }

    fn gpus(&self) -> Vec<Line> {
        let Some(gpus) = &self.gpus else {
            let advice = "nvidia-smi finds none: install NVIDIA's driver, or train on the CPU";
            return vec![Line::missing("GPU", advice)];
        };
        gpus.lines().map(|gpu| Line::ok("GPU", gpu)).collect()
    }
}

/// Opens a device and does nothing with it.
struct Open;

impl Job for Open {
    type Output = ();

    fn on<E: Dtype, D: Backend<E>>(self, _: D) -> Result<(), Failure> {
        Ok(())
    }
}

/// Name, driver, memory and compute capability of each GPU.
fn gpus() -> Option<String> {
    let mut smi = std::process::Command::new("nvidia-smi");
    smi.args(["--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader"]);
    let output = smi.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().filter(|text| !text.trim().is_empty())
}

fn in_toolkit(library: &str) -> String {
    format!(
        "no {library}: it comes with the CUDA toolkit; if it is there, name its folder in \
         LD_LIBRARY_PATH, as `cargo xtask` does"
    )
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// What was looked for, whether it is there, and more.
struct Line {
    subject: &'static str,
    found: bool,
    text: String,
}

impl Line {
    fn ok(subject: &'static str, text: impl Into<String>) -> Self {
        Self { subject, found: true, text: text.into() }
    }

    fn missing(subject: &'static str, text: impl Into<String>) -> Self {
        Self { subject, found: false, text: text.into() }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.found { "ok" } else { "missing" };
        write!(f, "{:<14}{state:<9}{}", self.subject, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            processor: Processor {
                name: "Old Iron 5".into(),
                features: vec!["avx2", "fma"],
                ..Processor::default()
            },
            threads: 2,
            isa: Isa::Portable,
            meminfo: "MemTotal: 24684096 kB\nMemAvailable: 1000000 kB\n".into(),
            folders: vec![("data".into(), None)],
            device: (DeviceName::Cpu, Ok(())),
            gpus: None,
            driver: None,
            nvrtc: None,
            cublas: None,
            nccl: None,
        }
    }

    /// All lines but the one that depends on the build.
    fn text(facts: &Facts) -> String {
        let lines = facts.lines();
        let lines = lines.iter().filter(|line| line.subject != "program").map(Line::to_string);
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn says_what_to_do_about_what_is_missing() {
        insta::assert_snapshot!(text(&facts()));
    }

    #[test]
    fn says_what_is_there() {
        let library = |name, version| Some(Library { name, version });
        let disk = Disk { file_system: Some("nfs4".into()), network: true, free: 5_000_000_000 };
        let facts = Facts {
            isa: Isa::Avx2,
            folders: vec![("data".into(), Some(disk))],
            gpus: Some("Big Iron, 580.1, 80000 MiB, 9.0\nBig Iron, 580.1, 80000 MiB, 9.0\n".into()),
            driver: library("libcuda.so.1", Some(13000)),
            nvrtc: library("libnvrtc.so.13", None),
            cublas: library("libcublas.so.13", None),
            nccl: library("libnccl.so.2", Some(22809)),
            ..facts()
        };
        insta::assert_snapshot!(text(&facts));
    }

    #[test]
    fn says_why_a_device_does_not_open() {
        let facts = Facts { device: (DeviceName::Cpu, Err("it is gone".into())), ..facts() };
        assert_eq!(facts.device().to_string(), "device        missing  cpu: it is gone");
    }
}
