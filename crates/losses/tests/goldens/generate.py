"""Goldens of the losses and of mixing: the `.safetensors` files beside this one.

    python crates/losses/tests/goldens/generate.py

PyTorch and timm compute in float64 and everything is stored in float64. Inputs are float32 numbers and stored too, so
that a reader needs no formula. The file format is described in `bench/pytorch/golden.py`.

`cross_entropy.safetensors`, by torch.nn.functional.cross_entropy:

    case:   name, settings (null), batch, label_smoothing, labels (list of class indices, or null where the targets
            are soft), weighted (bool)
    stored: logits (batch, classes); targets (batch, classes) where they are soft, before smoothing;
            weights (batch) where weighted; and the references
            losses (batch)            the loss of each sample, without its weight
            loss ()                   their mean; where weighted sum(w_i * l_i) / sum(w_i)
            dlogits (batch, classes)  the gradient of `loss`

Smoothing is PyTorch's: eps / classes on every class, 1 - eps more on the target.

`binary_cross_entropy.safetensors`, by timm.loss.BinaryCrossEntropy:

    case:   name, batch, label_smoothing and labels as above; settings as a recipe has them
    stored: logits, targets as above; loss (), dlogits (batch, classes)

`distillation.safetensors`, by (1 - weight) * cross_entropy + weight * T^2 * kl_div with the reduction "batchmean":

    case:   name, batch, label_smoothing and labels as above; settings as a recipe has them
    stored: logits, targets as above, teacher (batch, classes); loss (), dlogits (batch, classes)

`mixing.safetensors`, by timm.data.mixup.Mixup with its draws replaced:

    case:   name; lambda, as it was drawn; centre of the box in rows and columns, or null for mixup; label_smoothing and
            labels as above; classes
    stored: images (batch, 7, 9, 3) and mixed_images, both in Trickbag's layout; mixed_targets (batch, classes)
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from timm.data import mixup
from timm.loss import BinaryCrossEntropy

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "bench" / "pytorch"))
from golden import fill, map_from_torch, map_to_torch, save  # noqa: E402


def mixed(classes, pairs):
    """Targets of mixup: `share` of class `a` and the rest of class `b`; shares are exact in binary."""
    targets = torch.zeros(len(pairs), classes, dtype=torch.float64)
    for row, (a, b, share) in zip(targets, pairs):
        row[a] += share
        row[b] += 1 - share
    return targets


def dense(tag, batch, classes):
    """Targets with some probability on every class, as a teacher gives them."""
    return (3 * fill(tag, (batch, classes))).softmax(1).float().double()


def case(name, logits, labels=None, targets=None, label_smoothing=0.0, weights=None):
    inputs = dict(logits=logits, labels=labels, targets=targets, weights=weights)
    return dict(name=name, label_smoothing=label_smoothing, **inputs)


def spread(tag, batch, classes, gain=3.0):
    return fill(tag, (batch, classes), gain=gain)


HUGE = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4], [-1e4, -1e4, 9999.0]], dtype=torch.float64)
DOMINANT = torch.tensor([[50.0, 0, 1, -1], [50.0, 0, 1, -1], [0, 0, 0, 20.0]], dtype=torch.float64)
WEIGHTS = torch.tensor([1.0, 0.5, 2.0, 0.0, 0.25, 3.0], dtype=torch.float64)
MIXED = mixed(5, [(0, 1, 0.75), (4, 2, 0.5), (3, 3, 1.0), (1, 0, 0.125), (2, 4, 0.96875), (0, 3, 0.25)])

CASES = [
    case("hard", spread("hard", 6, 5), labels=[0, 4, 2, 1, 3, 0]),
    case("hard-two-classes", spread("hard-two-classes", 4, 2), labels=[0, 1, 1, 0]),
    case("hard-one-sample", spread("hard-one-sample", 1, 10), labels=[7]),
    case("hard-many-classes", spread("hard-many-classes", 3, 101), labels=[0, 100, 50]),
    case("hard-weighted", spread("hard-weighted", 6, 5), labels=[1, 1, 4, 0, 2, 3], weights=WEIGHTS),
    case("hard-huge", HUGE, labels=[0, 0, 2, 1]),
    case("hard-dominant", DOMINANT, labels=[0, 2, 3]),
    case("smoothed", spread("smoothed", 6, 5), labels=[0, 4, 2, 1, 3, 0], label_smoothing=0.1),
    case(
        "smoothed-weighted",
        spread("smoothed-weighted", 6, 5),
        labels=[3, 2, 2, 0, 4, 1],
        label_smoothing=0.1,
        weights=WEIGHTS,
    ),
    case("smoothed-huge", HUGE, labels=[0, 0, 2, 1], label_smoothing=0.1),
    case("smoothed-dominant", DOMINANT, labels=[0, 2, 3], label_smoothing=0.1),
    case("soft-mixed", spread("soft-mixed", 6, 5), targets=MIXED),
    case("soft-dense", spread("soft-dense", 4, 7), targets=dense("soft-dense/targets", 4, 7)),
    case("soft-weighted", spread("soft-weighted", 6, 5), targets=MIXED, weights=WEIGHTS),
    case("soft-smoothed", spread("soft-smoothed", 6, 5), targets=MIXED, label_smoothing=0.1),
    case("soft-huge", HUGE, targets=mixed(3, [(0, 1, 0.5), (1, 2, 0.75), (2, 0, 0.25), (0, 2, 0.5)])),
]


def references(case):
    logits = case["logits"].clone().requires_grad_()
    soft = case["labels"] is None
    targets = case["targets"] if soft else torch.tensor(case["labels"])
    losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=case["label_smoothing"])
    weights = case["weights"]
    loss = losses.mean() if weights is None else (weights * losses).sum() / weights.sum()
    loss.backward()
    stored = {"logits": case["logits"], "losses": losses, "loss": loss, "dlogits": logits.grad}
    if soft:
        stored["targets"] = targets
    if weights is not None:
        stored["weights"] = weights
    return stored


def describe(case):
    return dict(
        name=case["name"],
        settings=None,
        batch=len(case["logits"]),
        label_smoothing=case["label_smoothing"],
        labels=case["labels"],
        weighted=case["weights"] is not None,
    )


LABELS = [0, 4, 2, 1, 3, 0]
STRICT = dict(target_threshold=0.2)
SUMMED = dict(reduction="SumClasses")


def with_settings(name, settings, logits=None, labels=None, targets=None, label_smoothing=0.0, **rest):
    logits = spread(name, 6, 5) if logits is None else logits
    inputs = dict(logits=logits, labels=labels, targets=targets, label_smoothing=label_smoothing)
    return dict(name=name, settings=settings, **inputs, **rest)


BINARY = [
    with_settings("hard", {}, labels=LABELS),
    with_settings("hard-summed", SUMMED, labels=LABELS),
    with_settings("smoothed", {}, labels=LABELS, label_smoothing=0.1),
    with_settings("mixed", {}, targets=MIXED),
    with_settings("mixed-strict", STRICT, targets=MIXED),
    with_settings("mixed-strict-summed", STRICT | SUMMED, targets=MIXED),
    with_settings("smoothed-strict", STRICT, labels=LABELS, label_smoothing=0.1),
    with_settings("huge", {}, logits=HUGE, labels=[0, 0, 2, 1]),
    with_settings("huge-summed", SUMMED, logits=HUGE, labels=[0, 0, 2, 1], label_smoothing=0.1),
]


def taught(name, temperature, weight, gain=3.0, **rest):
    teacher = rest.pop("teacher", spread(f"{name}/teacher", 6, 5, gain))
    return with_settings(name, dict(temperature=temperature, weight=weight), teacher=teacher, **rest)


DISTILLED = [
    taught("hard", 4.0, 0.5, labels=LABELS),
    taught("paper", 20.0, 0.5, labels=LABELS),
    taught("labels-alone", 4.0, 0.0, labels=LABELS),
    taught("teacher-alone", 2.0, 1.0, labels=LABELS),
    taught("cold", 0.5, 0.3, labels=LABELS),
    taught("sure-teacher", 1.0, 0.9, gain=40.0, labels=LABELS),
    taught("smoothed", 3.0, 0.7, labels=LABELS, label_smoothing=0.1),
    taught("mixed", 3.0, 0.7, targets=MIXED),
    taught("agreed", 5.0, 0.5, teacher=spread("agreed", 6, 5), labels=LABELS),
    taught("huge", 4.0, 0.5, logits=HUGE, teacher=HUGE.flip(0), labels=[0, 0, 2, 1]),
]


def smoothed(case):
    """Target distributions: hard labels smoothed, soft ones as they are."""
    if case["targets"] is not None:
        return case["targets"]
    classes = case["logits"].shape[1]
    hard = F.one_hot(torch.tensor(case["labels"]), classes).double()
    return hard * (1 - case["label_smoothing"]) + case["label_smoothing"] / classes


def binary_loss(case, logits):
    settings = case["settings"]
    loss = BinaryCrossEntropy(
        smoothing=case["label_smoothing"],
        target_threshold=settings.get("target_threshold"),
        sum_classes=settings.get("reduction") == "SumClasses",
    )
    return loss(logits, torch.tensor(case["labels"]) if case["targets"] is None else case["targets"])


def distillation_loss(case, logits):
    temperature, weight = case["settings"]["temperature"], case["settings"]["weight"]
    hard = F.cross_entropy(logits, smoothed(case))
    student, teacher = [(z / temperature).log_softmax(1) for z in (logits, case["teacher"])]
    soft = F.kl_div(student, teacher, log_target=True, reduction="batchmean")
    return (1 - weight) * hard + weight * temperature**2 * soft


def gradients(loss_of):
    def computed(case):
        logits = case["logits"].clone().requires_grad_()
        loss = loss_of(case, logits)
        loss.backward()
        stored = {"logits": case["logits"], "loss": loss, "dlogits": logits.grad}
        return stored | {key: case[key] for key in ("targets", "teacher") if case.get(key) is not None}

    return computed


def describe_settings(case):
    kept = {key: case[key] for key in ("name", "settings", "label_smoothing", "labels")}
    return kept | dict(batch=len(case["logits"]))


def mixing(name, share, labels, centre=None, label_smoothing=0.0):
    shared = dict(labels=labels, label_smoothing=label_smoothing, classes=5)
    return {"name": name, "lambda": share, "centre": centre} | shared


MIXING = [
    mixing("mixup", 0.3, [0, 4, 2, 1]),
    mixing("mixup-smoothed", 0.85, [0, 4, 2, 1], label_smoothing=0.1),
    mixing("mixup-odd", 0.6, [3, 1, 0]),
    mixing("mixup-same", 1.0, [3, 1]),
    mixing("cutmix", 0.6, [0, 4, 2, 1], centre=(3, 4)),
    mixing("cutmix-corner", 0.3, [0, 4, 2, 1], centre=(0, 8), label_smoothing=0.1),
    mixing("cutmix-edge", 0.5, [0, 4], centre=(6, 2)),
    mixing("cutmix-odd", 0.7, [2, 2, 0, 1, 4], centre=(2, 5)),
    mixing("cutmix-all", 0.0, [1, 3], centre=(3, 4)),
    mixing("cutmix-none", 0.999, [1, 3], centre=(3, 4)),
]


def mixed_batch(case):
    batch = len(case["labels"])
    images = fill(f"{case['name']}/images", (batch, 7, 9, 3))
    draws = iter(case["centre"] or ())
    mixup.np.random.beta = lambda *_: case["lambda"]
    mixup.np.random.randint = lambda *_, **__: next(draws)
    alphas = dict(mixup_alpha=0.0, cutmix_alpha=1.0) if case["centre"] else dict(mixup_alpha=1.0)
    x = map_to_torch(images).clone()
    share = mixup.Mixup(**alphas)._mix_batch(x)
    targets = mixup.mixup_target(torch.tensor(case["labels"]), case["classes"], share, case["label_smoothing"])
    return {"images": images, "mixed_images": map_from_torch(x), "mixed_targets": targets}


def write(file, cases, compute, stored):
    tensors = {f"{case['name']}/{key}": value for case in cases for key, value in compute(case).items()}
    save(HERE / file, tensors, [stored(case) for case in cases], torch.float64)


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    write("cross_entropy.safetensors", CASES, references, describe)
    write("binary_cross_entropy.safetensors", BINARY, gradients(binary_loss), describe_settings)
    write("distillation.safetensors", DISTILLED, gradients(distillation_loss), describe_settings)
    write("mixing.safetensors", MIXING, mixed_batch, lambda case: case)
