//! A recipe with everything resolved: what a training run does, number by number.

mod draft;
mod explain;
mod json;
mod layers;
mod loss;
mod memory;
mod origin;

pub(crate) use draft::{Draft, Ramp};
pub use explain::{Explanation, Layers};
pub use loss::{Loss, Teacher};
pub use memory::Memory;

use std::path::PathBuf;

use serde::Serialize;
use trickbag_data::{
    Augment, Dataset, Facts, LabelNoise, Normalize, Order, ProgressiveResizing, Source, Subset,
    View,
};
use trickbag_losses::{CrossEntropy, Mixing};
use trickbag_models::{Architecture, Network, Update, ZeroGamma};
use trickbag_optim::{Clip, Decay, Lookahead, Optimizer, Sam, Sgd, WeightAverage};
use trickbag_param_groups::{Group, Kind, Parameter, Rule, Table, resolve};
use trickbag_precision::{LossScaling, Policy};
use trickbag_schedules::Schedule;

use crate::document::Document;
use crate::error::Error;
use crate::lint::check_allowed;
use crate::problem::{Fault, Problem};
use crate::recipe::Recipe;
use crate::tricks::{Card, Trick};

/// What a run does: units resolved, tricks applied, contradictions refused.
///
/// [`Plan::explain`] says on a page, or in JSON, what it holds and where each value comes from.
///
/// ```
/// use trickbag_data::Facts;
/// use trickbag_recipe::{Document, Plan};
///
/// let text = r#"Recipe(
///     name: "mnist",
///     seed: 1,
///     data: Mnist10k,
///     model: ResNet(depth: 8, stem: Cifar),
///     batch_size: 128,
///     epochs: 12,
///     optimizer: Sgd(lr: 0.1),
///     tricks: [Warmup(epochs: 1), CosineAnnealing],
/// )"#;
/// let document = Document::new("recipes/mnist.ron", text)?;
/// let (height, width, channels) = (28, 28, 1);
/// let facts = Facts { train_len: 8500, val_len: 1500, classes: 10, height, width, channels };
/// let plan = Plan::new(&document, &facts)?;
///
/// assert_eq!(plan.steps_per_epoch, 66); // 8500 / 128, the incomplete batch dropped
/// assert_eq!(plan.learning_rate.at(33), 0.05);
/// assert!(plan.explain(&document).to_string().contains("12 epochs"));
/// # Ok::<(), trickbag_recipe::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What runs are filed under.
    pub name: String,
    /// Where all randomness of a run comes from.
    pub seed: u64,
    /// [`Recipe::hash`].
    pub recipe_hash: String,
    /// Where the images come from.
    pub data: Source,
    /// How many images are trained on and validated with, of what size, in how many classes. Of the
    /// training images only those of `subset` count.
    pub facts: Facts,
    /// The part of the training images that is used; all when there is none.
    pub subset: Option<Subset>,
    /// Wrong labels to train with.
    pub label_noise: Option<LabelNoise>,
    /// Channel means and standard deviations.
    pub normalize: Normalize,
    /// Random changes of the training images, in this order.
    pub augment: Vec<Augment>,
    /// Height and width of training images; those of `facts` are what evaluation sees.
    pub train_size: [usize; 2],
    /// Smaller training images at first; `train_size` is the full size.
    pub progressive_resizing: Option<ProgressiveResizing>,
    /// What evaluation sees of an image: the logits of all views are added up with their weights.
    pub test_views: Vec<View>,
    /// The settings of the network.
    pub architecture: Architecture,
    /// The network for the data's channels and classes.
    pub network: Network,
    /// Multiply-accumulate operations of one image's forward pass.
    pub macs: u64,
    /// What the last norm scale of each residual block starts from.
    pub zero_gamma: ZeroGamma,
    /// Images of one update.
    pub batch_size: usize,
    /// Passes over the training images.
    pub epochs: u64,
    /// Updates of one epoch. Convention: an incomplete last batch is dropped in training.
    pub steps_per_epoch: u64,
    /// Updates of the whole training.
    pub total_steps: u64,
    /// The update rule. Its `lr` is the recipe's, before any trick; `learning_rate` is what a step
    /// uses.
    pub optimizer: Optimizer,
    /// The learning rate of each update, counted from 0.
    pub learning_rate: Schedule,
    /// The momentum of each update, counted from 0; the optimiser's own when there is none.
    pub momentum: Option<Schedule>,
    /// Decay, learning-rate multiplier and so on of every parameter.
    pub groups: Table,
    /// What becomes of the groups in the course of the training.
    pub unfreeze: Option<Unfrozen>,
    /// How labels become targets.
    pub targets: CrossEntropy,
    /// What the training minimises.
    pub loss: Loss,
    /// How images and targets of a batch are mixed.
    pub mixing: Mixing,
    /// The limit for the gradients of an update.
    pub clip: Option<Clip>,
    /// Which images an epoch shows, and in which order.
    pub order: Order,
    /// A file with the values that the parameters start from.
    pub init_from: Option<PathBuf>,
    /// Images of one pass; the last pass of an update may have fewer.
    pub micro_batch: usize,
    /// How far away the gradients are taken, and in which updates.
    pub sam: Option<Sam>,
    /// Slow weights that pull the parameters back.
    pub lookahead: Option<Lookahead>,
    /// The average of the parameters that is evaluated and kept.
    pub average: Option<WeightAverage>,
    /// The number format that computes.
    pub precision: Policy,
    /// How the loss is scaled where that format needs it.
    pub loss_scaling: LossScaling,
    /// The tricks in the order in which they were applied.
    pub tricks: Vec<AppliedTrick>,
}

