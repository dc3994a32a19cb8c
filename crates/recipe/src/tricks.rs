//! The tricks of a recipe: one file each with its settings, its effect on the plan, its source and
//! the convention it follows.
//!
//! Each trick writes one [slot](Slot) of the plan. Slots are written in their own order, so the
//! order of a recipe's list has no meaning, and two tricks for the same slot contradict each other.

// A new trick is a file below that implements `Effect`, a variant of `Trick` with its line in
// `Trick::effect`, and a card in `CARDS`. What it writes in a plan has its row in `plan/explain.rs`
// and its entry in `plan/json.rs`.

mod bias_lr;
mod binary_cross_entropy;
mod blur_pool;
mod card;
mod class_balanced_sampling;
mod cosine_annealing;
mod cut_mix;
mod distillation;
mod dropout;
mod exponential_decay;
mod freeze;
mod ghost_batch_norm;
mod gradient_accumulation;
mod gradient_clipping;
mod init_from;
mod label_noise;
mod label_smoothing;
mod layer_decay;
mod linear_scaling;
mod lookahead;
mod loss_scaling;
mod mix_up;
mod momentum_schedule;
mod multi_step;
mod no_bias_decay;
mod no_norm_decay;
mod polynomial;
mod precision;
mod progressive_resizing;
mod repeated_augmentation;
mod resnet_tweaks;
mod sam;
mod sqrt_scaling;
mod squeeze_excite;
mod step_decay;
mod stochastic_depth;
mod subset;
mod test_time_augmentation;
mod train_test_resolution;
mod triangle;
mod unfreeze;
mod warmup;
mod weight_average;
mod zero_gamma;

use std::fmt;

use serde::{Deserialize, Serialize};
use trickbag_models::Extras;

pub use bias_lr::BiasLr;
pub use binary_cross_entropy::BinaryCrossEntropy;
pub use blur_pool::BlurPool;
pub use card::{Card, card, nearest_card};
pub use class_balanced_sampling::ClassBalancedSampling;
pub use cosine_annealing::{CosineAnnealing, Restarts};
pub use cut_mix::CutMix;
pub use distillation::Distillation;
pub use dropout::Dropout;
pub use exponential_decay::ExponentialDecay;
pub use freeze::Freeze;
pub use ghost_batch_norm::GhostBatchNorm;
pub use gradient_accumulation::GradientAccumulation;
pub use gradient_clipping::GradientClipping;
pub use init_from::InitFrom;
pub use label_noise::LabelNoise;
pub use label_smoothing::LabelSmoothing;
pub use layer_decay::LayerDecay;
pub use linear_scaling::LinearScaling;
pub use lookahead::Lookahead;
pub use loss_scaling::LossScaling;
pub(crate) use loss_scaling::in_words as loss_scaling_in_words;
pub use mix_up::MixUp;
pub use momentum_schedule::{MomentumSchedule, Then};
pub use multi_step::MultiStep;
pub use no_bias_decay::NoBiasDecay;
pub use no_norm_decay::NoNormDecay;
pub use polynomial::Polynomial;
pub use precision::Precision;
pub use progressive_resizing::ProgressiveResizing;
pub use repeated_augmentation::RepeatedAugmentation;
pub use resnet_tweaks::{ResNetB, ResNetC, ResNetD};
pub use sam::Sam;
pub use sqrt_scaling::SqrtScaling;
pub use squeeze_excite::SqueezeExcite;
pub use step_decay::StepDecay;
pub use stochastic_depth::StochasticDepth;
pub use subset::Subset;
pub use test_time_augmentation::TestTimeAugmentation;
pub use train_test_resolution::TrainTestResolution;
pub use triangle::Triangle;
pub use unfreeze::Unfreeze;
pub use warmup::Warmup;
pub use weight_average::{Ema, Swa, WeightAverage};
pub use zero_gamma::ZeroGamma;

use crate::number::short;
use crate::plan::Draft;
use crate::problem::{Fault, Problem};

