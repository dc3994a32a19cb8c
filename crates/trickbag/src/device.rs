//! The concrete devices and number formats, named once.

use std::fmt;
use std::str::FromStr;

use dfdx::dtypes::f16;
use dfdx::prelude::Cpu;
use trickbag_ops::Bf16;
use trickbag_precision::Policy;
#[cfg(any(feature = "cuda", test))]
use trickbag_recipe::Memory;
use trickbag_recipe::Plan;

use crate::failure::Failure;
#[cfg(feature = "cuda")]
use crate::failure::Input;

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
        (DeviceName::Cuda(ordinal), Policy::F32) => job.on::<f32, _>(open(ordinal)?),
        #[cfg(feature = "cuda")]
        (DeviceName::Cuda(_), Policy::Bf16) => Err(no_bf16()),
        // Products of matrices take their sums in `f32`.
        #[cfg(feature = "cuda")]
        (DeviceName::Cuda(ordinal), Policy::F16) => {
            job.on::<dfdx::dtypes::AMP<f16>, _>(open(ordinal)?)
        }
    }
}

#[cfg(feature = "cuda")]
fn open(ordinal: usize) -> Result<dfdx::prelude::Cuda, Failure> {
    trickbag_ops::cuda(ordinal).input()
}

#[cfg(feature = "cuda")]
fn no_bf16() -> Failure {
    Failure::Input(anyhow::anyhow!(
        "dfdx has no Bf16 on CUDA: take `Precision(F16)`, or train with `--device cpu`"
    ))
}

impl DeviceName {
    /// Refuses, before anything is written, a training that the device cannot do: in a number format
    /// that it does not have, or one that is too large for it.
    #[cfg_attr(not(feature = "cuda"), expect(unused_variables, reason = "the processor does all"))]
    pub(crate) fn check(self, plan: &Plan) -> Result<(), Failure> {
        match self {
            Self::Cpu => Ok(()),
            #[cfg(feature = "cuda")]
            Self::Cuda(_) if plan.precision == Policy::Bf16 => Err(no_bf16()),
            #[cfg(feature = "cuda")]
            Self::Cuda(ordinal) => {
                let room = trickbag_ops::cuda_memory(&open(ordinal)?)?;
                let memory = Memory::of(plan).input()?;
                let complaint = complaint(memory, plan.micro_batch, room);
                complaint.map_or(Ok(()), |why| Err(Failure::Input(anyhow::anyhow!("{self} {why}"))))
            }
        }
    }
}

/// What is wrong with a device that has `room` bytes, if the training does not fit into them.
#[cfg(any(feature = "cuda", test))]
fn complaint(memory: Memory, micro_batch: usize, room: u64) -> Option<String> {
    let needed = memory.on_device();
    if needed <= room {
        return None;
    }
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    let advice = match memory.largest_pass(micro_batch, room) {
        0 => "which not even passes of one image would fit into: take a smaller network".to_owned(),
        fits => format!(
            "and {fits} images at a time would fit: write `batch_size: {fits}`, or keep the batch and \
             add `GradientAccumulation(micro_batch: {fits})`"
        ),
    };
    let (room, needed) = (gigabytes(room), gigabytes(needed));
    Some(format!(
        "has {room:.1} GB of memory, the training needs {needed:.1} GB of it at least, {advice}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_that_does_not_fit_is_told_what_would() {
        let memory = Memory {
            parameters: 2_000_000_000,
            activations: 64 * 100_000_000,
            images: 1,
            data: u64::MAX / 2,
        };
        let of = |room| complaint(memory, 64, room);
        assert_eq!(of(8_400_000_000), None);
        let said = of(8_000_000_000).unwrap();
        for part in ["has 8.0 GB", "needs 8.4 GB", "`batch_size: 60`", "micro_batch: 60"] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
        let said = of(2_000_000_000).unwrap();
        assert!(said.contains("not even"), "{said}");
    }
}
