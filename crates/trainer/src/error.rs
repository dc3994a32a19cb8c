//! What can go wrong in training.

use std::path::PathBuf;

/// A failure of the training loop. Checkpoints written before it are intact.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The loss became infinite or NaN.
    #[error(
        "the training diverged: the loss of step {step} is {loss}, at a learning rate of \
         {learning_rate}; lower the learning rate or lengthen the warmup"
    )]
    Diverged {
        /// The step, from 1.
        step: u64,
        /// Its loss.
        loss: f32,
        /// Its learning rate.
        learning_rate: f64,
    },
    /// Gradients that are infinite or NaN, at every scale of the loss that there is.
    #[error("step {step}, with a loss of {loss} and a learning rate of {learning_rate}: {reason}")]
    Overflow {
        /// The step, from 1.
        step: u64,
        /// Its loss.
        loss: f32,
        /// Its learning rate.
        learning_rate: f64,
        /// What the loss scaler says.
        reason: trickbag_precision::Error,
    },
    /// A checkpoint that cannot be read.
    #[error("cannot read the checkpoint {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        reason: std::io::Error,
    },
    /// A file that is no checkpoint of this program.
    #[error("{} is not a whole checkpoint: {reason}", path.display())]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint of another recipe.
    #[error(
        "{} belongs to another recipe: its hash is {found}, this recipe's is {expected}; resume it \
         with the recipe and the overrides that it was started with",
        path.display()
    )]
    OtherRecipe {
        /// The file.
        path: PathBuf,
        /// The checkpoint's recipe hash.
        found: String,
        /// The plan's.
        expected: String,
    },
    /// A file whose values do not fit the network that they are for.
    #[error("the values in {} do not fit: {reason}", path.display())]
    Values {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: trickbag_models::Error,
    },
    /// The data set is not the one that the plan was made for.
    #[error("the data set has changed since the plan was made: found {found}, planned {planned}")]
    OtherData {
        /// Facts of the data set.
        found: String,
        /// Facts in the plan.
        planned: String,
    },
    /// More ranks than images that they could share.
    #[error(
        "{world_size} ranks cannot share a pass of {images} images: take no more ranks than the \
         smallest pass of an update has images"
    )]
    Ranks {
        /// How many ranks there are.
        world_size: usize,
        /// Images of the pass.
        images: usize,
    },
    /// The ranks of the training came apart.
    #[error(transparent)]
    Collective(#[from] trickbag_collective::Error),
    /// Loading a batch failed.
    #[error(transparent)]
    Data(#[from] trickbag_data::Error),
    /// The network failed.
    #[error(transparent)]
    Model(#[from] trickbag_models::Error),
    /// The loss failed.
    #[error(transparent)]
    Loss(#[from] trickbag_losses::Error),
    /// The optimiser failed.
    #[error(transparent)]
    Optimizer(#[from] trickbag_optim::Error),
    /// The backward pass failed.
    #[error(transparent)]
    Precision(#[from] trickbag_precision::Error),
    /// An operator or the device failed.
    #[error(transparent)]
    Ops(#[from] trickbag_ops::Error),
    /// A record or a checkpoint could not be written.
    #[error(transparent)]
    Report(#[from] trickbag_report::Error),
}
