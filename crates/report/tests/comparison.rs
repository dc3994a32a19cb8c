//! Runs beside each other, and the curves they are drawn with.

use trickbag_report::{
    Axis, ComparedRun, Curve, Ending, EpochRecord, comparison_csv, comparison_page, plot,
};

#[test]
fn runs_stand_beside_each_other() {
    let runs = [
        run("1", &[("optimizer.lr", "0.1"), ("seed", "1")], 8, Some(Ending::Finished)),
        run("2", &[("optimizer.lr", "0.2"), ("seed", "1"), ("tricks[ZeroGamma]", "on")], 5, None),
        run("3", &[("optimizer.lr", "9"), ("seed", "1")], 0, Some(Ending::Diverged(7))),
    ];
    insta::assert_snapshot!(comparison_page(&runs));
    insta::assert_snapshot!(
        "csv",
        comparison_csv(&runs[..1]).lines().take(3).collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn equal_settings_are_said_to_be_equal() {
    let runs = ["1", "2"].map(|number| run(number, &[("seed", "1")], 0, None));
    let page = comparison_page(&runs);
    assert!(page.contains("The settings are the same."), "{page}");
    assert!(page.contains("nothing to draw"), "{page}");
}

#[test]
fn odd_curves_are_drawn_as_far_as_they_go() {
    let curve = |mark, points: &[[f64; 2]]| Curve { mark, points: points.to_vec() };
    let cases = [
        (Axis::Linear, vec![]),
        (Axis::Linear, vec![curve('A', &[[1.0, f64::NAN]])]),
        (Axis::Linear, vec![curve('A', &[[1.0, 2.0]])]),
        (Axis::Linear, vec![curve('A', &[[1.0, 1.0], [2.0, f64::NAN], [3.0, 3.0]])]),
        (Axis::Linear, vec![curve('A', &[[1.0, 1.0], [9.0, 1.0]]), curve('B', &[[5.0, 3.0]])]),
        (Axis::Logarithmic, vec![curve('A', &[[1e-5, 2.3], [1e-2, 0.2], [10.0, 4.0]])]),
    ];
    let texts = cases.map(|(axis, curves)| plot(&curves, axis, "epoch", [21, 4]));
    insta::assert_snapshot!(texts.join("\n"));
}

fn run(
    number: &str,
    settings: &[(&str, &str)],
    epochs: u64,
    ending: Option<Ending>,
) -> ComparedRun {
    let rate: f64 = number.parse().unwrap_or(1.0);
    let epoch = |epoch| EpochRecord {
        epoch,
        step: 100 * epoch,
        train_loss: 0.3,
        train_top1: 0.7,
        val_loss: 2.3 * (-rate * epoch as f64 / 4.0).exp(),
        val_top1: 1.0 - 0.9 * (-rate * epoch as f64 / 4.0).exp(),
        learning_rate: 0.1,
        seconds: 10.0,
        eval_seconds: 1.0,
        images_per_second: 1000.0,
        loss_scale: None,
    };
    ComparedRun {
        folder: format!("runs/digits/{number}"),
        settings: settings
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect(),
        epochs: (1..=epochs).map(epoch).collect(),
        ending,
    }
}