/// The pages on all tricks, by name.
pub const CARDS: &[Card] = &[
    bias_lr::CARD,
    binary_cross_entropy::CARD,
    blur_pool::CARD,
    class_balanced_sampling::CARD,
    cosine_annealing::CARD,
    cut_mix::CARD,
    distillation::CARD,
    dropout::CARD,
    exponential_decay::CARD,
    freeze::CARD,
    ghost_batch_norm::CARD,
    gradient_accumulation::CARD,
    gradient_clipping::CARD,
    init_from::CARD,
    label_noise::CARD,
    label_smoothing::CARD,
    layer_decay::CARD,
    linear_scaling::CARD,
    lookahead::CARD,
    loss_scaling::CARD,
    mix_up::CARD,
    momentum_schedule::CARD,
    multi_step::CARD,
    no_bias_decay::CARD,
    no_norm_decay::CARD,
    polynomial::CARD,
    precision::CARD,
    progressive_resizing::CARD,
    repeated_augmentation::CARD,
    resnet_tweaks::CARD_B,
    resnet_tweaks::CARD_C,
    resnet_tweaks::CARD_D,
    sam::CARD,
    sqrt_scaling::CARD,
    squeeze_excite::CARD,
    step_decay::CARD,
    stochastic_depth::CARD,
    subset::CARD,
    test_time_augmentation::CARD,
    train_test_resolution::CARD,
    triangle::CARD,
    unfreeze::CARD,
    warmup::CARD,
    weight_average::CARD,
    zero_gamma::CARD,
];

/// One line of a recipe's `tricks`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Trick {
    /// See [`LinearScaling`].
    LinearScaling(LinearScaling),
    /// See [`Warmup`].
    Warmup(Warmup),
    /// See [`CosineAnnealing`].
    CosineAnnealing(CosineAnnealing),
    /// See [`StepDecay`].
    StepDecay(StepDecay),
    /// See [`ExponentialDecay`].
    ExponentialDecay(ExponentialDecay),
    /// See [`LabelSmoothing`].
    LabelSmoothing(LabelSmoothing),
    /// See [`NoBiasDecay`].
    NoBiasDecay(NoBiasDecay),
    /// See [`ZeroGamma`].
    ZeroGamma(ZeroGamma),
    /// See [`Precision`].
    Precision(Precision),
    /// See [`LossScaling`].
    LossScaling(LossScaling),
    /// See [`MixUp`].
    MixUp(MixUp),
    /// See [`CutMix`].
    CutMix(CutMix),
    /// See [`GradientClipping`].
    GradientClipping(GradientClipping),
    /// See [`RepeatedAugmentation`].
    RepeatedAugmentation(RepeatedAugmentation),
    /// See [`ClassBalancedSampling`].
    ClassBalancedSampling(ClassBalancedSampling),
    /// See [`ResNetB`].
    ResNetB(ResNetB),
    /// See [`ResNetC`].
    ResNetC(ResNetC),
    /// See [`ResNetD`].
    ResNetD(ResNetD),
    /// See [`SqueezeExcite`].
    SqueezeExcite(SqueezeExcite),
    /// See [`BlurPool`].
    BlurPool(BlurPool),
    /// See [`StochasticDepth`].
    StochasticDepth(StochasticDepth),
    /// See [`Dropout`].
    Dropout(Dropout),
    /// See [`BinaryCrossEntropy`].
    BinaryCrossEntropy(BinaryCrossEntropy),
    /// See [`Distillation`].
    Distillation(Distillation),
    /// See [`GhostBatchNorm`].
    GhostBatchNorm(GhostBatchNorm),
    /// See [`GradientAccumulation`].
    GradientAccumulation(GradientAccumulation),
    /// See [`InitFrom`].
    InitFrom(InitFrom),
    /// See [`Lookahead`].
    Lookahead(Lookahead),
    /// See [`Sam`].
    Sam(Sam),
    /// See [`WeightAverage`].
    WeightAverage(WeightAverage),
    /// See [`BiasLr`].
    BiasLr(BiasLr),
    /// See [`Freeze`].
    Freeze(Freeze),
    /// See [`LabelNoise`].
    LabelNoise(LabelNoise),
    /// See [`LayerDecay`].
    LayerDecay(LayerDecay),
    /// See [`MomentumSchedule`].
    MomentumSchedule(MomentumSchedule),
    /// See [`MultiStep`].
    MultiStep(MultiStep),
    /// See [`NoNormDecay`].
    NoNormDecay(NoNormDecay),
    /// See [`Polynomial`].
    Polynomial(Polynomial),
    /// See [`ProgressiveResizing`].
    ProgressiveResizing(ProgressiveResizing),
    /// See [`SqrtScaling`].
    SqrtScaling(SqrtScaling),
    /// See [`Subset`].
    Subset(Subset),
    /// See [`TestTimeAugmentation`].
    TestTimeAugmentation(TestTimeAugmentation),
    /// See [`TrainTestResolution`].
    TrainTestResolution(TrainTestResolution),
    /// See [`Triangle`].
    Triangle(Triangle),
    /// See [`Unfreeze`].
    Unfreeze(Unfreeze),
}

