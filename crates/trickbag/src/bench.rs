//! `trickbag bench`: times whole steps on one batch of random images.

mod inference;
mod measurement;
mod model;
mod options;
pub(crate) mod peak;
pub(crate) mod processor;
mod profiled;
mod quartiles;
mod training;

use std::process::ExitCode;
use std::time::Instant;

use dfdx::dtypes::Dtype;
use trickbag_kernels::Isa;
use trickbag_models::Network;
use trickbag_ops::{Backend, Descent};
use trickbag_report::peak_rss;

pub(crate) use self::options::Bench;

use self::inference::Inference;
use self::measurement::{Measurement, Speed};
use self::options::{Options, Pass, Work};
use self::processor::Processor;
use self::profiled::Operators;
use self::training::Training;
use crate::device::{DeviceName, Job, dispatch};
use crate::failure::{Failure, Input};
use crate::output::print;
use crate::run::compute_with;

/// Steps before the timed ones: they touch the memory and warm the caches.
const WARM_UP: usize = 2;

/// Times the steps that were asked for and prints the result.
pub(crate) fn bench(bench: &Bench, isa: Isa) -> Result<ExitCode, Failure> {
    let (pass, options) = bench.parts();
    let measurement = measure(pass, options, isa)?;
    match options.json {
        true => print(serde_json::to_string(&measurement)?)?,
        false => print(measurement)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(pass: Pass, options: &Options, isa: Isa) -> Result<Measurement, Failure> {
    let work = options.work(pass);
    let threads = compute_with(options.threads)?;
    let network = work.model.network()?;
    let macs = network.macs(work.image, work.image).input()?;
    let peak = match options.device {
        DeviceName::Cpu => Some(peak::flops_per_second(isa)),
        #[cfg(feature = "cuda")]
        DeviceName::Cuda(_) => None,
    };
    let start_rss_bytes = peak_rss();
    let timing = Timing { work: &work, network: &network, options };
    let Times { seconds, loss, operators } =
        dispatch(options.device, work.precision.into(), timing)?;
    Ok(Measurement {
        program: "trickbag",
        version: env!("CARGO_PKG_VERSION"),
        device: options.device.to_string(),
        threads,
        isa: format!("{isa:?}").to_lowercase(),
        processor: Processor::here(),
        speed: Speed::new(&work, macs, peak, &seconds),
        work,
        start_rss_bytes,
        peak_rss_bytes: peak_rss(),
        loss,
        operators,
    })
}

/// How long the steps took, and what they computed.
struct Times {
    seconds: Vec<f64>,
    /// Of the last training step.
    loss: Option<f32>,
    /// If these were asked for.
    operators: Option<Operators>,
}

struct Timing<'a> {
    work: &'a Work,
    network: &'a Network,
    options: &'a Options,
}

impl Job for Timing<'_> {
    type Output = Times;

    fn on<E: Dtype, D: Backend<E>>(self, dev: D) -> Result<Times, Failure> {
        let Self { work, network, options } = self;
        match work.pass {
            Pass::Step => {
                let mut training = Training::<E, D>::new(network, work, dev.clone())?;
                time(options, || {
                    let loss = training.step()?;
                    finish(&dev).map(|()| Some(loss))
                })
            }
            Pass::Infer => {
                let inference = Inference::<E, D>::new(network, work, &dev)?;
                time(options, || {
                    inference.step()?;
                    finish(&dev).map(|()| None)
                })
            }
        }
    }
}

/// Waits for what the device has been told to do.
fn finish<D: Descent>(dev: &D) -> Result<(), Failure> {
    Ok(dev.try_synchronize().map_err(trickbag_ops::Error::device)?)
}

fn time(
    options: &Options,
    mut step: impl FnMut() -> Result<Option<f32>, Failure>,
) -> Result<Times, Failure> {
    for _ in 0..WARM_UP {
        step()?;
    }
    let steps = options.steps.into();
    let mut timed = || -> Result<_, Failure> {
        let (mut seconds, mut loss) = (vec![], None);
        for _ in 0..steps {
            let clock = Instant::now();
            loss = step()?;
            seconds.push(clock.elapsed().as_secs_f64());
        }
        Ok((seconds, loss))
    };
    let (timed, operators) = match options.profile {
        true => {
            let (timed, profile) = trickbag_ops::profile(timed);
            (timed, Some(Operators::new(&profile, steps)))
        }
        false => (timed(), None),
    };
    let (seconds, loss) = timed?;
    Ok(Times { seconds, loss, operators })
}
