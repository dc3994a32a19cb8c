//! The concrete devices and number formats, named once.

use std::fmt;
use std::str::FromStr;

use dfdx::dtypes::f16;
use dfdx::prelude::Cpu;
use trickbag_ops::Bf16;
use trickbag_precision::Policy;

use crate::failure::Failure;

/// A device as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceName {
    Cpu,
    #[cfg(feature = "cuda")]
    Cuda(usize),
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ordinal = match text {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            _ => text.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
        };
        cuda(ordinal.ok_or("expected `cpu`, `cuda` or `cuda:N`")?)
    }
}

#[cfg(feature = "cuda")]
fn cuda(ordinal: usize) -> Result<DeviceName, String> {
    Ok(DeviceName::Cuda(ordinal))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_ordinal: usize) -> Result<DeviceName, String> {
    let without = "this program was built without CUDA: build it with `--features cuda`, or let \
                   `cargo xtask run … --device cuda` do so";
    Err(without.to_owned())
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            #[cfg(feature = "cuda")]
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

/// A computation that is generic over the device and the number format.
pub(crate) trait Job {
    type Output;

    fn on<E, D>(self, dev: D) -> Result<Self::Output, Failure>
    where
        E: dfdx::dtypes::Dtype,
        D: trickbag_ops::Backend<E>;
}

/// Runs a job on the device and in the number format that were asked for.
pub(crate) fn dispatch<J: Job>(
    name: DeviceName,
    precision: Policy,
    job: J,
) -> Result<J::Output, Failure> {
    match (name, precision) {
        (DeviceName::Cpu, Policy::F32) => job.on::<f32, _>(Cpu::default()),
        (DeviceName::Cpu, Policy::Bf16) => job.on::<Bf16, _>(Cpu::default()),
        (DeviceName::Cpu, Policy::F16) => job.on::<f16, _>(Cpu::default()),
        #[cfg(feature = "cuda")]
        (DeviceName::Cuda(ordinal), Policy::F32) => {
            let dev = dfdx::prelude::Cuda::try_build(ordinal, 0);
            let dev = dev.map_err(|e| anyhow::anyhow!("cannot use cuda:{ordinal}: {e}"));
            job.on::<f32, _>(dev.map_err(Failure::Input)?)
        }
        #[cfg(feature = "cuda")]
        (DeviceName::Cuda(_), Policy::Bf16) => Err(Failure::Input(anyhow::anyhow!(
            "dfdx has no Bf16 on CUDA: leave out `Precision(Bf16)`, or train with `--device cpu`"
        ))),
        #[cfg(feature = "cuda")]
        (DeviceName::Cuda(_), Policy::F16) => Err(Failure::Input(anyhow::anyhow!(
            "F16 computes on the CPU only so far: leave out `Precision(F16)`, or train with `--device \
             cpu`"
        ))),
    }
}
