//! How much memory a training is likely to need.

use serde::Serialize;
use trickbag_data::Keep;
use trickbag_models::Error;
use trickbag_precision::Policy;

use super::{Loss, Plan};

/// An estimate, in bytes, of what a training holds when it holds most.
///
/// - `parameters`: 4 bytes for each parameter, its gradient, each number that the optimiser
///   remembers of it, and each copy that an average, slow weights or SAM make; in a 16-bit format 2
///   more, for the copy that computes. A teacher's parameters.
/// - `activations`: the outputs of all convolutions, norms and linear layers for a pass, which its
///   backward part needs, and four times the largest of them, for gradients under way; 4 bytes a
///   number, or 2.
/// - `images`: the batch in `f32`, and the next one.
/// - `data`: the decoded images, one byte a number, where they are kept.
///
/// It leaves out the program itself, pooling, and the workspace of the kernels. Peaks that were
/// measured with `trickbag bench step`, without data: ResNet-20 with 128 images 1 % above the
/// estimate, with 64 or in `Bf16` 5 %, ResNet-50 with 8 images 3 %, ResNet-18 for small images with
/// 64 of them, whose kernels transform large filters, 18 %. A run of `recipes/mnist.ron` took 66 MB
/// in one version and 78 in another, where 56 are estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Parameters, gradients and optimiser state.
    pub parameters: u64,
    /// What the backward pass needs of the forward pass.
    pub activations: u64,
    /// Batches of images.
    pub images: u64,
    /// Images that stay in memory.
    pub data: u64,
}

/// Feature maps as large as the largest that the backward pass works on at a time.
const UNDER_WAY: u64 = 4;
/// Above this, an image folder's images are read anew in each epoch.
const MOST_KEPT: u64 = 2 << 30;

impl Memory {
    /// The estimate for a plan.
    ///
    /// # Errors
    ///
    /// Those of [`Network::summary`](trickbag_models::Network::summary).
    pub fn of(plan: &Plan) -> Result<Self, Error> {
        let rows = plan.network.summary(plan.facts.height, plan.facts.width)?;
        let outputs = rows.iter().map(|row| row.output.iter().product::<usize>() as u64);
        let kept = outputs.clone().sum::<u64>() + UNDER_WAY * outputs.max().unwrap_or(0);
        let (batch, count) = (plan.batch_size as u64, plan.network.parameter_count() as u64);
        let copies = [plan.average.is_some(), plan.lookahead.is_some(), plan.sam.is_some()];
        let copies = copies.map(u64::from).iter().sum::<u64>() + plan.optimizer.remembered() as u64;
        let teacher = match &plan.loss {
            Loss::Taught { teacher, .. } => teacher.network.parameter_count() as u64,
            Loss::AllClasses | Loss::EachClass(_) => 0,
        };
        let (format, copy) = match plan.precision {
            Policy::F32 => (4, 0),
            Policy::Bf16 | Policy::F16 => (2, 2),
        };
        Ok(Self {
            parameters: count * (4 * (2 + copies) + copy) + 4 * teacher,
            activations: plan.micro_batch as u64 * kept * format,
            images: 2 * 4 * batch * numbers_of_image(plan),
            data: data(plan),
        })
    }

    /// What of it lies on the device, if that is another than the processor. It is the least that is
    /// needed there: composed operators have more under way.
    pub fn on_device(&self) -> u64 {
        self.parameters + self.activations
    }

    /// The most images of a pass for which [`on_device`](Self::on_device) is no more than `bytes`,
    /// where this is the estimate for passes of `micro_batch` images.
    pub fn largest_pass(&self, micro_batch: usize, bytes: u64) -> u64 {
        let of_image = (self.activations / micro_batch.max(1) as u64).max(1);
        bytes.saturating_sub(self.parameters) / of_image
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.parameters + self.activations + self.images + self.data
    }
}

fn numbers_of_image(plan: &Plan) -> u64 {
    (plan.facts.height * plan.facts.width * plan.facts.channels) as u64
}

fn data(plan: &Plan) -> u64 {
    let all = (plan.facts.train_len + plan.facts.val_len) as u64 * numbers_of_image(plan);
    match Keep::for_augment(&plan.augment) {
        Keep::Decoded if all <= MOST_KEPT => all,
        Keep::Decoded | Keep::Files => 0,
    }
}
