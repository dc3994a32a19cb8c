//! Plain gradient descent whose learning rate warms up and then follows a cosine, without any
//! tensor library: minimises an ill-conditioned quadratic and prints what happens.
#![allow(clippy::print_stdout)]

use trickbag_schedules::{Clock, Duration, Error, Schedule, plot};

const CLOCK: Clock = Clock { steps_per_epoch: 20, total_steps: 200 };

fn main() -> Result<(), Error> {
    let lr = warmup_then_cosine(0.19)?;
    println!("{}", plot(&lr, CLOCK.total_steps, 60, 8));
    for (step, loss) in descend(&lr).iter().enumerate().step_by(25) {
        println!("step {step:3}  lr {:.4}  loss {loss:.2e}", lr.at(step as u64));
    }
    Ok(())
}

/// One epoch of warmup from 0, then a cosine to 0 over the rest of the run.
fn warmup_then_cosine(peak: f64) -> Result<Schedule, Error> {
    let warmup = Duration::Epochs(1.0).resolve(&CLOCK)?;
    Schedule::cosine(peak, 0.0, CLOCK.total_steps - warmup)?.with_warmup(warmup, 0.0)
}

/// The loss `(10 x^2 + y^2) / 2` before each update.
fn descend(lr: &Schedule) -> Vec<f64> {
    let (mut x, mut y) = (1.0, 1.0);
    let mut losses = Vec::new();
    for step in 0..CLOCK.total_steps {
        losses.push((10.0 * x * x + y * y) / 2.0);
        x -= lr.at(step) * 10.0 * x;
        y -= lr.at(step) * y;
    }
    losses
}

#[test]
fn the_loss_falls_to_nothing() {
    let losses = descend(&warmup_then_cosine(0.19).unwrap());
    assert_eq!(losses[0], losses[1], "the first update has a rate of 0");
    assert!(losses[199] < 1e-12, "the last loss is {}", losses[199]);
}
