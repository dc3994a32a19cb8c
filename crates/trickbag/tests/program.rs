//! The program as a user meets it: what it makes of bad input, of being killed, and of success.
#![allow(clippy::unwrap_used, clippy::panic)]

mod place;

use std::fs;
use std::process::{Command, Stdio};

use place::{Place, stderr, wait_for};

const RECIPE: &str = r#"Recipe(
    name: "tiny", seed: 3, data: Idx(path: "digits"), augment: [PadCrop(2)],
    model: ResNet(depth: 8, stem: Cifar, width: 4),
    batch_size: 20, epochs: 2,
    optimizer: Sgd(lr: 0.05, momentum: 0.9),
)"#;

/// Updates of an epoch of [`RECIPE`], each of which gives a record, as does the epoch's end.
const STEPS: usize = 100;

/// Runs `recipe` and expects exit code `code` and each of `said` in the message.
fn refuses(place: &Place, arguments: &[&str], code: i32, said: &[&str]) {
    let output = place.run(arguments);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(message.contains("error: "), "{message}");
    for part in said {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn trains_to_the_end_and_leaves_a_whole_run_folder() {
    let place = Place::new(RECIPE);
    let output = place.run(&["--set", "epochs=1", "--threads", "1"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("top-1"));
    assert!(stderr(&output).contains("epoch 1/1"), "{}", stderr(&output));
    let run = place.path("runs/tiny/1");
    let files = [
        "recipe.ron",
        "plan.txt",
        "metrics.jsonl",
        "summary.json",
        "checkpoints/last.safetensors",
        "checkpoints/best.safetensors",
        "checkpoints/model.safetensors",
    ];
    for file in files {
        assert!(fs::metadata(run.join(file)).unwrap().len() > 0, "{file}");
    }
    let summary: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(run.join("summary.json")).unwrap()).unwrap();
    let fields = [
        "top1",
        "loss",
        "epochs",
        "train_seconds",
        "images_per_second",
        "peak_rss_bytes",
        "parameters",
        "recipe_hash",
    ];
    for field in fields {
        assert!(!summary[field].is_null(), "{field} in {summary}");
    }
    assert_eq!(summary["epochs"], 1);
    assert!(fs::read_to_string(run.join("recipe.ron")).unwrap().contains("epochs: 1"));

    refuses(&place, &["--resume"], 2, &["is finished"]);
    let quiet = place.run(&["--set", "epochs=1", "--quiet"]);
    assert_eq!(stderr(&quiet), "");
    assert!(place.path("runs/tiny/2/summary.json").exists());
}

#[test]
fn trains_in_16_bits() {
    let check = |format: &str, shown: &str| {
        let place = Place::new(RECIPE);
        let tricks = format!("tricks=[Precision({format})]");
        let output = place.run(&["--set", "epochs=1", "--set", &tricks]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stderr(&output).contains(shown), "{}", stderr(&output));
        let plan = fs::read_to_string(place.path("runs/tiny/1/plan.txt")).unwrap();
        assert!(plan.contains(&format!("format         {format}")), "{plan}");
        assert!(place.path("runs/tiny/1/summary.json").exists());
    };
    check("Bf16", "epoch 1/1");
    check("F16", "  overflows ");
}

#[test]
fn explains_without_training() {
    let place = Place::new(RECIPE);
    let output = place.command(&["explain", "tiny.ron"]).output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("2 epochs"));
    assert!(!place.path("runs").exists());
}

#[test]
fn refuses_bad_recipes_and_flags() {
    let cases: [(&str, &str, &[&str], &[&str]); 8] = [
        ("epochs: 2", "epoch: 2", &[], &["tiny.ron:4:", "`epoch`", "did you mean `epochs`"]),
        ("batch_size: 20", "batch_size: 2001", &[], &["tiny.ron:4:", "2001", "2000"]),
        (
            "Idx(path: \"digits\")",
            "ImageFolder(path: \"absent\", size: 32)",
            &[],
            &["absent", "train"],
        ),
        ("", "", &["--set", "batch_sise=64"], &["--set batch_sise=64", "`batch_size`"]),
        ("", "", &["--device", "cuda"], &["CUDA"]),
        ("", "", &["--device", "tpu"], &["tpu", "cuda:N"]),
        ("", "", &["--resume"], &["no run to resume"]),
        ("", "", &["--threads", "0"], &["--threads"]),
    ];
    for (found, replaced, arguments, said) in cases {
        let place = Place::new(&RECIPE.replace(found, replaced));
        if arguments.contains(&"cuda") && cfg!(feature = "cuda") {
            continue;
        }
        refuses(&place, arguments, 2, said);
        assert!(!place.path("runs").exists(), "{arguments:?}");
    }
    let place = Place::new(RECIPE);
    let output = place.command(&["run", "absent.ron"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("absent.ron"));
}

#[test]
fn names_a_truncated_image_and_skips_it_when_asked_to() {
    let recipe = r#"Recipe(
        name: "tiny", seed: 1, data: ImageFolder(path: "images", size: 16),
        model: ResNet(depth: 8, stem: Cifar, width: 2),
        batch_size: 4, epochs: 1, optimizer: Sgd(lr: 0.01),
    )"#;
    let place = Place::new(recipe);
    for (split, class) in [("train", "a"), ("train", "b"), ("val", "a"), ("val", "b")] {
        let folder = place.path("images").join(split).join(class);
        fs::create_dir_all(&folder).unwrap();
        for number in 0..4_u8 {
            let colour = image::Rgb([number * 40, 255 - number * 40, class.as_bytes()[0]]);
            let image = image::RgbImage::from_pixel(16, 16, colour);
            image.save(folder.join(format!("{number}.jpg"))).unwrap();
        }
    }
    let victim = place.path("images/train/b/2.jpg");
    let whole = fs::read(&victim).unwrap();
    fs::write(&victim, &whole[..whole.len() * 2 / 3]).unwrap();
    refuses(&place, &[], 2, &["2.jpg", "Skip"]);

    let output = place.run(&["--set", "data.on_error=Skip"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("2.jpg"));
}

#[test]
fn an_unwritable_run_folder_is_an_error_before_training() {
    let place = Place::new(RECIPE);
    fs::write(place.path("runs"), "a file where the folder should be").unwrap();
    refuses(&place, &[], 1, &["run folder", "runs"]);
    assert_eq!(fs::read(place.path("runs")).unwrap(), b"a file where the folder should be");
}

#[test]
fn a_diverging_training_fails_with_an_explanation() {
    let place = Place::new(RECIPE);
    refuses(&place, &["--set", "optimizer.lr=1e30"], 1, &["diverged", "learning rate"]);
    assert!(place.path("runs/tiny/1/metrics.jsonl").exists());
}

#[test]
fn refuses_the_checkpoint_of_another_model_and_keeps_it() {
    let [place, other] = [RECIPE, &RECIPE.replace("width: 4", "width: 8")].map(Place::new);
    for place in [&place, &other] {
        kill_after(place, &[], STEPS + 2);
    }
    let checkpoint = |place: &Place| place.path("runs/tiny/1/checkpoints/last.safetensors");
    fs::copy(checkpoint(&other), checkpoint(&place)).unwrap();
    let foreign = fs::read(checkpoint(&place)).unwrap();
    refuses(&place, &["--resume"], 2, &["another recipe", "last.safetensors"]);
    fs::write(checkpoint(&place), &foreign[..foreign.len() / 2]).unwrap();
    refuses(&place, &["--resume"], 2, &["not a whole checkpoint"]);
}

/// Starts a run and kills it, without warning, once it has written `records` records.
fn kill_after(place: &Place, arguments: &[&str], records: usize) {
    let mut command = place.command(&[&["run", "tiny.ron"], arguments].concat());
    let mut child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    wait_for(&place.path("runs/tiny/1/metrics.jsonl"), records);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn killed_anywhere_a_resumed_run_ends_in_the_same_bytes() {
    let unbroken = Place::new(RECIPE);
    assert!(unbroken.run(&["--threads", "2"]).status.success());
    let result =
        |place: &Place, file: &str| fs::read(place.path("runs/tiny/1").join(file)).unwrap();
    // Before the first checkpoint, around it, and after it.
    for records in [0, STEPS / 2, STEPS + 1, STEPS + STEPS / 5] {
        let killed = Place::new(RECIPE);
        kill_after(&killed, &["--threads", "1"], records);
        let output = killed.run(&["--resume", "1", "--threads", "2"]);
        assert!(output.status.success(), "{}", stderr(&output));
        for file in ["checkpoints/last.safetensors", "checkpoints/model.safetensors"] {
            let [a, b] = [&unbroken, &killed].map(|place| result(place, file));
            assert!(a == b, "{file} differs after a kill at {records} records");
        }
        let lines = String::from_utf8(result(&killed, "metrics.jsonl")).unwrap();
        assert_eq!(lines.lines().count(), 2 * (STEPS + 1), "each step and epoch once");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_finishes_the_step_saves_and_says_how_to_go_on() {
    let place = Place::new(RECIPE);
    let mut command = place.command(&["run", "tiny.ron"]);
    let child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    wait_for(&place.path("runs/tiny/1/metrics.jsonl"), 2);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("--resume 1"), "{}", stderr(&output));
    assert!(place.path("runs/tiny/1/checkpoints/last.safetensors").exists());
    assert!(place.run(&["--resume"]).status.success());
}

/// Where what is written comes to nobody.
fn closed() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

#[test]
fn goes_on_when_nobody_reads() {
    let place = Place::new(RECIPE);
    let arguments = ["run", "tiny.ron", "--set", "epochs=1", "--threads", "1"];
    let status = place.command(&arguments).stdout(closed()).stderr(closed()).status().unwrap();
    assert!(status.success(), "{status}");
    assert!(place.path("runs/tiny/1/summary.json").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn says_that_the_output_is_full() {
    let place = Place::new(RECIPE);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = place.command(&["explain", "tiny.ron"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("standard output"), "{}", stderr(&output));
}