/// The groups of parameters from a later step on.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfrozen {
    /// The first update with these groups, counted from 0.
    pub step: u64,
    /// They take the place of [`Plan::groups`].
    pub groups: Table,
}

/// A trick and what its settings came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppliedTrick {
    /// Its name in the recipe.
    pub name: &'static str,
    /// What it does in this plan, in words.
    pub effect: String,
    /// Paper and section.
    pub source: &'static str,
}

impl Plan {
    /// Resolves a recipe for a data set with these facts.
    ///
    /// # Errors
    ///
    /// Values out of their range, settings that do not fit the data or the network, and tricks that
    /// contradict each other, each with the line or the override that says so.
    pub fn new(document: &Document, facts: &Facts) -> Result<Self, Error> {
        resolved(document.recipe(), facts).map_err(|fault| document.error(fault))
    }

    /// The images that the plan trains on: `whole` without those that `subset` leaves out, and with
    /// the wrong labels of `label_noise`.
    ///
    /// # Errors
    ///
    /// A subset that leaves a class without images.
    pub fn dataset(&self, whole: &Dataset) -> Result<Dataset, trickbag_data::Error> {
        let mut dataset = whole.clone();
        if let Some(subset) = &self.subset {
            dataset = dataset.subset(subset)?;
        }
        match &self.label_noise {
            Some(noise) => dataset.with_label_noise(noise),
            None => Ok(dataset),
        }
    }
}

fn resolved(recipe: &Recipe, facts: &Facts) -> Result<Plan, Fault> {
    check_name(&recipe.name)?;
    check_allowed(&recipe.allow)?;
    let mut draft = Draft::baseline(recipe, *facts)?;
    draft.normalize.table(facts.channels).map_err(|error| Problem::Data(error).at("normalize"))?;
    check_augment(&recipe.augment, facts)?;
    check_optimizer(&recipe.optimizer)?;
    network(&draft)?; // so that what is wrong without tricks is not put down to them
    let tricks = apply(&recipe.tricks, &mut draft)?;
    let (network, macs) = network(&draft)?;
    let (groups, unfreeze) = groups(&draft, &network)?;
    let learning_rate = draft.learning_rate()?;
    Ok(Plan {
        name: recipe.name.clone(),
        seed: recipe.seed,
        recipe_hash: recipe.hash(),
        data: recipe.data.clone(),
        facts: draft.facts,
        subset: draft.subset,
        label_noise: draft.label_noise,
        normalize: draft.normalize,
        train_size: draft.train_size,
        progressive_resizing: draft.progressive_resizing,
        architecture: recipe.model.clone(),
        network,
        macs,
        zero_gamma: draft.zero_gamma,
        batch_size: recipe.batch_size,
        epochs: recipe.epochs,
        steps_per_epoch: draft.clock.steps_per_epoch,
        total_steps: draft.clock.total_steps,
        optimizer: at_peak(recipe.optimizer, draft.peak),
        learning_rate,
        groups,
        unfreeze,
        targets: draft.targets,
        loss: draft.loss,
        mixing: draft.mixing,
        clip: draft.clip,
        order: draft.order,
        init_from: draft.init_from,
        micro_batch: draft.micro_batch,
        sam: draft.sam,
        lookahead: draft.lookahead,
        average: draft.average,
        precision: draft.precision,
        loss_scaling: draft.loss_scaling,
        augment: draft.augment,
        test_views: draft.test_views,
        momentum: draft.momentum,
        tricks,
    })
}

/// A name becomes a folder's name.
fn check_name(name: &str) -> Result<(), Fault> {
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.chars().all(legal) && !name.is_empty() && !name.starts_with('.') {
        return Ok(());
    }
    let expected =
        "letters, digits, `-`, `_` and `.`, not starting with `.`: runs are filed under it";
    Err(Problem::impossible("name", format!("{name:?}"), expected).at("name"))
}

fn check_augment(augment: &[Augment], facts: &Facts) -> Result<(), Fault> {
    for last in 0..augment.len() {
        Augment::check_all(&augment[..=last], facts)
            .map_err(|error| Problem::Data(error).at(format!("augment[{last}]")))?;
    }
    Ok(())
}

