//! Every lint rule with a recipe that triggers it and one that does not, and how findings read.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use trickbag_data::{Dataset, Keep, Source};
use trickbag_recipe::lint::{
    Evidence, Finding, LooksAt, Medium, RULES, Samples, Severity, Storage, lint, reference,
};
use trickbag_recipe::{Document, Plan};

/// Nothing is wrong with it.
const SOUND: &str = r#"Recipe(
    name: "sound",
    seed: 1,
    data: ImageFolder(path: "absent", size: 32, expect: (train: 45000, val: 5000, classes: 10)),
    normalize: (mean: [0.49, 0.48, 0.45], std: [0.25, 0.24, 0.26]),
    augment: [PadCrop(4), HorizontalFlip],
    model: ResNet(depth: 20, stem: Cifar),
    batch_size: 128,
    epochs: 60,
    optimizer: Sgd(lr: 0.1, momentum: 0.9, weight_decay: 5e-4),
    tricks: [Warmup(epochs: 1), CosineAnnealing, NoBiasDecay, NoNormDecay],
)
"#;

/// Evidence to match.
fn sound() -> Evidence {
    let samples = Samples {
        train_counts: vec![4500; 10],
        val_counts: vec![500; 10],
        mean: vec![0.491, 0.482, 0.447],
        std: vec![0.247, 0.243, 0.262],
        sides: vec![32; 512],
        compared: 512,
        shared: 0,
        kept: Keep::Decoded,
    };
    let storage = Storage { medium: Medium::Rotating, bytes: 2 << 30, memory: 1 << 30 };
    Evidence { samples: Some(samples), storage: Some(storage) }
}

/// Where people start the program: recipes name other recipes by paths from there.
fn go_to_root() {
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
}

/// The files of a folder and of those in it.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, paths) } else { paths.push(path) }
    }
}

fn findings(overrides: &[&str], evidence: &Evidence) -> Vec<Finding> {
    let mut document = Document::new("sound.ron", SOUND).unwrap();
    overrides.iter().for_each(|assignment| document.set(assignment).unwrap());
    let plan = Plan::new(&document, &document.facts().unwrap()).unwrap();
    lint(&document, &plan, evidence)
}

fn codes(overrides: &[&str], evidence: &Evidence) -> Vec<&'static str> {
    findings(overrides, evidence).iter().map(|finding| finding.rule.code).collect()
}

