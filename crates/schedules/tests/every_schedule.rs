//! One table of schedules; its laws and its snapshots run over every row.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;

use trickbag_schedules::{Error, Schedule, Shape, plot};

/// Long enough for every row to reach its end, or to be far below its start.
const STEPS: u64 = 120;

/// A schedule and what it promises.
struct Row {
    name: &'static str,
    schedule: Schedule,
    /// The exact value at step 0.
    first: f64,
    /// A step and the exact value that holds from there to the end of time.
    settled: Option<(u64, f64)>,
    bounds: (f64, f64),
    /// The largest change from one step to the next; `None` where jumps are the point.
    max_jump: Option<f64>,
}

fn rows() -> Result<Vec<Row>, Error> {
    let row = |name, schedule, first, settled, bounds, max_jump| Row {
        name,
        schedule,
        first,
        settled,
        bounds,
        max_jump,
    };
    let cosine = Schedule::cosine(0.4, 0.0, 80)?;
    let saw = Schedule::linear(0.3, 0.1, 20)?;
    Ok(vec![
        row("constant", Schedule::constant(0.1)?, 0.1, Some((0, 0.1)), (0.1, 0.1), Some(0.0)),
        row(
            "linear",
            Schedule::linear(0.1, 0.7, 90)?,
            0.1,
            Some((90, 0.7)),
            (0.1, 0.7),
            Some(0.6 / 89.0),
        ),
        row(
            "polynomial",
            Schedule::polynomial(0.7, 0.1, 2.0, 90)?,
            0.7,
            Some((90, 0.1)),
            (0.1, 0.7),
            Some(2.0 * 0.6 / 90.0),
        ),
        row(
            "cosine",
            Schedule::cosine(0.7, 0.1, 90)?,
            0.7,
            Some((90, 0.1)),
            (0.1, 0.7),
            Some(1.6 * 0.6 / 90.0),
        ),
        row(
            "exponential",
            Schedule::exponential(0.3, 0.1, 50)?,
            0.3,
            Some((u64::MAX / 2, 0.0)),
            (0.0, 0.3),
            Some(0.3 * 0.05),
        ),
        row(
            "step",
            Schedule::step(0.8, 0.5, 30)?,
            0.8,
            Some((u64::MAX / 2, 0.0)),
            (0.0, 0.8),
            None,
        ),
        row(
            "multi_step",
            Schedule::multi_step(0.8, 0.5, vec![20, 60, 70])?,
            0.8,
            Some((70, 0.1)),
            (0.1, 0.8),
            None,
        ),
        row(
            "triangle",
            Schedule::one_cycle(Shape::Linear, 0.2, 1.0, 0.05, 30, 80)?,
            0.2,
            Some((110, 0.05)),
            (0.05, 1.0),
            Some(0.8 / 29.0),
        ),
        row(
            "one_cycle",
            Schedule::one_cycle(Shape::Cosine, 0.2, 1.0, 0.05, 30, 80)?,
            0.2,
            Some((110, 0.05)),
            (0.05, 1.0),
            Some(1.6 * 0.8 / 30.0),
        ),
        row(
            "warm_restarts_equal",
            Schedule::warm_restarts(0.4, 0.1, 30, 1)?,
            0.4,
            None,
            (0.1, 0.4),
            None,
        ),
        row(
            "warm_restarts_doubling",
            Schedule::warm_restarts(0.4, 0.1, 15, 2)?,
            0.4,
            None,
            (0.1, 0.4),
            None,
        ),
        row(
            "warmup_cosine",
            cosine.clone().with_warmup(20, 0.0)?,
            0.0,
            Some((100, 0.0)),
            (0.0, 0.4),
            Some(0.4 / 19.0),
        ),
        row(
            "sequence",
            Schedule::sequence(vec![(saw.clone(), 20), (saw, 40)], Schedule::constant(0.2)?)?,
            0.3,
            Some((60, 0.2)),
            (0.1, 0.3),
            None,
        ),
        row(
            "product",
            Schedule::product(vec![cosine.clone(), Schedule::linear(0.5, 1.0, 80)?])?,
            0.2,
            Some((80, 0.0)),
            (0.0, 0.4),
            Some(0.01),
        ),
        row("scaled", cosine.scaled(10.0)?, 4.0, Some((80, 0.0)), (0.0, 4.0), Some(0.08)),
    ])
}

/// The run, its surroundings, and the ends of time.
fn steps() -> impl Iterator<Item = u64> {
    let powers = (0..64).map(|bit| 1 << bit);
    (0..3 * STEPS).chain(powers).chain(u64::MAX - 3..=u64::MAX)
}

fn check(law: impl Fn(&Row)) {
    rows().unwrap().iter().for_each(law);
}

#[test]
fn values_stay_within_their_bounds() {
    check(|row| {
        let (low, high) = row.bounds;
        assert!(high <= row.schedule.upper_bound(), "{}", row.name);
        for step in steps() {
            let value = row.schedule.at(step);
            assert!((low..=high).contains(&value), "{} at {step}: {value}", row.name);
        }
    });
}

#[test]
fn ends_are_exact() {
    check(|row| {
        assert_eq!(row.schedule.at(0), row.first, "{}", row.name);
        let Some((end, last)) = row.settled else { return };
        for step in [end, end + 1, end + STEPS, u64::MAX - 1, u64::MAX] {
            assert_eq!(row.schedule.at(step), last, "{} at {step}", row.name);
        }
    });
}

#[test]
fn continuous_schedules_do_not_jump() {
    check(|row| {
        let Some(max_jump) = row.max_jump else { return };
        for step in 0..3 * STEPS {
            let jump = (row.schedule.at(step + 1) - row.schedule.at(step)).abs();
            assert!(jump <= max_jump, "{} jumps by {jump} after step {step}", row.name);
        }
    });
}

#[test]
fn saving_and_loading_changes_no_bit_in_any_order() {
    check(|row| {
        let saved = ron::to_string(&row.schedule).unwrap();
        let loaded: Schedule = ron::from_str(&saved).unwrap();
        let forwards: Vec<u64> = steps().map(|step| row.schedule.at(step).to_bits()).collect();
        let mut steps: Vec<u64> = steps().collect();
        steps.reverse();
        let backwards = steps.iter().map(|step| loaded.at(*step).to_bits());
        assert!(backwards.rev().eq(forwards), "{}", row.name);
    });
}

#[test]
fn warm_restarts_begin_on_the_very_step() {
    for (period, multiplier) in [(1, 2), (10, 2), (7, 3), (3, 10), (5, u64::MAX)] {
        let schedule = Schedule::warm_restarts(1.0, 0.0, period, multiplier).unwrap();
        let mut start: u64 = 0;
        let mut length = period;
        while let Some(next) = start.checked_add(length) {
            assert_eq!(schedule.at(next), 1.0, "{period} x {multiplier} at {next}");
            assert!(length == 1 || schedule.at(next - 1) < 1.0, "{period} x {multiplier}");
            start = next;
            length = length.saturating_mul(multiplier);
        }
    }
}

#[test]
fn snapshots() {
    check(|row| insta::assert_snapshot!(row.name, portrait(&row.schedule)));
}

/// What is written, what is drawn, and the numbers.
fn portrait(schedule: &Schedule) -> String {
    let mut text = format!("{}\n\n", ron::to_string(schedule).unwrap());
    text += &plot(schedule, STEPS, 60, 8);
    text.push('\n');
    for step in (0..=STEPS).step_by(10).chain([u64::MAX]) {
        writeln!(text, "{step:>20} {:.12}", schedule.at(step)).unwrap();
    }
    text
}
