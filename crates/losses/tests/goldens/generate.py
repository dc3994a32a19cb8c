"""Goldens of cross entropy: `cross_entropy.safetensors`, beside this file.

    python crates/losses/tests/goldens/generate.py

PyTorch computes in float64 and everything is stored in float64. Inputs are float32 numbers and stored too, so that
a reader needs no formula. The file format is described in `bench/pytorch/golden.py`.

    case:   name, label_smoothing, labels (list of class indices, or null where the targets are soft),
            weighted (bool)
    stored: logits (batch, classes); targets (batch, classes) where they are soft, before smoothing;
            weights (batch) where weighted; and the references
            losses (batch)            the loss of each sample, without its weight
            loss ()                   their mean; where weighted sum(w_i * l_i) / sum(w_i)
            dlogits (batch, classes)  the gradient of `loss`

Smoothing is PyTorch's: eps / classes on every class, 1 - eps more on the target.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "bench" / "pytorch"))
from golden import fill, save  # noqa: E402


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
        label_smoothing=case["label_smoothing"],
        labels=case["labels"],
        weighted=case["weights"] is not None,
    )


if __name__ == "__main__":
    tensors = {f"{case['name']}/{key}": value for case in CASES for key, value in references(case).items()}
    save(HERE / "cross_entropy.safetensors", tensors, [describe(case) for case in CASES], torch.float64)
