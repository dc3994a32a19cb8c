//! A training that is stopped and resumed anywhere, on any number of threads, ends in the same
//! bytes as one that was not.
#![allow(clippy::unwrap_used, clippy::panic)]

mod tiny;

use std::sync::atomic::AtomicBool;

use dfdx::dtypes::{Dtype, f16};
use dfdx::prelude::Cpu;
use safetensors::SafeTensors;
use tiny::{OVERFLOWING, RECIPE, losses, model, open, plan, train, with};
use trickbag_models::Fate;
use trickbag_ops::{Backend, Bf16};
use trickbag_recipe::{Document, Plan};
use trickbag_report::Record;
use trickbag_trainer::{BEST, Error, LAST, MODEL, Outcome, Trainer};

const STEPS_PER_EPOCH: u64 = 5;

/// What a record says, without what a clock says.
fn timeless(record: &Record) -> String {
    let text = serde_json::to_value(record).unwrap();
    let fields = text.as_object().unwrap().iter();
    let timed = |name: &str| name.contains("seconds") || name == "images_per_second";
    let kept = fields.filter(|(name, _)| !timed(name));
    format!("{:?}", kept.collect::<Vec<_>>())
}

#[test]
fn ends_in_the_same_bytes_wherever_it_was_stopped() {
    stop_and_resume::<f32>(RECIPE);
    stop_and_resume::<Bf16>(&with("Precision(Bf16)"));
    stop_and_resume::<f16>(&with(&format!(
        "{OVERFLOWING}, GradientAccumulation(micro_batch: 8), GradientClipping(Norm(1.0))"
    )));
    stop_and_resume::<f32>(&with(
        "MixUp(alpha: 0.2, probability: 0.5), CutMix(alpha: 1.0, probability: 0.5), \
         GradientClipping(Norm(1.0)), RepeatedAugmentation(2), StochasticDepth(0.2), Dropout(0.2), \
         SqueezeExcite(reduction: 4), BlurPool",
    ));
    stop_and_resume::<f32>(&with(
        "Sam(rho: 0.05, every: 2), Lookahead(alpha: 0.5, every: 3), Dropout(0.2), \
         GradientAccumulation(micro_batch: 8), GhostBatchNorm(4), BinaryCrossEntropy, \
         WeightAverage(Ema(decay: 0.8, every: Steps(2)))",
    ));
    stop_and_resume::<f32>(&with(
        "MomentumSchedule(from: 0.5, to: 0.9, over: Steps(6)), Freeze([\"conv1.*\"]), \
         Unfreeze(at: Steps(3)), LabelNoise(fraction: 0.2, seed: 1), \
         ProgressiveResizing(initial_scale: 0.5), TestTimeAugmentation(flip: true, shift: 1)",
    ));
    stop_and_resume::<f32>(&with("WeightAverage(Swa(from: Steps(2), every: Steps(2)))"));
}

