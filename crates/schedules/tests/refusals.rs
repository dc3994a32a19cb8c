//! What is refused, by constructors and when reading alike, and with which words.
#![allow(clippy::unwrap_used, clippy::panic)]

use trickbag_schedules::Schedule;

/// Written schedules that cannot be, each once.
const IMPOSSIBLE: [&str; 30] = [
    "Constant(-0.1)",
    "Constant(NaN)",
    "Linear(from: inf, to: 0.0, steps: 10)",
    "Linear(from: 0.1, to: -0.1, steps: 10)",
    "Linear(from: 0.1, to: 0.0, steps: 0)",
    "Polynomial(from: 0.1, to: 0.0, power: 0.0, steps: 10)",
    "Polynomial(from: 0.1, to: 0.0, power: inf, steps: 10)",
    "Polynomial(from: 0.1, to: 0.0, power: 2.0, steps: 0)",
    "Cosine(from: NaN, to: 0.0, steps: 10)",
    "Cosine(from: 0.1, to: 0.0, steps: 0)",
    "Exponential(from: 0.1, rate: 1.1, steps: 10)",
    "Exponential(from: 0.1, rate: 0.9, steps: 0)",
    "Step(from: 0.1, factor: 0.0, every: 10)",
    "Step(from: 0.1, factor: 0.1, every: 0)",
    "MultiStep(from: 0.1, factor: NaN, milestones: [10])",
    "MultiStep(from: 0.1, factor: 0.1, milestones: [])",
    "MultiStep(from: 0.1, factor: 0.1, milestones: [0, 10])",
    "MultiStep(from: 0.1, factor: 0.1, milestones: [10, 30, 20])",
    "MultiStep(from: 0.1, factor: 0.1, milestones: [10, 10])",
    "OneCycle(shape: Linear, from: 0.1, peak: -1.0, to: 0.0, rise: 5, fall: 5)",
    "OneCycle(shape: Linear, from: 0.1, peak: 1.0, to: 0.0, rise: 0, fall: 5)",
    "OneCycle(shape: Cosine, from: 0.1, peak: 1.0, to: 0.0, rise: 5, fall: 0)",
    "WarmRestarts(from: 0.1, to: 0.0, period: 0, multiplier: 2)",
    "WarmRestarts(from: 0.1, to: 0.0, period: 10, multiplier: 0)",
    "Warmup(from: -1.0, steps: 5, then: Constant(0.1))",
    "Warmup(from: 0.0, steps: 0, then: Constant(0.1))",
    "Sequence(parts: [], last: Constant(0.1))",
    "Sequence(parts: [(Constant(0.1), 0)], last: Constant(0.1))",
    "Product([])",
    "Product([Constant(1e200), Constant(1e200)])",
];

/// The parts of a composed schedule are checked too, and unknown names are not passed over.
const MISTYPED: [&str; 3] = [
    "Warmup(from: 0.0, steps: 5, then: Cosine(from: 0.1, to: 0.0, steps: 0))",
    "Cosine(from: 0.1, to: 0.0, steps: 10, min: 0.0)",
    "Cosinus(from: 0.1, to: 0.0, steps: 10)",
];

#[test]
fn impossible_schedules_say_what_to_do() {
    let messages: Vec<String> =
        IMPOSSIBLE.iter().chain(&MISTYPED).map(|text| refusal(text)).collect();
    insta::assert_snapshot!(messages.join("\n"));
}

fn refusal(text: &str) -> String {
    match ron::from_str::<Schedule>(text) {
        Ok(schedule) => panic!("{text} was read as {schedule:?}"),
        Err(error) => format!("{text}\n    {error}"),
    }
}
