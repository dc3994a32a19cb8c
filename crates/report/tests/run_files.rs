//! The files of a run: nothing is lost by a kill, a full disk or a number that JSON lacks.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};
use trickbag_report::{
    EpochRecord, Error, LossScale, MetricsFile, Record, RunFacts, StepRecord, Summary, read,
    write_atomic,
};

#[test]
fn what_is_appended_is_read() {
    let check = |records: &[Record]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut file = MetricsFile::create(&path).unwrap();
        for (done, record) in records.iter().enumerate() {
            file.append(record).unwrap();
            // Compared as text, because NaN differs from itself.
            assert_eq!(format!("{:?}", read(&path).unwrap()), format!("{:?}", &records[..=done]));
        }
    };
    check(&[step(1), step(2), epoch(1, 2), step(3), step(4), epoch(2, 4)]);
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1 + 0.2, f64::MIN_POSITIVE, -0.0] {
        check(&[Record::Step(StepRecord { loss: odd, top1: Some(odd), ..step_record(1) })]);
        check(&[Record::Epoch(EpochRecord { val_loss: odd, ..epoch_record(1, 2) })]);
    }
    check(&[Record::Step(StepRecord { top1: None, ..step_record(u64::MAX) })]);
    let loss_scale = Some(LossScale { factor: 32768.0, overflows: 1 });
    check(&[Record::Step(StepRecord { loss_scale, ..step_record(1) })]);
    check(&[Record::Epoch(EpochRecord { loss_scale, ..epoch_record(1, 2) })]);
}

#[test]
fn lines_look_like_this() {
    let diverged = StepRecord { loss: f64::NAN, top1: None, ..step_record(3) };
    insta::assert_snapshot!(metrics_text(&[step(1), epoch(1, 2), Record::Step(diverged)]));
}

#[test]
fn resuming_keeps_what_the_checkpoint_has_seen() {
    let whole = metrics_text(&[step(1), step(2), epoch(1, 2), step(3)]);
    let check = |text: &str, after_step, kept: &[Record]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        fs::write(&path, text).unwrap();
        let mut file = MetricsFile::resume(&path, after_step).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), metrics_text(kept));
        file.append(&step(9)).unwrap();
        assert_eq!(read(&path).unwrap(), [kept, &[step(9)]].concat());
        assert_eq!(names(folder.path()), ["metrics.jsonl"]);
    };
    check(&whole, 9, &[step(1), step(2), epoch(1, 2), step(3)]);
    check(&whole, 2, &[step(1), step(2), epoch(1, 2)]);
    check(&whole, 1, &[step(1)]);
    check(&whole, 0, &[]);
    check("", 5, &[]);
    for torn in [1, 20, whole.lines().last().unwrap().len()] {
        check(&whole[..whole.len() - torn], 9, &[step(1), step(2), epoch(1, 2)]);
    }
}

