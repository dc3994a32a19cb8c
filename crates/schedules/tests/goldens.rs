//! Schedules against PyTorch's schedulers, and against a published training log.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use trickbag_schedules::{Error, Schedule, Shape};

#[derive(serde::Deserialize)]
struct Goldens {
    rates: BTreeMap<String, Vec<f64>>,
}

/// The schedule for each name in `goldens/generate.py`.
fn twins() -> Result<BTreeMap<&'static str, Schedule>, Error> {
    let cosine = Schedule::cosine(0.4, 0.0, 50)?;
    let stairs = Schedule::multi_step(0.4, 0.5, vec![10, 20])?.with_warmup(5, 0.04)?;
    Ok(BTreeMap::from([
        ("constant", Schedule::constant(0.1)?),
        ("linear", Schedule::linear(0.2, 0.02, 40)?),
        ("polynomial", Schedule::polynomial(0.1, 0.0, 2.0, 50)?),
        ("polynomial, root", Schedule::polynomial(0.1, 0.0, 0.5, 50)?),
        ("cosine", Schedule::cosine(0.4, 0.0, 59)?),
        ("cosine, floor", Schedule::cosine(0.4, 0.01, 59)?),
        ("exponential", Schedule::exponential(0.1, 0.9, 1)?),
        ("step", Schedule::step(0.1, 0.1, 7)?),
        ("multi-step", Schedule::multi_step(0.1, 0.3, vec![10, 25, 26])?),
        ("one-cycle, linear", Schedule::one_cycle(Shape::Linear, 0.04, 0.4, 0.0004, 14, 45)?),
        ("one-cycle, cosine", Schedule::one_cycle(Shape::Cosine, 0.04, 0.4, 0.0004, 14, 45)?),
        ("warm restarts, equal", Schedule::warm_restarts(0.1, 0.001, 8, 1)?),
        ("warm restarts, doubling", Schedule::warm_restarts(0.1, 0.001, 8, 2)?),
        ("warm restarts, tripling", Schedule::warm_restarts(0.1, 0.0, 4, 3)?),
        ("warmup, cosine", cosine.with_warmup(9, 0.004)?),
        (
            "warmup, multi-step, exponential",
            Schedule::sequence(vec![(stairs, 35)], Schedule::exponential(0.4, 0.95, 1)?)?,
        ),
        (
            "product",
            Schedule::product(vec![
                Schedule::linear(0.2, 1.0, 10)?,
                Schedule::exponential(0.1, 0.9, 1)?,
            ])?,
        ),
    ]))
}

#[test]
fn every_rate_is_pytorchs() {
    let goldens: Goldens = serde_json::from_str(include_str!("goldens/pytorch.json")).unwrap();
    let twins = twins().unwrap();
    assert!(twins.keys().eq(goldens.rates.keys()), "one twin for each golden");
    for (name, rates) in &goldens.rates {
        for (step, golden) in rates.iter().enumerate() {
            let ours = twins[name.as_str()].at(step as u64);
            assert!(
                (ours - golden).abs() <= 1e-12 * golden.abs(),
                "{name}, step {step}: {ours:e}, PyTorch has {golden:e}"
            );
        }
    }
}

/// Gluon's ResNet-50-v1d: batch 1024, rate 0.4, 5 epochs of 1251 updates of warmup.
#[test]
fn warmup_prints_the_rates_of_the_published_log() {
    let lr = Schedule::cosine(0.4, 0.0, 115 * 1251).unwrap().with_warmup(5 * 1251, 0.0).unwrap();
    for (update, printed) in [(49, "0.003133"), (99, "0.006331"), (149, "0.009528")] {
        assert_eq!(format!("{:.6}", lr.at(update)), printed, "update {update}");
    }
}
