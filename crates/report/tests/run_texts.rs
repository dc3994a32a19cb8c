//! The lines and the closing page that a person reads.

use std::{path::Path, time::Duration};
use trickbag_report::{
    EpochRecord, LossScale, Progress, RunFacts, StepRecord, Summary, epoch_line, progress_line,
    result_page,
};

#[test]
fn progress_lines_keep_their_columns() {
    let line = |epoch, step, loss, top1, learning_rate, images_per_second, left| {
        let loss_scale = None;
        let record =
            StepRecord { step, epoch, loss, top1, learning_rate, images_per_second, loss_scale };
        let time_left = Duration::from_secs(left);
        progress_line(&Progress { record: &record, epochs: 30, steps: 11_700, time_left })
    };
    insta::assert_snapshot!(
        [
            line(1, 1, std::f64::consts::LN_10, Some(0.09375), 0.0, 3.4, 187_200),
            line(1, 50, 1.9, Some(0.25), 0.4 * 49.0 / 6255.0, 748.0, 11_100),
            line(12, 4680, 0.05, Some(1.0), 0.1, 12_345.6, 252),
            line(30, 11_699, 0.000_12, None, 1e-7, 748.0, 1),
            line(30, 11_700, f64::NAN, Some(0.1), 0.0, 748.0, 0),
        ]
        .join("\n")
    );
}

#[test]
fn epoch_lines_keep_their_columns() {
    let line = |epoch, train: (f64, f64), val: (f64, f64), learning_rate, seconds| {
        let record = EpochRecord {
            epoch,
            step: 132 * epoch,
            train_loss: train.0,
            train_top1: train.1,
            val_loss: val.0,
            val_top1: val.1,
            learning_rate,
            seconds,
            eval_seconds: 0.5,
            images_per_second: 8500.0 / seconds,
            loss_scale: (epoch == 9).then_some(LossScale { factor: 65536.0, overflows: 3 }),
        };
        epoch_line(&record, 10)
    };
    insta::assert_snapshot!(
        [
            line(1, (0.8012, 0.0912), (0.4, 0.1), 0.1, 8.0),
            line(9, (0.02, 0.9987), (0.031, 0.988), 0.004_894, 7.6),
            line(10, (f64::INFINITY, 0.1), (f64::NAN, 1.0), 0.0, 75.0),
        ]
        .join("\n")
    );
}

#[test]
fn result_page_tells_what_came_of_it() {
    let run = RunFacts {
        recipe: "mnist".into(),
        recipe_hash: "5e884898".into(),
        seed: 1,
        parameters: 25_557_032,
        device: "cpu".into(),
        precision: "F32".into(),
        threads: 2,
        version: "0.1.0".into(),
    };
    let summary = Summary {
        run,
        top1: 0.9873,
        loss: 0.0431,
        best_top1: 0.988,
        best_epoch: 7,
        epochs: 8,
        train_seconds: 62.4,
        images_per_second: 1096.6,
        peak_rss_bytes: Some(412_400_000),
    };
    let unknown = Summary { peak_rss_bytes: None, ..summary.clone() };
    let run_dir = Path::new("runs/mnist/1");
    let pages = [&summary, &unknown].map(|summary| result_page(summary, run_dir));
    insta::assert_snapshot!(pages.join("\n\n"));
}