impl Trick {
    /// The page on the trick.
    pub fn card(&self) -> &'static Card {
        self.effect().card()
    }

    /// The only place that tells tricks apart.
    pub(crate) fn effect(&self) -> &dyn Effect {
        match self {
            Self::LinearScaling(trick) => trick,
            Self::Warmup(trick) => trick,
            Self::CosineAnnealing(trick) => trick,
            Self::StepDecay(trick) => trick,
            Self::ExponentialDecay(trick) => trick,
            Self::LabelSmoothing(trick) => trick,
            Self::NoBiasDecay(trick) => trick,
            Self::ZeroGamma(trick) => trick,
            Self::Precision(trick) => trick,
            Self::LossScaling(trick) => trick,
            Self::MixUp(trick) => trick,
            Self::CutMix(trick) => trick,
            Self::GradientClipping(trick) => trick,
            Self::RepeatedAugmentation(trick) => trick,
            Self::ClassBalancedSampling(trick) => trick,
            Self::ResNetB(trick) => trick,
            Self::ResNetC(trick) => trick,
            Self::ResNetD(trick) => trick,
            Self::SqueezeExcite(trick) => trick,
            Self::BlurPool(trick) => trick,
            Self::StochasticDepth(trick) => trick,
            Self::Dropout(trick) => trick,
            Self::BinaryCrossEntropy(trick) => trick,
            Self::Distillation(trick) => trick,
            Self::GhostBatchNorm(trick) => trick,
            Self::GradientAccumulation(trick) => trick,
            Self::InitFrom(trick) => trick,
            Self::Lookahead(trick) => trick,
            Self::Sam(trick) => trick,
            Self::WeightAverage(trick) => trick,
            Self::BiasLr(trick) => trick,
            Self::Freeze(trick) => trick,
            Self::LabelNoise(trick) => trick,
            Self::LayerDecay(trick) => trick,
            Self::MomentumSchedule(trick) => trick,
            Self::MultiStep(trick) => trick,
            Self::NoNormDecay(trick) => trick,
            Self::Polynomial(trick) => trick,
            Self::ProgressiveResizing(trick) => trick,
            Self::SqrtScaling(trick) => trick,
            Self::Subset(trick) => trick,
            Self::TestTimeAugmentation(trick) => trick,
            Self::TrainTestResolution(trick) => trick,
            Self::Triangle(trick) => trick,
            Self::Unfreeze(trick) => trick,
        }
    }
}

/// What a trick does to a plan.
pub(crate) trait Effect {
    /// The page on the trick.
    fn card(&self) -> &'static Card;

    /// Writes the slot and says, for `explain`, what the settings came to. Slots that come earlier
    /// have their values by then.
    ///
    /// A fault's path starts at the trick: `epochs`, or nothing for the trick itself.
    fn apply(&self, draft: &mut Draft) -> Result<String, Fault>;
}

