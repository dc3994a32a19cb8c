//! `trickbag lr-find`: lets the learning rate rise from step to step and suggests one.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, value_parser};
use dfdx::dtypes::Dtype;
use trickbag_data::{Dataset, Facts};
use trickbag_ops::Backend;
use trickbag_recipe::tricks::Slot;
use trickbag_recipe::{Document, Plan, Recipe};
use trickbag_report::{Sweep, sweep_rates, write_atomic};
use trickbag_schedules::Schedule;
use trickbag_trainer::{Error, Trainer};

use crate::command::{MachineFlags, RecipeFile};
use crate::device::{Job, dispatch};
use crate::failure::{Failure, Input};
use crate::output::print;
use crate::training::open_data;

/// What to sweep, and where.
#[derive(Debug, Args)]
pub(crate) struct LrFind {
    #[command(flatten)]
    recipe: RecipeFile,
    /// The learning rate of the first step.
    #[arg(long, value_name = "RATE", default_value_t = 1e-5, value_parser = rate)]
    from: f64,
    /// The learning rate of the last step.
    #[arg(long, value_name = "RATE", default_value_t = 10.0, value_parser = rate)]
    to: f64,
    /// Steps of the sweep, as many epochs as that takes.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u16).range(20..))]
    steps: u16,
    /// Write rates and losses as comma-separated values.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineFlags,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| *rate > 0.0 && rate.is_finite());
    rate.ok_or("expected a number above 0".to_owned())
}

/// Sweeps, and prints the curve and what to write into the recipe.
pub(crate) fn lr_find(options: &LrFind) -> Result<ExitCode, Failure> {
    let document = options.recipe.read()?;
    let rates = rates(options).input()?;
    let machine = options.machine.prepare()?;
    let data = open_data(&document)?;
    let plan = Plan::new(&document, data.facts()).input()?;
    let plan = Plan { learning_rate: one_after_another(&rates)?, ..plan };
    machine.device.check(&plan)?;
    let data = plan.dataset(&data).input()?;
    let sweep = dispatch(
        machine.device,
        plan.precision,
        Sweeping { plan: &plan, data: &data, rates: &rates },
    )?;
    if let Some(path) = &options.csv {
        write_atomic(path, sweep.csv().as_bytes())?;
    }
    let (done, all) = (sweep.points().len(), rates.len());
    print(format_args!("smoothed loss after {done} of {all} steps\n\n{}", sweep.plot()))?;
    let suggestion = sweep.suggestion().context(
        "the loss never fell, so there is nothing to suggest: sweep other rates with --from and --to, or \
         longer with --steps",
    )?;
    let scaling = scaling(&document, data.facts())?;
    print(advice(suggestion, plan.batch_size, scaling.as_ref()))?;
    Ok(ExitCode::SUCCESS)
}

fn rates(options: &LrFind) -> anyhow::Result<Vec<f64>> {
    let LrFind { from, to, steps, .. } = *options;
    ensure!(from < to, "the sweep goes from {from} to {to}: give a --to that is above --from");
    Ok(sweep_rates(from, to, steps.into()))
}

/// One step at each of `rates`.
fn one_after_another(rates: &[f64]) -> Result<Schedule, Failure> {
    let parts = rates.iter().map(|rate| Ok((Schedule::constant(*rate)?, 1)));
    let parts: Vec<(Schedule, u64)> = parts.collect::<Result<_, Failure>>()?;
    Ok(Schedule::sequence(parts, Schedule::constant(0.0)?)?)
}

/// The trick that says how the peak follows from the recipe's own rate, and the peak's share of it.
struct Scaling {
    trick: &'static str,
    factor: f64,
}

fn scaling(document: &Document, facts: &Facts) -> Result<Option<Scaling>, Failure> {
    let recipe = document.recipe();
    let Some(trick) = recipe.tricks.iter().find(|trick| trick.card().slot == Slot::PeakRate) else {
        return Ok(None);
    };
    let alone = Recipe { tricks: vec![trick.clone()], ..recipe.clone() };
    let alone = Document::new("the recipe with its scaling alone", alone.to_string())?;
    let peak = Plan::new(&alone, facts)?.learning_rate.at(0);
    Ok(Some(Scaling { trick: trick.card().name, factor: peak / recipe.optimizer.lr() }))
}

fn advice(suggestion: f64, batch_size: usize, scaling: Option<&Scaling>) -> String {
    let own = two_digits(suggestion / scaling.map_or(1.0, |scaling| scaling.factor));
    let meaning = scaling.map_or(String::new(), |Scaling { trick, factor }| {
        let factor = two_digits(*factor);
        format!(" That is the peak; {trick} multiplies the recipe's rate by {factor} to get there.")
    });
    format!(
        "The loss falls fastest at a learning rate of {}, for batches of {batch_size}.{meaning}\n\
         Write `lr: {own}` in the recipe's optimizer, or try it with `--set optimizer.lr={own}`.\n\
         This is a start and no optimum: try some times more and less, and stay below the rise.",
        two_digits(suggestion)
    )
}

/// What is read off a curve is not known better.
fn two_digits(value: f64) -> f64 {
    format!("{value:.1e}").parse().unwrap_or(value)
}

struct Sweeping<'a> {
    plan: &'a Plan,
    data: &'a Dataset,
    rates: &'a [f64],
}

impl Job for Sweeping<'_> {
    type Output = Sweep;

    fn on<E: Dtype, D: Backend<E>>(self, dev: D) -> Result<Sweep, Failure> {
        let Self { plan, data, rates } = self;
        let mut trainer = Trainer::<E, D>::new(plan, dev)?;
        trainer.prepare(data)?;
        let (mut sweep, mut epoch) = (Sweep::default(), 0);
        loop {
            for batch in data.train_batches(&trainer.loading(epoch), epoch, 0)? {
                let Some(rate) = rates.get(sweep.points().len()) else { return Ok(sweep) };
                match trainer.update(batch?) {
                    Ok(loss) => sweep.push(*rate, loss.into()),
                    Err(Error::Diverged { .. } | Error::Overflow { .. }) => return Ok(sweep),
                    Err(error) => return Err(error.into()),
                }
                if sweep.is_over() {
                    return Ok(sweep);
                }
            }
            epoch += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_says_what_to_write() {
        let scaling = Scaling { trick: "LinearScaling", factor: 0.5 };
        let texts = [advice(0.123, 128, None), advice(0.123, 128, Some(&scaling))];
        insta::assert_snapshot!(texts.join("\n\n"));
    }

    #[test]
    fn each_step_has_its_rate() {
        let rates = sweep_rates(1e-5, 10.0, 30);
        let schedule = one_after_another(&rates).unwrap();
        let found: Vec<f64> = (0..30).map(|step| schedule.at(step)).collect();
        assert_eq!(found, rates);
    }
}