/// A limit on file sizes stands in for a full disk: writes fail half-way in the same manner. It
/// holds for a whole process, so the test runs itself again under it.
#[cfg(unix)]
#[test]
fn a_full_disk_loses_nothing() {
    const LIMITED: &str = "TRICKBAG_TEST_FILE_SIZE_LIMITED";
    if std::env::var_os(LIMITED).is_none() {
        let limited = std::process::Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$0\" --exact \"$1\""])
            .arg(std::env::current_exe().unwrap())
            .arg("a_full_disk_loses_nothing")
            .env(LIMITED, "yes")
            .output()
            .unwrap();
        assert!(limited.status.success(), "{}", String::from_utf8_lossy(&limited.stdout));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let mut file = MetricsFile::create(&path).unwrap();
    let full = (1..).find(|&number| file.append(&step(number)).is_err()).unwrap();
    assert!(matches!(file.append(&step(full)), Err(Error::Write { .. })));
    assert_eq!(read(&path).unwrap(), (1..full).map(step).collect::<Vec<_>>());
    assert!(fs::read(&path).unwrap().ends_with(b"\n"));

    let path = folder.path().join("summary.json");
    write_atomic(&path, b"old").unwrap();
    assert!(matches!(write_atomic(&path, &[b' '; 8192]), Err(Error::Write { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["metrics.jsonl", "summary.json"]);
}

#[test]
fn replacing_a_file_is_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("summary.json");
    write_atomic(&path, b"old").unwrap();
    write_atomic(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");

    fs::create_dir(folder.path().join("summary.json.tmp")).unwrap();
    assert!(matches!(write_atomic(&path, b"newer"), Err(Error::Write { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn a_summary_sums_over_epochs() {
    let fast = EpochRecord { seconds: 1.0, images_per_second: 400.0, ..epoch_record(1, 2) };
    let slow = EpochRecord { seconds: 3.0, images_per_second: 200.0, ..epoch_record(2, 4) };
    let slow = EpochRecord { val_top1: 0.5, val_loss: 2.0, ..slow };
    let records = [step(1), Record::Epoch(fast), step(3), Record::Epoch(slow), step(5)];
    let summary = Summary::from_records(facts(), &records, Some(412_000_000)).unwrap();
    assert_eq!((summary.train_seconds, summary.images_per_second), (4.0, 250.0));
    assert_eq!((summary.top1, summary.loss, summary.epochs), (0.5, 2.0, 2));
    assert_eq!((summary.best_top1, summary.best_epoch), (0.75, 1));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("summary.json");
    summary.write(&path).unwrap();
    assert_eq!(Summary::read(&path).unwrap(), summary);
    assert_eq!(names(folder.path()), ["summary.json"]);
    insta::assert_snapshot!(fs::read_to_string(&path).unwrap());
}

#[test]
fn errors_say_where_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let mut messages = Vec::new();
    let mut note = |error: Error| {
        let folder = format!("{}/", folder.path().display());
        messages.push(error.to_string().replace(&folder, ""));
    };

    note(read(&path).unwrap_err());
    note(MetricsFile::resume(&path, 0).unwrap_err());
    note(MetricsFile::create(&path.join("none/metrics.jsonl")).unwrap_err());
    note(Summary::from_records(facts(), &[step(1)], None).unwrap_err());
    MetricsFile::create(&path).unwrap();
    note(MetricsFile::create(&path).unwrap_err());

    let good = metrics_text(&[step(1)]);
    for bad in [
        &good[..30],
        "{}",
        r#"{"record":"batch","step":1}"#,
        r#"{"record":"step","step":1}"#,
        &good.replace("0.25", "null"),
        &good.replace("0.25", "\"nan\""),
        &good.replace("epoch", "epok"),
    ] {
        fs::write(&path, format!("{good}{}\n{good}", bad.trim_end())).unwrap();
        note(read(&path).unwrap_err());
    }
    fs::write(&path, "{\n}").unwrap();
    note(Summary::read(&path).unwrap_err());
    insta::assert_snapshot!(messages.join("\n\n"));
}

fn metrics_text(records: &[Record]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let mut file = MetricsFile::create(&path).unwrap();
    for record in records {
        file.append(record).unwrap();
    }
    fs::read_to_string(&path).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn step(step: u64) -> Record {
    Record::Step(step_record(step))
}

fn step_record(step: u64) -> StepRecord {
    let (loss, top1) = (0.25, Some(0.5));
    let loss_scale = None;
    StepRecord {
        step,
        epoch: 1,
        loss,
        top1,
        learning_rate: 0.1,
        images_per_second: 1000.5,
        loss_scale,
    }
}

fn epoch(epoch: u64, step: u64) -> Record {
    Record::Epoch(epoch_record(epoch, step))
}

fn epoch_record(epoch: u64, step: u64) -> EpochRecord {
    EpochRecord {
        epoch,
        step,
        train_loss: 0.3,
        train_top1: 0.7,
        val_loss: 0.25,
        val_top1: 0.75,
        learning_rate: 0.1,
        seconds: 2.0,
        eval_seconds: 0.5,
        images_per_second: 1000.0,
        loss_scale: None,
    }
}

fn facts() -> RunFacts {
    RunFacts {
        recipe: "mnist".into(),
        recipe_hash: "5e884898".into(),
        seed: 1,
        parameters: 77_754,
        device: "cpu".into(),
        precision: "F32".into(),
        threads: 2,
        version: "0.1.0".into(),
    }
}