/// A part of a plan that a trick can write, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Slot {
    /// Which images there are. First, because the length of an epoch follows from it.
    Images,
    /// The largest learning rate.
    PeakRate,
    /// How the learning rate rises to its peak.
    Warmup,
    /// How the learning rate falls from its peak.
    Decay,
    /// What the network is trained to answer.
    Targets,
    /// Whether biases decay.
    BiasDecay,
    /// Whether norms decay.
    NormDecay,
    /// What residual branches start from.
    ResidualScale,
    /// The number format that computes.
    NumberFormat,
    /// How the loss is scaled.
    LossScale,
    /// How images are blended.
    Blends,
    /// How boxes of images are replaced.
    Patches,
    /// How large gradients may be.
    GradientLimit,
    /// Which images an epoch shows, and in which order.
    Order,
    /// Where a bottleneck has its stride.
    BlockStride,
    /// How a network begins.
    Stem,
    /// How shortcuts subsample.
    Shortcut,
    /// Gates for channels.
    Gates,
    /// How networks subsample.
    Subsampling,
    /// Which blocks are skipped.
    SkippedBlocks,
    /// Which features are left out.
    Features,
    /// What parameters start from.
    Start,
    /// What the training minimises.
    Loss,
    /// How many images a pass sees.
    MicroBatch,
    /// How many images are normalised together.
    GhostBatch,
    /// Where the gradients are taken.
    GradientPlace,
    /// Whether slow weights pull the parameters back.
    SlowWeights,
    /// Which average of the parameters is kept.
    Averaging,
    /// Which labels are wrong.
    Labels,
    /// How large training images are.
    TrainSize,
    /// How the size of training images grows.
    SizeOverTime,
    /// What evaluation sees of an image.
    Views,
    /// The momentum.
    Momentum,
    /// Which parameters have a learning rate of their own.
    Multipliers,
    /// Which parameters are not trained.
    Frozen,
    /// When they are.
    Thawed,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "which images there are",
            Self::PeakRate => "the peak of the learning rate",
            Self::Warmup => "how the learning rate rises",
            Self::Decay => "how the learning rate falls",
            Self::Targets => "the training targets",
            Self::BiasDecay => "whether biases decay",
            Self::NormDecay => "whether norms decay",
            Self::ResidualScale => "what residual branches start from",
            Self::NumberFormat => "the number format",
            Self::LossScale => "how the loss is scaled",
            Self::Blends => "how images are blended",
            Self::Patches => "how boxes of images are replaced",
            Self::GradientLimit => "how large gradients may be",
            Self::Order => "which images an epoch shows",
            Self::BlockStride => "where a bottleneck has its stride",
            Self::Stem => "how the network begins",
            Self::Shortcut => "how shortcuts subsample",
            Self::Gates => "the gates for channels",
            Self::Subsampling => "how the network subsamples",
            Self::SkippedBlocks => "which blocks are skipped",
            Self::Features => "which features are left out",
            Self::Start => "what parameters start from",
            Self::Loss => "the loss",
            Self::MicroBatch => "how many images a pass sees",
            Self::GhostBatch => "how many images are normalised together",
            Self::GradientPlace => "where gradients are taken",
            Self::SlowWeights => "the slow weights",
            Self::Averaging => "which average of the parameters is kept",
            Self::Labels => "which labels are wrong",
            Self::TrainSize => "how large training images are",
            Self::SizeOverTime => "how the size of training images grows",
            Self::Views => "what evaluation sees of an image",
            Self::Momentum => "the momentum",
            Self::Multipliers => "the learning rates of single parameters",
            Self::Frozen => "which parameters are not trained",
            Self::Thawed => "when frozen parameters are trained",
        })
    }
}

/// A decay that multiplies by 1 or more is a slip; one by 0 ends the training.
fn check_factor(factor: f64) -> Result<(), Fault> {
    if factor > 0.0 && factor < 1.0 {
        return Ok(());
    }
    Err(Problem::impossible("factor", factor, "a number above 0 and below 1").at("factor"))
}

/// A rate that a curve starts from or ends in.
fn check_below_peak(draft: &Draft, field: &'static str, rate: f64) -> Result<(), Fault> {
    if (0.0..draft.peak).contains(&rate) {
        return Ok(());
    }
    let expected = format!("a rate of at least 0 and below the peak, {}", short(draft.peak));
    Err(Problem::impossible(field, rate, expected).at(field))
}

/// Adds something to the network, which must be able to have it.
fn add_to_network(draft: &mut Draft, add: impl FnOnce(&mut Extras)) -> Result<(), Fault> {
    add(&mut draft.extras);
    draft.network().map(drop).map_err(|error| Problem::Model(error).at(""))
}

/// What the optimiser refuses, at the setting that is out of its range.
fn at_setting(error: trickbag_optim::Error) -> Fault {
    let at = match &error {
        trickbag_optim::Error::Setting { field, .. } => field,
        _ => "",
    };
    Problem::Optimizer(error).at(at)
}