#[test]
fn tricks_reach_the_training() {
    let data = open();
    let of = |tricks: &str| losses::<f32>(&plan(&with(tricks), &data), &data);
    let baseline = of("Precision(F32)");
    let learned = |tricks: &str| model::<f32>(&plan(&with(tricks), &data), &data);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("teacher.safetensors");
    let recipe = folder.path().join("teacher.ron");
    std::fs::write(&recipe, RECIPE).unwrap();
    std::fs::write(&checkpoint, learned("Precision(F32)")).unwrap();
    let (recipe, checkpoint) = (recipe.display(), checkpoint.display());
    let taught = |weight: f64| {
        format!(
            "Distillation(recipe: \"{recipe}\", checkpoint: \"{checkpoint}\", temperature: 2, \
             weight: {weight})"
        )
    };
    for nothing in [
        "MixUp(alpha: 1.0, probability: 0.0)",
        "GradientClipping(Norm(1e9))",
        "GradientAccumulation(micro_batch: 20)",
        "Lookahead(alpha: 0.5, every: 1000)",
        "Sam(rho: 0.1, every: 1000)",
        "MomentumSchedule(from: 0.9, to: 0.9, over: Steps(3))",
        "BiasLr(1)",
        "TrainTestResolution(train: 12)",
        "WeightAverage(Ema(decay: 0.0))",
        &taught(0.0),
    ] {
        assert_eq!(of(nothing), baseline, "{nothing}");
        assert!(learned(nothing) == learned("Precision(F32)"), "{nothing}");
    }
    for average in ["Ema(decay: 0.5)", "Swa(from: Steps(4), every: Steps(2))"] {
        let trick = format!("WeightAverage({average})");
        assert_eq!(of(&trick), baseline, "{average}: the training itself is the same");
        assert!(learned(&trick) != learned("Precision(F32)"), "{average}");
    }
    for trick in [
        "MixUp(alpha: 1.0)",
        "CutMix(alpha: 1.0)",
        "GradientClipping(Norm(0.1))",
        "GradientClipping(Value(0.001))",
        "GradientClipping(Adaptive(0.001))",
        "RepeatedAugmentation(2)",
        "ClassBalancedSampling",
        "StochasticDepth(0.5)",
        "Dropout(0.5)",
        "SqueezeExcite(reduction: 4)",
        "BlurPool",
        "GradientAccumulation(micro_batch: 8)",
        "GhostBatchNorm(4)",
        "Lookahead(alpha: 0.5, every: 2)",
        "Sam(rho: 0.05, every: 2)",
        "BinaryCrossEntropy",
        "MomentumSchedule(from: 0.1, to: 0.9, over: Steps(6))",
        "BiasLr(64)",
        "LayerDecay(0.5)",
        "Freeze([\"layer1.*\"])",
        "TrainTestResolution(train: 8)",
        "ProgressiveResizing(initial_scale: 0.5, delay: 0.5)",
        &format!("InitFrom(\"{checkpoint}\")"),
        &taught(0.5),
    ] {
        let found = of(trick);
        assert_ne!(found, baseline, "{trick}");
        assert!(found.iter().all(|loss| loss.is_finite()), "{trick}: {found:?}");
    }
}

fn stop_and_resume<E: Dtype>(recipe: &str)
where
    Cpu: Backend<E>,
{
    let data = open();
    let plan = plan(recipe, &data);
    let unbroken = tempfile::tempdir().unwrap();
    let (outcome, records) = train::<E>(&plan, &data, unbroken.path(), 2, None);
    assert_eq!(outcome, Outcome::Finished);
    // In mid-epoch, at an epoch's end, right after it, and before the very last step.
    for stop_after in [1, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 1, 2 * STEPS_PER_EPOCH - 1] {
        let broken = tempfile::tempdir().unwrap();
        let (outcome, first) = train::<E>(&plan, &data, broken.path(), 1, Some(stop_after));
        assert_eq!(outcome, Outcome::Stopped, "after {stop_after}");
        let (outcome, second) = train::<E>(&plan, &data, broken.path(), 2, None);
        assert_eq!(outcome, Outcome::Finished, "after {stop_after}");
        for file in [LAST, BEST, MODEL] {
            let [a, b] = [&unbroken, &broken].map(|d| std::fs::read(d.path().join(file)).unwrap());
            assert!(a == b, "{file} differs when stopped after {stop_after}");
        }
        let joined: Vec<_> = first.iter().chain(&second).map(timeless).collect();
        assert_eq!(joined, records.iter().map(timeless).collect::<Vec<_>>());
    }
}

#[test]
fn a_start_from_a_file_is_told_and_its_absence_refused() {
    let data = open();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("start.safetensors");
    let trick = format!("InitFrom(\"{}\")", path.display());
    let other = RECIPE.replace("ZeroGamma]", &format!("{trick}]"));
    let plan_from = plan(&other, &data);
    let new = || Trainer::<f32, _>::new(&plan_from, Cpu::default());
    assert!(matches!(new().unwrap_err(), Error::Read { .. }));
    std::fs::write(&path, b"not a file of tensors").unwrap();
    assert!(matches!(new().unwrap_err(), Error::Values { .. }));
    std::fs::write(&path, model::<f32>(&plan(RECIPE, &data), &data)).unwrap();
    let trainer = new().unwrap();
    let rows = &trainer.transfer().unwrap().0;
    assert!(rows.iter().all(|row| row.fate == Fate::Loaded), "{rows:?}");
    let teacher = with(&format!(
        "Distillation(recipe: \"absent.ron\", checkpoint: \"{}\", temperature: 2, weight: 0.5)",
        path.display()
    ));
    let document = Document::new("tiny.ron", teacher).unwrap();
    let error = Plan::new(&document, data.facts()).unwrap_err();
    assert!(error.to_string().contains("absent.ron"), "{error}");
}

