//! Opens the built-in digits and goes through one epoch of augmented batches.
//!
//! `cargo run --release -p trickbag-data --example batches`

#![allow(clippy::print_stdout)]

use trickbag_data::{Augment, Dataset, Error, Keep, Loading, Order, Source};

fn main() -> Result<(), Error> {
    let source = Source::Mnist10k;
    let dataset = Dataset::open(&source, Keep::Decoded)?;
    println!("{:?}", dataset.facts());

    let augment = vec![Augment::PadCrop(2)];
    let (size, order, normalize) = ([28, 28], Order::Shuffled, source.normalize());
    let loading = Loading { seed: 1, batch_size: 128, size, order, augment, normalize };
    for (number, batch) in dataset.train_batches(&loading, 0, 0)?.enumerate() {
        let batch = batch?;
        let mean = batch.images.iter().sum::<f32>() / batch.images.len() as f32;
        println!("batch {number}: {} images, mean {mean:+.3}", batch.len());
    }
    Ok(())
}