/// Mixup and CutMix share the batches, so their settings are checked together.
fn check_mixing(draft: &Draft) -> Result<(), Fault> {
    if draft.batch_size < 2 {
        return Err(Problem::Loss(trickbag_losses::Error::Alone).at(""));
    }
    draft.mixing.validate().map_err(|error| {
        let at = match &error {
            trickbag_losses::Error::Setting { field, .. } => field,
            _ => "probability",
        };
        Problem::Loss(error).at(at)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::recipe::options;

    /// Applies `effect` to the example draft: its words, or the path and message of its fault.
    pub(super) fn check(effect: &impl Effect, expected: Result<&str, (&str, &str)>) -> Draft {
        check_on(Draft::example(), effect, expected)
    }

    pub(super) fn check_on(
        mut draft: Draft,
        effect: &impl Effect,
        expected: Result<&str, (&str, &str)>,
    ) -> Draft {
        let found = effect.apply(&mut draft).map_err(|fault| (fault.at, fault.problem.to_string()));
        let found = found.as_deref().map_err(|(at, message)| (at.as_str(), message.as_str()));
        assert_eq!(found, expected);
        draft
    }

    #[test]
    fn tricks_are_named_as_they_are_written() {
        let texts = [
            "LinearScaling(base_batch:256)",
            "Warmup(epochs:5.0,from:0.0)",
            "CosineAnnealing(min:0.0)",
            "StepDecay(every:Epochs(30.0),factor:0.1)",
            "ExponentialDecay(factor:0.94,every:Epochs(2.0))",
            "LabelSmoothing(0.1)",
            "NoBiasDecay()",
            "NoNormDecay()",
            "ZeroGamma()",
            "Precision(F32)",
            "LossScaling(Static(1024.0))",
            "LossScaling(Dynamic(initial:65536.0,growth:2.0,backoff:0.5,interval:2000,floor:1.0))",
            "MixUp(alpha:0.2,probability:1.0)",
            "CutMix(alpha:1.0,probability:0.5)",
            "GradientClipping(Norm(1.0))",
            "RepeatedAugmentation(4)",
            "ClassBalancedSampling()",
            "ResNetB()",
            "ResNetC()",
            "ResNetD()",
            "SqueezeExcite(reduction:16)",
            "BlurPool()",
            "StochasticDepth(0.1)",
            "Dropout(0.2)",
            "InitFrom(\"a.safetensors\")",
            "BinaryCrossEntropy(target_threshold:0.2,reduction:Mean)",
            "Distillation(recipe:\"a.ron\",checkpoint:\"a.safetensors\",temperature:20.0,weight:0.5)",
            "GhostBatchNorm(32)",
            "GradientAccumulation(micro_batch:32)",
            "Sam(rho:0.05,every:1)",
            "Lookahead(alpha:0.5,every:5)",
            "WeightAverage(Ema(decay:0.999,warmup:Off,every:Steps(1)))",
            "WeightAverage(Swa(from:Fraction(0.75),every:Epochs(1.0)))",
            "CosineAnnealing(min:0.0,restarts:(period:Epochs(10.0),multiplier:2))",
            "MultiStep(at:[Epochs(30.0),Epochs(60.0)],factor:0.1)",
            "Polynomial(power:2.0,min:0.0)",
            "Triangle(peak_at:Epochs(2.0),from:0.2,to:0.07,shape:Linear)",
            "SqrtScaling(base_batch:256)",
            "MomentumSchedule(from:0.85,to:0.95,over:Epochs(2.0),then:Stay)",
            "LayerDecay(0.75)",
            "BiasLr(64.0)",
            "Freeze([\"conv1.*\",\"layer1.*\"])",
            "Unfreeze(at:Epochs(2.0))",
            "Subset(fraction:0.1,seed:1)",
            "LabelNoise(fraction:0.1,seed:1)",
            "TrainTestResolution(train:160)",
            "ProgressiveResizing(initial_scale:0.5,delay:0.5,finetune:0.2,multiple:4)",
            "TestTimeAugmentation(flip:true,shift:1)",
        ];
        for text in texts {
            let trick: Trick = options().from_str(text).unwrap();
            assert_eq!(options().to_string(&trick).unwrap(), text);
            assert_eq!(text.split('(').next(), Some(trick.card().name));
        }
    }

    #[test]
    fn slots_read_as_different_things() {
        use Slot::*;
        let slots = [
            Images,
            PeakRate,
            Warmup,
            Decay,
            Targets,
            BiasDecay,
            NormDecay,
            ResidualScale,
            NumberFormat,
            LossScale,
            Blends,
            Patches,
            GradientLimit,
            Order,
            BlockStride,
            Stem,
            Shortcut,
            Gates,
            Subsampling,
            SkippedBlocks,
            Features,
            Start,
            Loss,
            MicroBatch,
            GhostBatch,
            GradientPlace,
            SlowWeights,
            Averaging,
            Labels,
            TrainSize,
            SizeOverTime,
            Views,
            Momentum,
            Multipliers,
            Frozen,
            Thawed,
        ];
        let words: BTreeSet<String> = slots.iter().map(Slot::to_string).collect();
        assert_eq!(words.len(), slots.len());
    }
}
