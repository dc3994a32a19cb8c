//! The search for a learning rate on losses with a known shape.

use trickbag_report::{Sweep, sweep_rates};

/// A sweep over `loss`, a function of the learning rate.
fn sweep(steps: usize, loss: impl Fn(f64) -> f64) -> Sweep {
    let mut sweep = Sweep::default();
    for rate in sweep_rates(1e-5, 10.0, steps) {
        sweep.push(rate, loss(rate));
        if sweep.is_over() {
            break;
        }
    }
    sweep
}

#[test]
fn rates_rise_by_equal_factors() {
    let rates = sweep_rates(1e-5, 10.0, 7);
    for (found, expected) in rates.iter().zip([1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0]) {
        assert!((found / expected - 1.0).abs() < 1e-12, "{found} is not {expected}");
    }
    assert_eq!((rates[0], rates[6]), (1e-5, 10.0));
}

#[test]
fn smoothing_is_corrected_at_its_start() {
    let constant = sweep(50, |_| 2.0);
    assert_eq!(constant.points().len(), 50);
    assert!(constant.points().iter().all(|point| (point.smoothed - 2.0).abs() < 1e-12));
    let mut two = Sweep::default();
    two.push(0.1, 1.0);
    two.push(0.2, 2.0);
    // (0.9 * 0.1 * 1 + 0.1 * 2) / (1 - 0.81)
    assert!((two.points()[1].smoothed - 0.29 / 0.19).abs() < 1e-12);
}

#[test]
fn suggests_where_the_loss_falls_and_not_where_it_does_not() {
    // A fall around 1e-2, and a rise after 1.
    let valley = sweep(100, |rate| 0.3 + 2.0 / (1.0 + (rate / 1e-2).powi(2)) + rate.powi(3));
    let found = valley.suggestion().unwrap_or(0.0);
    assert!((1e-2..4e-2).contains(&found), "{found}");
    assert!(valley.is_over() && valley.points().len() < 100);
    insta::assert_snapshot!(valley.plot());
    assert!(
        valley.csv().starts_with("learning_rate,loss,smoothed\n0.00001,2.29"),
        "{}",
        valley.csv()
    );

    assert_eq!(sweep(100, |rate| 1.0 + rate).suggestion(), None);
    assert_eq!(sweep(13, |rate| 1.0 / rate).suggestion(), None);
    assert!(sweep(14, |rate| 1.0 / rate).suggestion().is_some());
}

#[test]
fn ends_at_a_loss_that_is_no_number() {
    let check = |loss: f64, expected| {
        let mut sweep = Sweep::default();
        sweep.push(0.1, 1.0);
        sweep.push(0.2, loss);
        assert_eq!(sweep.is_over(), expected, "{loss}");
    };
    check(1.5, false);
    check(f64::NAN, true);
    check(f64::INFINITY, true);
    check(1e3, true);
    assert!(!Sweep::default().is_over());
}
