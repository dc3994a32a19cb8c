//! A training of seconds: its recipe, its data, and what comes out of it.
#![allow(dead_code)] // each test uses a part of it

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use dfdx::dtypes::Dtype;
use dfdx::prelude::Cpu;
use rayon::ThreadPoolBuilder;
use tempfile::TempDir;
use trickbag_data::{Dataset, Idx, Keep, Source};
use trickbag_ops::Backend;
use trickbag_recipe::{Document, Plan};
use trickbag_report::Record;
use trickbag_trainer::{LAST, MODEL, Outcome, Trainer};

pub(crate) const RECIPE: &str = r#"Recipe(
    name: "tiny", seed: 3, data: Idx(path: "tiny"), augment: [PadCrop(2)],
    model: ResNet(depth: 8, stem: Cifar, width: 4), batch_size: 20, epochs: 2,
    optimizer: Sgd(lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 5e-4),
    tricks: [Warmup(epochs: 1), CosineAnnealing, LabelSmoothing(0.1), NoBiasDecay, NoNormDecay,
        ZeroGamma],
)"#;

/// The scale is too large at first, and grows until it is again.
pub(crate) const OVERFLOWING: &str =
    "Precision(F16), LossScaling(Dynamic(initial: 1073741824, interval: 2))";

pub(crate) fn plan(recipe: &str, data: &Dataset) -> Plan {
    Plan::new(&Document::new("tiny.ron", recipe).unwrap(), data.facts()).unwrap()
}

/// 100 images of 12 by 12 pixels to train and 30 to validate, in three classes.
pub(crate) fn open() -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    for (split, count) in [("train", 100), ("t10k", 30)] {
        let pixel = |i: u32| (i.wrapping_mul(2_654_435_761) >> 26) as u8;
        let images = (0..count * 144).map(|i| pixel(i) + 60 * (i / 144 % 3) as u8);
        write_idx(&folder, &format!("{split}-images-idx3-ubyte"), &[count, 12, 12], images);
        let labels = (0..count).map(|i| (i % 3) as u8);
        write_idx(&folder, &format!("{split}-labels-idx1-ubyte"), &[count], labels);
    }
    let path = folder.path().to_owned();
    Dataset::open(&Source::Idx(Idx { path }), Keep::Decoded).unwrap()
}

fn write_idx(folder: &TempDir, name: &str, sizes: &[u32], values: impl Iterator<Item = u8>) {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(values);
    std::fs::write(folder.path().join(name), bytes).unwrap();
}

/// Trains from what `folder` holds, on `threads` threads, and stops after step `stop_after`.
pub(crate) fn train<E: Dtype>(
    plan: &Plan,
    data: &Dataset,
    folder: &Path,
    threads: usize,
    stop_after: Option<u64>,
) -> (Outcome, Vec<Record>)
where
    Cpu: Backend<E>,
{
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| train_on::<E, Cpu>(Cpu::default(), plan, data, folder, stop_after))
}

/// Trains from what `folder` holds, on a device, and stops after step `stop_after`.
pub(crate) fn train_on<E: Dtype, D: Backend<E>>(
    dev: D,
    plan: &Plan,
    data: &Dataset,
    folder: &Path,
    stop_after: Option<u64>,
) -> (Outcome, Vec<Record>) {
    run(begin::<E, D>(dev, plan, folder), data, folder, stop_after)
}

/// A training from what `folder` holds.
pub(crate) fn begin<'p, E: Dtype, D: Backend<E>>(
    dev: D,
    plan: &'p Plan,
    folder: &Path,
) -> Trainer<'p, E, D> {
    let last = folder.join(LAST);
    match last.exists() {
        true => Trainer::resume(plan, dev, &last).unwrap(),
        false => Trainer::new(plan, dev).unwrap(),
    }
}

/// Runs it, and stops after step `stop_after`.
pub(crate) fn run<E: Dtype, D: Backend<E>>(
    mut trainer: Trainer<'_, E, D>,
    data: &Dataset,
    folder: &Path,
    stop_after: Option<u64>,
) -> (Outcome, Vec<Record>) {
    let (stop, mut records) = (AtomicBool::new(false), vec![]);
    let outcome = trainer.run(data, folder, &stop, &mut |record| {
        records.push(record.clone());
        stop.fetch_or(Some(record.step()) == stop_after, Ordering::Relaxed);
        Ok(())
    });
    (outcome.unwrap(), records)
}

/// The recipe with more tricks.
pub(crate) fn with(tricks: &str) -> String {
    RECIPE.replace("ZeroGamma]", &format!("ZeroGamma, {tricks}]"))
}

/// The loss of each step of a whole training.
pub(crate) fn losses<E: Dtype>(plan: &Plan, data: &Dataset) -> Vec<f64>
where
    Cpu: Backend<E>,
{
    let folder = tempfile::tempdir().unwrap();
    losses_in(&train::<E>(plan, data, folder.path(), 2, None).1)
}

/// The loss of each step that is among the records.
pub(crate) fn losses_in(records: &[Record]) -> Vec<f64> {
    let of_step = |record: &Record| match record {
        Record::Step(step) => Some(step.loss),
        _ => None,
    };
    records.iter().filter_map(of_step).collect()
}

/// The values that are kept at the end of a whole training.
pub(crate) fn model<E: Dtype>(plan: &Plan, data: &Dataset) -> Vec<u8>
where
    Cpu: Backend<E>,
{
    let folder = tempfile::tempdir().unwrap();
    train::<E>(plan, data, folder.path(), 2, None);
    std::fs::read(folder.path().join(MODEL)).unwrap()
}