fn check_optimizer(optimizer: &Optimizer) -> Result<(), Fault> {
    use trickbag_optim::Error;
    optimizer.validate().map_err(|error| {
        let at = match &error {
            Error::Setting { field, .. } => format!("optimizer.{field}"),
            Error::NesterovWithoutMomentum => "optimizer.nesterov".to_owned(),
            _ => "optimizer".to_owned(),
        };
        Problem::Optimizer(error).at(at)
    })
}

fn network(draft: &Draft) -> Result<(Network, u64), Fault> {
    use trickbag_models::Error;
    let fault = |error| {
        let at = match &error {
            Error::Depth { .. } | Error::WideDepth { .. } => "model.depth",
            Error::Width { .. } => "model.width",
            _ => "model",
        };
        Problem::Model(error).at(at)
    };
    let network = draft.network().map_err(fault)?;
    let macs = network.macs(draft.facts.height, draft.facts.width).map_err(fault)?;
    Ok((network, macs))
}

/// The groups of the first update, and those after the end of its freezes.
fn groups(draft: &Draft, network: &Network) -> Result<(Table, Option<Unfrozen>), Fault> {
    let mut lasting = draft.rules.clone();
    lasting.extend(adaptive_rates(&draft.optimizer));
    lasting.extend(fixed(network));
    let at_first: Vec<Rule> = draft.freezes.iter().chain(&lasting).cloned().collect();
    let groups = table(draft, network, &at_first)?;
    let unfreeze = match draft.unfreeze_at {
        Some(step) => Some(Unfrozen { step, groups: table(draft, network, &lasting)? }),
        None => None,
    };
    Ok((groups, unfreeze))
}

fn table(draft: &Draft, network: &Network, rules: &[Rule]) -> Result<Table, Fault> {
    let defaults = Group::with_decay(draft.optimizer.weight_decay());
    resolve(rules, defaults, &parameters(network))
        .map_err(|error| Problem::Groups(error).at("tricks"))
}

/// What rules see of a network.
pub(crate) fn parameters(network: &Network) -> Vec<Parameter> {
    network.parameters().iter().map(|spec| spec.parameter.clone()).collect()
}

/// Independent decay follows the rate's share of its peak, which tricks may have moved.
fn at_peak(optimizer: Optimizer, peak: f64) -> Optimizer {
    match optimizer {
        Optimizer::Sgd(sgd) if sgd.decay == Decay::Independent => {
            Optimizer::Sgd(Sgd { lr: peak, ..sgd })
        }
        other => other,
    }
}

/// Optimisers that adapt the rate of each weight leave biases and norms as they are (You et al., arXiv
/// 1708.03888; timm).
fn adaptive_rates(optimizer: &Optimizer) -> Option<Rule> {
    match optimizer {
        Optimizer::Lars(_) | Optimizer::Lamb(_) => {
            Some(Rule::no_lars([Kind::Bias, Kind::NormScale, Kind::NormShift]))
        }
        Optimizer::Sgd(_) | Optimizer::AdamW(_) | Optimizer::RmsProp(_) => None,
    }
}

/// Parameters that are computed from the images stay as they are.
fn fixed(network: &Network) -> impl Iterator<Item = Rule> {
    let fixed = network.parameters().iter().filter(|spec| spec.update == Update::Fixed);
    fixed.map(|spec| Rule::frozen(spec.name()))
}

/// Applies the tricks slot by slot, whatever their order in the recipe.
fn apply(tricks: &[Trick], draft: &mut Draft) -> Result<Vec<AppliedTrick>, Fault> {
    for (i, trick) in tricks.iter().enumerate() {
        let path = format!("tricks[{i}]");
        if let Some(other) = tricks[..i].iter().find(|other| other.card().slot == trick.card().slot)
        {
            let (trick, other, slot) = (trick.card().name, other.card().name, trick.card().slot);
            let problem = if trick == other {
                Problem::Twice { trick }
            } else {
                Problem::Contradiction { trick, other, slot }
            };
            return Err(problem.at(path).with(draft.writer(slot)));
        }
        draft.writers.insert(trick.card().slot, path);
    }
    let mut ordered: Vec<&Trick> = tricks.iter().collect();
    ordered.sort_by_key(|trick| trick.card().slot);
    ordered.into_iter().map(|trick| apply_one(trick, draft)).collect()
}

fn apply_one(trick: &Trick, draft: &mut Draft) -> Result<AppliedTrick, Fault> {
    let path = draft.writer(trick.card().slot).unwrap_or_default();
    let effect = trick.effect().apply(draft).map_err(|fault| fault.inside(&path))?;
    let Card { name, source, .. } = *trick.card();
    Ok(AppliedTrick { name, effect, source })
}