#[test]
fn records_cover_every_step_and_epoch() {
    let data = open();
    let folder = tempfile::tempdir().unwrap();
    let short = RECIPE.replace("epochs: 2", "epochs: 1").replace("Warmup(epochs: 1), ", "");
    let plan = plan(&short, &data);
    let (_, records) = train::<f32>(&plan, &data, folder.path(), 2, None);
    let steps: Vec<_> = records.iter().map(Record::step).collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 5]);
    let Some(Record::Epoch(epoch)) = records.last() else { panic!("{records:?}") };
    let Record::Step(first) = &records[0] else { panic!("{records:?}") };
    assert_eq!(first.learning_rate, plan.learning_rate.at(0));
    assert!((0.0..=1.0).contains(&epoch.val_top1) && epoch.val_loss > 0.0);
}

#[test]
fn a_whitening_filter_is_that_of_the_images_and_stays() {
    let data = open();
    let of = |lr: f64| {
        let recipe = format!(
            r#"Recipe(
                name: "tiny", seed: 3, data: Idx(path: "tiny"), augment: [PadCrop(2)],
                model: Airbench94(width: 8), batch_size: 20, epochs: 1, optimizer: Sgd(lr: {lr}),
            )"#
        );
        let folder = tempfile::tempdir().unwrap();
        train::<f32>(&plan(&recipe, &data), &data, folder.path(), 2, None);
        let bytes = std::fs::read(folder.path().join(MODEL)).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut tensors: Vec<_> =
            file.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec())).collect();
        tensors.sort();
        tensors
    };
    let (slow, fast) = (of(0.001), of(0.01));
    let same = slow.iter().zip(&fast).filter(|(a, b)| a == b).map(|(a, _)| a.0.as_str());
    assert_eq!(same.collect::<Vec<_>>(), ["whiten.weight"]);
}

#[test]
fn a_large_learning_rate_ends_with_an_explanation() {
    let data = open();
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(
        r#"Recipe(
            name: "tiny", seed: 3, data: Idx(path: "tiny"),
            model: ResNet(depth: 8, stem: Cifar, width: 4),
            batch_size: 20, epochs: 2, optimizer: Sgd(lr: 1e30),
        )"#,
        &data,
    );
    let mut trainer = Trainer::<f32, _>::new(&plan, Cpu::default()).unwrap();
    let stop = AtomicBool::new(false);
    let error = trainer.run(&data, folder.path(), &stop, &mut |_| Ok(())).unwrap_err();
    let Error::Diverged { step, .. } = error else { panic!("{error}") };
    assert!(step > 1, "the first loss is that of the initial network");
    assert!(!folder.path().join(LAST).exists());
}

#[test]
fn refuses_checkpoints_that_are_not_its_own() {
    let data = open();
    let plan = plan(RECIPE, &data);
    let folder = tempfile::tempdir().unwrap();
    train::<f32>(&plan, &data, folder.path(), 2, Some(1));
    let last = folder.path().join(LAST);
    let whole = std::fs::read(&last).unwrap();
    let resume = |plan: &Plan| Trainer::<f32, _>::resume(plan, Cpu::default(), &last).unwrap_err();

    let other = Plan { recipe_hash: "other".into(), ..plan.clone() };
    assert!(matches!(resume(&other), Error::OtherRecipe { .. }));
    for torn in [&whole[..0], &whole[..7], &whole[..whole.len() / 2], &whole[..whole.len() - 1]] {
        std::fs::write(&last, torn).unwrap();
        assert!(matches!(resume(&plan), Error::NotACheckpoint { .. }), "{} bytes", torn.len());
    }
    std::fs::remove_file(&last).unwrap();
    assert!(matches!(resume(&plan), Error::Read { .. }));
}

#[test]
fn refuses_data_that_the_plan_was_not_made_for() {
    let data = open();
    let mut plan = plan(RECIPE, &data);
    plan.facts.train_len += 1;
    let mut trainer = Trainer::<f32, _>::new(&plan, Cpu::default()).unwrap();
    let stop = AtomicBool::new(false);
    let folder = tempfile::tempdir().unwrap();
    let error = trainer.run(&data, folder.path(), &stop, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(error, Error::OtherData { .. }), "{error}");
}
