//! What the score of the validation images does not depend on.
#![allow(clippy::unwrap_used)]

use dfdx::prelude::Cpu;
use trickbag_recipe::{Document, Plan};
use trickbag_trainer::{Score, Trainer};

/// That of the untrained network.
fn score(batch_size: usize) -> Score {
    let recipe = format!(
        "(name: \"untrained\", seed: 1, data: Mnist10k, batch_size: {batch_size}, epochs: 1,
        model: ResNet(depth: 8, stem: Cifar, width: 2), optimizer: Sgd(lr: 0.1))"
    );
    let document = Document::new("untrained", recipe).unwrap();
    let data = document.open_data().unwrap();
    let plan = Plan::new(&document, data.facts()).unwrap();
    Trainer::<f32, _>::new(&plan, Cpu::default()).unwrap().evaluate(&data).unwrap()
}

#[test]
fn a_short_last_batch_counts_by_its_images() {
    let whole = score(1500);
    assert_eq!(whole.samples, 1500);
    for batch_size in [1499, 800, 64] {
        let parts = score(batch_size);
        assert_eq!((parts.samples, parts.correct), (whole.samples, whole.correct));
        assert!((parts.loss() - whole.loss()).abs() < 1e-6, "{batch_size}");
    }
}