/// Overrides of the sound recipe that trigger a rule, and some close by that do not.
struct Case {
    code: &'static str,
    triggers: &'static [&'static [&'static str]],
    passes: &'static [&'static [&'static str]],
}

const ADAMW: &str = "optimizer=AdamW(lr: 1e-3, weight_decay: 0.05)";
const HUNDRED_CLASSES: &str = "data.expect=(train: 45000, val: 5000, classes: 100)";
/// With a teacher that normalises as [`TEACHERS`] says.
const DISTILLATION: &str = "tricks=[CosineAnnealing, Distillation(recipe: \"recipes/cifar10-resnet20.ron\", \
                            checkpoint: \"a.safetensors\", temperature: 20, weight: 0.5)]";
const TEACHERS: &str = "normalize=(mean: [0.4914, 0.4822, 0.4465], std: [0.2470, 0.2435, 0.2616])";

const CASES: &[Case] = &[
    Case {
        code: "TB001",
        triggers: &[&["allow=[(rule: \"TB301\", reason: \"as an example\")]"]],
        passes: &[&["allow=[(rule: \"TB301\", reason: \"as an example\")]", "batch_size=8"]],
    },
    Case {
        code: "TB101",
        triggers: &[
            &["batch_size=1024"],
            &["batch_size=16"],
            &["optimizer.lr=0.01"],
            &["tricks=[LinearScaling(base_batch: 8), Warmup(epochs: 1), CosineAnnealing]"],
            &["optimizer.lr=0.3", "tricks=[InitFrom(\"a.safetensors\")]"],
        ],
        passes: &[
            &["batch_size=256"],
            &["batch_size=64"],
            &["batch_size=1024", "optimizer.lr=0.4"],
            &[
                "batch_size=1024",
                "tricks=[LinearScaling(base_batch: 128), Warmup(epochs: 5), CosineAnnealing]",
            ],
            &[ADAMW],
            &["optimizer.momentum=0.5", "optimizer.lr=0.01"],
            &["batch_size=1024", "tricks=[SqrtScaling(base_batch: 4096)]"],
            &["optimizer.lr=0.01", "tricks=[InitFrom(\"a.safetensors\")]"],
            &[
                "optimizer.lr=0.01",
                "tricks=[MomentumSchedule(from: 0.95, to: 0.85, over: Epochs(5))]",
            ],
        ],
    },
    Case {
        code: "TB102",
        triggers: &[
            &["batch_size=1024", "optimizer.lr=0.4", "tricks=[CosineAnnealing]"],
            &["batch_size=1024", "tricks[Warmup].from=0.06"],
        ],
        passes: &[
            &["batch_size=1024", "optimizer.lr=0.4"],
            &["batch_size=512", "tricks=[CosineAnnealing]"],
        ],
    },
    Case {
        code: "TB103",
        triggers: &[&["tricks[Warmup].epochs=21"], &["tricks[0]=Warmup(fraction: 0.5)"]],
        passes: &[&["tricks[Warmup].epochs=20"], &["epochs=3"]],
    },
    Case {
        code: "TB104",
        triggers: &[
            &["tricks=[]"],
            &["tricks=[StepDecay(every: Epochs(90), factor: 0.1)]"],
            &["tricks[CosineAnnealing].min=0.06"],
        ],
        passes: &[
            &["tricks=[StepDecay(every: Epochs(30), factor: 0.1)]"],
            &["tricks[CosineAnnealing].min=0.01"],
        ],
    },
    Case {
        code: "TB105",
        triggers: &[
            &["tricks=[StepDecay(every: Epochs(59), factor: 0.1)]"],
            &["epochs=61", "tricks=[StepDecay(every: Epochs(30), factor: 0.1)]"],
            &["tricks=[MultiStep(at: [Epochs(30), Epochs(59)], factor: 0.1)]"],
            &["tricks=[MultiStep(at: [Epochs(30), Epochs(90)], factor: 0.1)]"],
        ],
        passes: &[
            &["tricks=[StepDecay(every: Epochs(30), factor: 0.1)]"],
            &["tricks=[StepDecay(every: Epochs(58), factor: 0.1)]"],
            &["tricks=[StepDecay(every: Epochs(60), factor: 0.1)]"],
            &["epochs=9", "tricks=[StepDecay(every: Epochs(8), factor: 0.1)]"],
            &["tricks=[MultiStep(at: [Epochs(30), Epochs(58)], factor: 0.1)]"],
        ],
    },
    Case {
        code: "TB106",
        triggers: &[
            &["tricks=[StepDecay(every: Steps(30), factor: 0.1)]"],
            &["tricks=[ExponentialDecay(factor: 0.94, every: Steps(2))]"],
        ],
        passes: &[
            &["tricks=[StepDecay(every: Epochs(10), factor: 0.1)]"],
            &["tricks=[ExponentialDecay(factor: 0.94, every: Epochs(2))]"],
        ],
    },
    Case {
        code: "TB201",
        triggers: &[&["optimizer.momentum=0"], &["optimizer=Sgd(lr: 0.1)"]],
        passes: &[&["optimizer.momentum=0.5"], &[ADAMW]],
    },
    Case {
        code: "TB202",
        triggers: &[&["optimizer.weight_decay=0"], &["optimizer=AdamW(lr: 1e-3, weight_decay: 0)"]],
        passes: &[&["optimizer.weight_decay=1e-5"], &["optimizer.weight_decay=0", "epochs=9"]],
    },
    Case {
        code: "TB203",
        triggers: &[&["tricks=[CosineAnnealing]"], &["tricks=[CosineAnnealing, NoBiasDecay]"]],
        passes: &[&["tricks=[CosineAnnealing]", "optimizer.weight_decay=0"], &[]],
    },
    Case {
        code: "TB204",
        triggers: &[&["optimizer=AdamW(lr: 1e-3, weight_decay: 1e-4)"]],
        passes: &[&[ADAMW], &["optimizer=AdamW(lr: 1e-3, weight_decay: 0)"], &[]],
    },
    Case {
        code: "TB205",
        triggers: &[&["optimizer.weight_decay=0.05"]],
        passes: &[&[ADAMW], &["optimizer.weight_decay=0.05", "optimizer.decay=Decoupled"]],
    },
    Case {
        code: "TB206",
        triggers: &[&["optimizer=AdamW(lr: 0.1)"]],
        passes: &[&["optimizer=AdamW(lr: 0.01)"], &["optimizer=RmsProp(lr: 0.045)"]],
    },
    Case {
        code: "TB207",
        triggers: &[&["optimizer=Lars(lr: 1.0, momentum: 0.9)"], &["optimizer=Lamb(lr: 0.005)"]],
        passes: &[&["optimizer=Lamb(lr: 0.005)", "batch_size=1024"]],
    },
    Case {
        code: "TB208",
        triggers: &[&["tricks=[GradientClipping(Norm(0.01))]"]],
        passes: &[
            &["tricks=[GradientClipping(Norm(1.0))]"],
            &["tricks=[GradientClipping(Value(0.01))]"],
            &["tricks=[GradientClipping(Adaptive(0.01))]"],
        ],
    },
    Case {
        code: "TB209",
        triggers: &[
            &["tricks=[WeightAverage(Ema(decay: 0.9998))]"],
            &["tricks=[WeightAverage(Ema(decay: 0.999, every: Steps(5)))]"],
            &["tricks=[WeightAverage(Ema(decay: 0.9999, warmup: Power(0.9)))]"],
        ],
        passes: &[
            &["tricks=[WeightAverage(Ema(decay: 0.999))]"],
            &["tricks=[WeightAverage(Ema(decay: 0.9999, warmup: Power(0.75)))]"],
            &["tricks=[WeightAverage(Swa(from: Fraction(0.75), every: Epochs(1)))]"],
        ],
    },
    Case {
        code: "TB210",
        triggers: &[&["tricks=[Sam(rho: 0.05), GradientAccumulation(micro_batch: 64)]"]],
        passes: &[
            &["tricks=[Sam(rho: 0.05), GradientAccumulation(micro_batch: 128)]"],
            &["tricks=[GradientAccumulation(micro_batch: 64)]"],
        ],
    },
    Case {
        code: "TB211",
        triggers: &[&[
            "tricks=[CosineAnnealing, WeightAverage(Swa(from: Fraction(0.4), every: Epochs(1)))]",
        ]],
        passes: &[&[
            "tricks=[CosineAnnealing, WeightAverage(Swa(from: Fraction(0.6), every: Epochs(1)))]",
        ]],
    },
    Case {
        code: "TB212",
        triggers: &[&["tricks=[Lookahead(alpha: 0.5, every: 7)]"]],
        passes: &[
            &["tricks=[Lookahead(alpha: 0.5, every: 5)]"],
            &["tricks=[Lookahead(alpha: 0.5, every: 7), CosineAnnealing]"],
        ],
    },
    Case {
        code: "TB213",
        triggers: &[&["tricks=[CosineAnnealing, Precision(F16), LossScaling(Off)]"]],
        passes: &[
            &["tricks=[CosineAnnealing, Precision(F16)]"],
            &["tricks=[CosineAnnealing, Precision(F16), LossScaling(Static(1024))]"],
        ],
    },
    Case {
        code: "TB301",
        triggers: &[
            &["batch_size=8"],
            &["tricks=[GradientAccumulation(micro_batch: 8)]"],
            &["tricks=[GradientAccumulation(micro_batch: 120)]"],
        ],
        passes: &[
            &["batch_size=16"],
            &["tricks=[GradientAccumulation(micro_batch: 16)]"],
            &["tricks=[GradientAccumulation(micro_batch: 112)]"],
        ],
    },
    Case {
        code: "TB302",
        triggers: &[&["data.expect=(train: 244, val: 5000, classes: 10)"]],
        passes: &[&["batch_size=32", "data.expect=(train: 244, val: 5000, classes: 10)"]],
    },
    Case {
        code: "TB303",
        triggers: &[&["data.expect=(train: 640, val: 5000, classes: 10)", "epochs=59"]],
        passes: &[
            &["data.expect=(train: 640, val: 5000, classes: 10)"],
            &[
                "data.expect=(train: 640, val: 5000, classes: 10)",
                "epochs=59",
                "tricks=[InitFrom(\"a.safetensors\")]",
            ],
        ],
    },
    Case {
        code: "TB304",
        triggers: &[&["tricks=[RepeatedAugmentation(7)]"]],
        passes: &[
            &["tricks=[RepeatedAugmentation(6)]"],
            &["tricks=[RepeatedAugmentation(1)]", "epochs=2"],
        ],
    },
    Case {
        code: "TB305",
        triggers: &[&["tricks=[RepeatedAugmentation(2)]", "augment=[]"]],
        passes: &[
            &["tricks=[RepeatedAugmentation(2)]"],
            &["tricks=[RepeatedAugmentation(1)]", "augment=[]"],
        ],
    },
    Case {
        code: "TB306",
        triggers: &[
            &["tricks=[Subset(fraction: 0.5, seed: 1)]"],
            &["tricks=[LabelNoise(fraction: 0.2, seed: 1)]"],
        ],
        passes: &[&[]],
    },
    Case {
        code: "TB401",
        triggers: &[&["tricks=[LabelSmoothing(0.4)]"]],
        passes: &[&["tricks=[LabelSmoothing(0.2)]"]],
    },
    Case {
        code: "TB402",
        triggers: &[
            &["batch_size=127", "tricks=[MixUp(alpha: 0.2)]"],
            &["batch_size=127", "tricks=[CutMix(alpha: 1.0)]"],
        ],
        passes: &[&["tricks=[MixUp(alpha: 0.2)]"], &["batch_size=127"]],
    },
    Case {
        code: "TB403",
        triggers: &[&["epochs=29", "tricks=[MixUp(alpha: 0.2)]"]],
        passes: &[&["epochs=30", "tricks=[MixUp(alpha: 0.2)]"], &["epochs=29"]],
    },
    Case {
        code: "TB404",
        triggers: &[&[TEACHERS, DISTILLATION, "tricks[0]=LabelSmoothing(0.1)"]],
        passes: &[
            &[TEACHERS, DISTILLATION],
            &[TEACHERS, DISTILLATION, "tricks[0]=LabelSmoothing(0.0)"],
            &["tricks=[LabelSmoothing(0.1)]"],
        ],
    },
    Case {
        code: "TB405",
        triggers: &[&["tricks=[BinaryCrossEntropy]"]],
        passes: &[
            &["tricks=[BinaryCrossEntropy, CutMix(alpha: 1.0)]"],
            &["tricks=[BinaryCrossEntropy, MixUp(alpha: 0.2)]"],
        ],
    },
    Case {
        code: "TB406",
        triggers: &[&[HUNDRED_CLASSES, "tricks=[BinaryCrossEntropy]"]],
        passes: &[
            &["tricks=[BinaryCrossEntropy]"],
            &[HUNDRED_CLASSES, "tricks=[BinaryCrossEntropy(reduction: SumClasses)]"],
            &[HUNDRED_CLASSES, "tricks=[BinaryCrossEntropy]", "optimizer=Lamb(lr: 0.005)"],
        ],
    },
    Case {
        code: "TB501",
        triggers: &[&["augment=[]"]],
        passes: &[&["augment=[]", "epochs=29"], &["augment=[]", "tricks=[MixUp(alpha: 0.2)]"]],
    },
    Case {
        code: "TB502",
        triggers: &[
            &["data=Mnist10k", "normalize=(mean: [0.13], std: [0.3])"],
            &["data=Mnist10k", "normalize=(mean: [0.13], std: [0.3])", "augment=[AlternatingFlip]"],
            &[
                "data=Mnist10k",
                "normalize=(mean: [0.13], std: [0.3])",
                "augment=[]",
                "tricks=[TestTimeAugmentation(flip: true)]",
            ],
        ],
        passes: &[
            &["data=Mnist10k", "normalize=(mean: [0.13], std: [0.3])", "augment=[PadCrop(2)]"],
            &[
                "data=Mnist10k",
                "normalize=(mean: [0.13], std: [0.3])",
                "augment=[]",
                "tricks=[TestTimeAugmentation(shift: 1)]",
            ],
            &[],
        ],
    },
    Case {
        code: "TB503",
        triggers: &[&["augment=[HorizontalFlip, AlternatingFlip]"]],
        passes: &[&["augment=[AlternatingFlip]"]],
    },
    Case {
        code: "TB504",
        triggers: &[&["augment=[PadCrop(9)]"], &["augment=[ReflectPadCrop(9)]"]],
        passes: &[&["augment=[PadCrop(8)]"]],
    },
    Case {
        code: "TB505",
        triggers: &[&["augment=[Cutout(20)]"]],
        passes: &[&["augment=[Cutout(16)]"]],
    },
    Case {
        code: "TB506",
        triggers: &[&["augment=[RandomErasing(p: 1.0)]"]],
        passes: &[&["augment=[RandomErasing(p: 0.5)]"]],
    },
    Case {
        code: "TB507",
        triggers: &[&["augment=[TrivialAugment, RandAugment()]"]],
        passes: &[&["augment=[TrivialAugment, HorizontalFlip]"]],
    },
    Case {
        code: "TB508",
        triggers: &[
            &["augment=[RandAugment(magnitude: 20)]"],
            &["augment=[RandAugment(ops: 4, magnitude: 1)]"],
        ],
        passes: &[
            &["augment=[RandAugment(ops: 2, magnitude: 9)]"],
            &["augment=[RandAugment(magnitude: 20)]", "model=ResNet(depth: 18, stem: Cifar)"],
        ],
    },
    Case {
        code: "TB509",
        triggers: &[&[
            "data=Mnist10k",
            "normalize=(mean: [0.13], std: [0.3])",
            "augment=[ColorJitter(hue: 0.1)]",
        ]],
        passes: &[
            &["augment=[ColorJitter(hue: 0.1)]"],
            &[
                "data=Mnist10k",
                "normalize=(mean: [0.13], std: [0.3])",
                "augment=[ColorJitter(brightness: 0.1)]",
            ],
        ],
    },
    Case {
        code: "TB601",
        triggers: &[
            &["normalize=(mean: [123.68, 116.779, 103.939], std: [58.393, 57.12, 57.375])"],
            &["normalize=(mean: [0.1, 0.1, 0.1], std: [0.25, 0.25, 0.25])"],
            &["normalize=(mean: [0.5, 0.5, 0.5], std: [1.0, 1.0, 1.0])"],
        ],
        passes: &[
            &["normalize=(mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])"],
            &["normalize=(mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5])"],
            &[
                "normalize=(mean: [0.1, 0.1, 0.1], std: [0.25, 0.25, 0.25])",
                "tricks=[InitFrom(\"a.safetensors\")]",
            ],
        ],
    },
    Case {
        code: "TB607",
        triggers: &[&["data.expect=(train: 45000, val: 153, classes: 10)"]],
        passes: &[&["data.expect=(train: 45000, val: 500, classes: 10)"]],
    },
    Case {
        code: "TB609",
        triggers: &[&["tricks=[TrainTestResolution(train: 40)]"]],
        passes: &[&["tricks=[TrainTestResolution(train: 32)]"]],
    },
    Case {
        code: "TB610",
        triggers: &[&["tricks=[TrainTestResolution(train: 24)]"]],
        passes: &[
            &["tricks=[TrainTestResolution(train: 24)]", "augment=[RandomResizedCrop]"],
            &["tricks=[TrainTestResolution(train: 32)]"],
        ],
    },
    Case {
        code: "TB701",
        triggers: &[&["model=ResNet(depth: 18)"], &["model=ResNet(depth: 20, stem: Deep)"]],
        passes: &[&["model=ResNet(depth: 18)", "data.size=64"], &["model=MobileNetV1(width: 1.0)"]],
    },
    Case {
        code: "TB702",
        triggers: &[&["data.size=128"]],
        passes: &[&["data.size=64"], &["data.size=128", "model=ResNet(depth: 18)"]],
    },
    Case {
        code: "TB703",
        triggers: &[&["model.depth=8", "epochs=5", "tricks=[ZeroGamma]"]],
        passes: &[
            &["model.depth=8", "tricks=[ZeroGamma]"],
            &["epochs=5", "tricks=[ZeroGamma]"],
            &["model.depth=8", "epochs=5", "tricks=[]"],
        ],
    },
    Case {
        code: "TB704",
        triggers: &[
            &["tricks=[StochasticDepth(0.1)]"],
            &["model=WideResNet(depth: 16, widen: 4)", "tricks=[StochasticDepth(0.1)]"],
        ],
        passes: &[&["model.depth=56", "tricks=[StochasticDepth(0.1)]"]],
    },
    Case {
        code: "TB801",
        triggers: &[&["tricks=[Freeze([\"conv1.*\"])]"], &["tricks=[LayerDecay(0.75)]"]],
        passes: &[
            &["tricks=[InitFrom(\"a.safetensors\"), Freeze([\"conv1.*\"])]"],
            &["tricks=[InitFrom(\"a.safetensors\"), LayerDecay(0.75)]"],
            &["tricks=[BiasLr(64)]"],
        ],
    },
    Case {
        code: "TB802",
        triggers: &[&["tricks=[InitFrom(\"a.safetensors\"), ZeroGamma]"]],
        passes: &[&["tricks=[InitFrom(\"a.safetensors\")]"], &["tricks=[ZeroGamma]"]],
    },
    Case {
        code: "TB803",
        triggers: &[
            &["optimizer.lr=0.05", "tricks=[InitFrom(\"a.safetensors\")]"],
            &["optimizer.lr=0.1", "batch_size=512", "tricks=[InitFrom(\"a.safetensors\")]"],
        ],
        passes: &[
            &["optimizer.lr=0.04", "tricks=[InitFrom(\"a.safetensors\")]"],
            &["optimizer.lr=0.05", "batch_size=512", "tricks=[InitFrom(\"a.safetensors\")]"],
            &["tricks=[InitFrom(\"a.safetensors\"), Freeze([\"conv1.*\"])]"],
        ],
    },
    Case {
        code: "TB804",
        triggers: &[&["tricks=[Freeze([\"conv1.*\"]), Unfreeze(at: Epochs(50)), CosineAnnealing]"]],
        passes: &[
            &["tricks=[Freeze([\"conv1.*\"]), Unfreeze(at: Epochs(30)), CosineAnnealing]"],
            &["tricks=[Freeze([\"conv1.*\"]), Unfreeze(at: Epochs(50))]"],
        ],
    },
];

/// A change of the evidence that triggers a rule, with overrides, and one close by that does not.
struct Look {
    code: &'static str,
    overrides: &'static [&'static str],
    triggers: fn(&mut Samples),
    passes: fn(&mut Samples),
}

const LOOKS: &[Look] = &[
    Look {
        code: "TB602",
        overrides: &[],
        triggers: |samples| samples.shared = 6,
        passes: |samples| samples.shared = 5,
    },
    Look {
        code: "TB603",
        overrides: &[],
        triggers: |samples| samples.train_counts[3] = 899,
        passes: |samples| samples.train_counts[3] = 900,
    },
    Look {
        code: "TB604",
        overrides: &["tricks=[CosineAnnealing, NoBiasDecay, NoNormDecay, ClassBalancedSampling]"],
        triggers: |_| (),
        passes: |samples| samples.train_counts[3] = 900,
    },
    Look {
        code: "TB605",
        overrides: &[],
        triggers: |samples| samples.val_counts[3] = 0,
        passes: |samples| samples.val_counts[3] = 1,
    },
    Look {
        code: "TB606",
        overrides: &[],
        triggers: |samples| samples.sides[..60].fill(20),
        passes: |samples| samples.sides[..50].fill(20),
    },
    Look {
        code: "TB608",
        overrides: &[],
        triggers: |samples| samples.kept = Keep::Files,
        passes: |_| (),
    },
];

#[test]
fn nothing_is_wrong_with_the_sound_recipe() {
    assert_eq!(codes(&[], &sound()), [""; 0]);
}

#[test]
fn every_rule_finds_its_mistake_and_nothing_close_by() {
    go_to_root();
    for Case { code, triggers, passes } in CASES {
        assert!(!triggers.is_empty() && !passes.is_empty(), "{code}");
        for overrides in *triggers {
            assert!(codes(overrides, &sound()).contains(code), "{code}: {overrides:?}");
        }
        for overrides in *passes {
            assert!(!codes(overrides, &sound()).contains(code), "{code}: {overrides:?}");
        }
    }
}

#[test]
fn every_rule_on_images_finds_its_mistake_and_nothing_close_by() {
    let changed = |change: fn(&mut Samples)| {
        let mut evidence = sound();
        change(evidence.samples.as_mut().unwrap());
        evidence
    };
    for Look { code, overrides, triggers, passes } in LOOKS {
        assert_eq!(codes(overrides, &changed(*triggers)), [*code]);
        assert_eq!(codes(overrides, &changed(*passes)), [""; 0], "{code}");
    }
}

#[test]
fn files_on_slow_storage_are_no_mistake_where_memory_holds_them() {
    let check = |medium, memory, expected: &[&str]| {
        let mut evidence = sound();
        evidence.samples.as_mut().unwrap().kept = Keep::Files;
        evidence.storage = Some(Storage { medium, bytes: 1000, memory });
        assert_eq!(codes(&[], &evidence), expected);
    };
    check(Medium::Network("nfs4".into()), 999, &["TB608"]);
    check(Medium::Network("nfs4".into()), 1000, &[]);
    check(Medium::Other, 999, &[]);
}

#[test]
fn every_rule_is_tested_and_has_its_own_code_and_name() {
    let tested: BTreeSet<_> =
        CASES.iter().map(|case| case.code).chain(LOOKS.iter().map(|look| look.code)).collect();
    let codes: BTreeSet<_> = RULES.iter().map(|rule| rule.code).collect();
    let names: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(tested, codes);
    assert_eq!((codes.len(), names.len()), (RULES.len(), RULES.len()));
    assert!(RULES.is_sorted_by_key(|rule| rule.code));
}

#[test]
fn without_evidence_only_the_recipe_is_judged() {
    for Look { overrides, .. } in LOOKS {
        assert_eq!(codes(overrides, &Evidence::default()), [""; 0]);
    }
    let needing = RULES.iter().filter(|rule| rule.looks_at != LooksAt::Recipe);
    assert_eq!(needing.count(), LOOKS.len() + 1);
}

#[test]
fn no_recipe_of_the_repository_is_warned_of() {
    go_to_root();
    let mut paths = Vec::new();
    collect(Path::new("recipes"), &mut paths);
    assert!(!paths.is_empty());
    let warned: Vec<_> = paths.into_iter().flat_map(warnings).collect();
    assert_eq!(warned, [""; 0]);
}

fn warnings(path: PathBuf) -> Vec<String> {
    let document = Document::read(path).unwrap();
    let plan = Plan::new(&document, &document.facts().unwrap()).unwrap();
    let mut evidence = Evidence::default();
    if document.recipe().data == Source::Mnist10k {
        let dataset = Dataset::open(&Source::Mnist10k, Keep::Decoded).unwrap();
        evidence.samples = Some(Samples::look(&dataset).unwrap());
    }
    let found = lint(&document, &plan, &evidence);
    let warnings = found.iter().filter(|finding| finding.rule.severity == Severity::Warning);
    warnings.map(Finding::to_string).collect()
}

#[test]
fn findings_show_the_line_the_reason_and_the_fix() {
    let overrides =
        ["batch_size=1000", "tricks[Warmup].epochs=30", "model=ResNet(depth: 18)", "augment=[]"];
    let mut evidence = sound();
    let samples = evidence.samples.as_mut().unwrap();
    (samples.shared, samples.mean[0], samples.kept) = (512, 0.1307, Keep::Files);
    let found = findings(&overrides, &evidence);
    let texts: Vec<_> = found.iter().map(Finding::to_string).collect();
    insta::assert_snapshot!("findings", texts.join("\n\n"));
}

#[test]
fn an_allowed_rule_is_silent_and_the_hash_does_not_see_it() {
    let allow =
        "allow=[(rule: \"TB301\", reason: \"8 images fit\"), (rule: \"TB101\", reason: \"tried\")]";
    assert_eq!(codes(&["batch_size=8", allow], &sound()), [""; 0]);
    assert_eq!(codes(&["batch_size=8"], &sound()), ["TB101", "TB301"]);

    let plain = Document::new("plain", SOUND).unwrap();
    let mut allowing = plain.clone();
    allowing.set(allow).unwrap();
    assert_eq!(allowing.recipe().hash(), plain.recipe().hash());
    let again = Document::new("again", allowing.recipe().to_string()).unwrap();
    assert_eq!(again.recipe(), allowing.recipe());
}

#[test]
fn what_cannot_be_seen_here_is_not_needless_to_allow() {
    let allow = "allow=[(rule: \"TB608\", reason: \"a\"), (rule: \"TB602\", reason: \"b\")]";
    assert_eq!(codes(&[allow], &sound()), ["TB001"]); // TB602, seen not to be there
    assert_eq!(codes(&[allow], &Evidence::default()), [""; 0]);
    assert_eq!(codes(&["allow=[(rule: \"TB001\", reason: \"c\")]"], &sound()), [""; 0]);
}

#[test]
fn the_page_of_rules_is_up_to_date() {
    go_to_root();
    let page = fs::read_to_string("docs/lint.md").unwrap();
    assert!(page == reference(), "run `cargo xtask lint --rules > docs/lint.md`");
}

/// `docs/mistakes.md` names a file and something in it for each mistake.
#[test]
fn what_shows_that_mistakes_are_caught_is_there() {
    go_to_root();
    let page = fs::read_to_string("docs/mistakes.md").unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains("`crates/"));
    let shown_by = rows.map(|row| row.trim_end_matches(" |").rsplit_once(" | ").unwrap().1);
    let mut count = 0;
    for shown in shown_by {
        let (file, what) = shown.split_once(": ").unwrap();
        let text = fs::read_to_string(file.trim_matches('`')).unwrap();
        assert!(text.contains(what.trim_matches('`')), "{shown}");
        count += 1;
    }
    assert!(count >= 20, "{count}");
    let codes: BTreeSet<_> = RULES.iter().map(|rule| rule.code).collect();
    let cited = page.match_indices("TB").map(|(at, _)| &page[at..at + 5]);
    assert!(cited.clone().count() > 0 && cited.into_iter().all(|code| codes.contains(code)));
}
