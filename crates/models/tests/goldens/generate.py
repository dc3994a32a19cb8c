"""Goldens of the networks, beside this file.

    python crates/models/tests/goldens/generate.py

The networks are those of `bench/pytorch/resnet.py`, which this program first holds against torchvision and timm.
The formula `fill`, the layouts and the file format are described in `bench/pytorch/golden.py`.

resnet8, resnet18-cifar-stem, resnet18-b, resnet18-d, resnet50-a, -b, -c, -d.safetensors
    One training step without the update, in float64, stored in float32. One case per file, its tensors named
    without a prefix.

    case:   name; architecture (depth, stem, variant, width: as a recipe says it, so C and D have the deep stem);
            classes; labels; label_smoothing; images (tag, shape): fill(tag, shape);
            parameters: list of {name, shape (in Trickbag's layout), offset, gain}: fill(name, shape, offset, gain);
            norms: list of names of the batch norms, whose running mean starts from 0 and running variance from 1
    stored: logits (batch, classes), loss ()    in training mode; the loss is the mean cross entropy
            gradients (parameters, 18)          digests, one row per entry of `parameters`
            running_mean, running_variance (norms, 18)  digests after the step, one row per entry of `norms`
            evaluation_logits (batch, classes)  in evaluation mode after the step

    A digest of an array, flattened row-major in Trickbag's layout, is its L2 norm, its dot product with
    fill("probe") of the same length, and its first 16 values, followed by zeros where it has fewer.

resnet8-torch.safetensors
    The state dict of a small network as PyTorch users save it: torchvision's names, torch's layout,
    `num_batches_tracked` included.

    case:   name, architecture, classes, images (tag, shape), logits (batch x classes, in evaluation mode, float64)

counts.json
    versions, and networks: list of {name, architecture, classes, size (of the square image), parameters,
    macs (multiply-adds of convolutions and linear layers in the forward pass of one image)}
"""

import json
import math
import sys
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "bench" / "pytorch"))
from golden import fill, map_to_torch, save, versions, weight_from_torch, weight_to_torch  # noqa: E402
from resnet import Basic, Bottleneck, ResNet  # noqa: E402

CLASSES = 5
LABEL_SMOOTHING = 0.1


def case(name, size, images, depth, stem="ImageNet", variant="B"):
    """`images` numbers a batch that puts no ReLU and no maximum so near a tie that float32 takes the other side."""
    architecture = dict(depth=depth, stem=stem, variant=variant, width=8)
    images = dict(tag=f"{name}/images/{images}", shape=[4, size, size, 3])
    return dict(name=name, architecture=architecture, images=images)


# At 48 pixels the feature maps have odd sizes, and the last stage still has 16 pixels to normalise over.
CASES = [
    case("resnet8", 16, 3, depth=8, stem="Cifar"),
    case("resnet18-cifar-stem", 16, 1, depth=18, stem="Cifar"),
    case("resnet18-b", 48, 2, depth=18),
    case("resnet18-d", 48, 2, depth=18, variant="D"),
    case("resnet50-a", 48, 1, depth=50, variant="A"),
    case("resnet50-b", 48, 3, depth=50, variant="B"),
    case("resnet50-c", 48, 10, depth=50, variant="C"),
    case("resnet50-d", 48, 11, depth=50, variant="D"),
]


def formulas(model):
    """How the formula makes each parameter: {name, shape, offset, gain}."""
    last_norms = {id(block.last_norm().weight) for block in model.modules() if isinstance(block, (Basic, Bottleneck))}
    return [
        dict(name=name, shape=list(weight_from_torch(p).shape), **moments(name, p, id(p) in last_norms))
        for name, p in model.named_parameters()
    ]


def moments(name, parameter, last_norm):
    """Kaiming's variance for weights, and residual branches so weak that float32 can follow fifty layers."""
    if parameter.dim() > 1:
        return dict(offset=0.0, gain=math.sqrt(6 / parameter[0].numel()))
    if name.endswith("bias"):
        return dict(offset=0.0, gain=0.1)
    return dict(offset=0.25 if last_norm else 1.0, gain=0.1)


@torch.no_grad()
def fill_parameters(model):
    parameters = dict(model.named_parameters())
    for formula in formulas(model):
        values = fill(formula["name"], formula["shape"], formula["offset"], formula["gain"])
        parameters[formula["name"]].copy_(weight_to_torch(values))
    return model


def images(case):
    return map_to_torch(fill(case["images"]["tag"], case["images"]["shape"]))


def digest(parameter):
    values = weight_from_torch(parameter.detach()).flatten().double()
    row = torch.zeros(18, dtype=torch.float64)
    row[0] = values.norm()
    row[1] = values @ fill("probe", values.shape)
    row[2 : 2 + min(16, len(values))] = values[:16]
    return row


def norms(model):
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}


def step(case, dtype):
    """One step in `dtype`: what the file stores."""
    model = fill_parameters(ResNet(**case["architecture"], classes=CLASSES).double()).to(dtype).train()
    x = images(case).to(dtype)
    labels = torch.arange(len(x)) % CLASSES
    logits = model(x)
    loss = F.cross_entropy(logits, labels, label_smoothing=LABEL_SMOOTHING)
    loss.backward()
    stored = {
        "logits": logits,
        "loss": loss,
        "gradients": torch.stack([digest(p.grad) for p in model.parameters()]),
        "running_mean": torch.stack([digest(norm.running_mean) for norm in norms(model).values()]),
        "running_variance": torch.stack([digest(norm.running_var) for norm in norms(model).values()]),
    }
    with torch.no_grad():
        stored["evaluation_logits"] = model.eval()(x)
    description = dict(
        **case,
        classes=CLASSES,
        labels=labels.tolist(),
        label_smoothing=LABEL_SMOOTHING,
        parameters=formulas(model),
        norms=list(norms(model)),
    )
    return stored, description


def check_posed(case, reference):
    """A golden must be one that float32 can reach."""
    single, _ = step(case, torch.float32)
    scale = reference["gradients"][:, :1]
    error = ((single["gradients"] - reference["gradients"]) / scale).abs().max().item()
    assert error < 5e-5, f"{case['name']}: float32 gradients are {error:.1e} away"
    error = (single["logits"] - reference["logits"]).abs().max().item()
    assert error < 1e-5, f"{case['name']}: float32 logits are {error:.1e} away"


def write_steps():
    for case in CASES:
        stored, description = step(case, torch.float64)
        check_posed(case, stored)
        save(HERE / f"{case['name']}.safetensors", stored, [description])


def write_interchange():
    name, architecture = "resnet8-torch", dict(depth=8, stem="Cifar", variant="B", width=4)
    model = fill_parameters(ResNet(**architecture, classes=CLASSES)).eval()
    with torch.no_grad():
        for norm_name, norm in norms(model).items():
            norm.running_mean.copy_(fill(f"{norm_name}.running_mean", norm.running_mean.shape, gain=0.1))
            norm.running_var.copy_(fill(f"{norm_name}.running_var", norm.running_var.shape, offset=1.0, gain=0.5))
            norm.num_batches_tracked.fill_(7)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    batch = dict(tag=f"{name}/images", shape=[2, 16, 16, 3])
    case = dict(name=name, architecture=architecture, classes=CLASSES, images=batch)
    with torch.no_grad():
        case["logits"] = model.double()(images(case)).tolist()
    save(HERE / f"{name}.safetensors", state, [case])


LIBRARIES = [
    *((f"torchvision resnet{depth}", dict(depth=depth, variant="B")) for depth in (18, 34, 50, 101, 152)),
    *((f"timm resnet{depth}c", dict(depth=depth, variant="C")) for depth in (50, 101)),
    *((f"timm resnet{depth}d", dict(depth=depth, variant="D")) for depth in (18, 34, 50, 101, 152)),
]


def library_model(name):
    library, model = name.split()
    return getattr(torchvision.models, model)() if library == "torchvision" else timm.create_model(model)


def check_library(name, architecture):
    """Same names, same shapes, and same logits in training and evaluation as the library's network."""
    ours = fill_parameters(ResNet(**architecture).double())
    theirs = library_model(name).double()
    theirs.load_state_dict(ours.state_dict())
    x = map_to_torch(fill("check", (2, 64, 96, 3)))
    for mode in (True, False):
        with torch.no_grad():
            assert torch.allclose(ours.train(mode)(x), theirs.train(mode)(x), rtol=1e-9, atol=1e-9), name


def count(model, size):
    macs = 0

    def add(module, _, output):
        nonlocal macs
        macs += output.numel() * module.weight[0].numel()

    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(add)
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, size, size))
    return dict(parameters=sum(p.numel() for p in model.parameters()), macs=macs)


def network(name, model, architecture, classes=1000, size=224):
    full = dict(dict(stem="ImageNet", variant="B"), **architecture)
    return dict(name=name, architecture=full, classes=classes, size=size, **count(model, size))


def write_counts():
    networks = [network(name, library_model(name), architecture) for name, architecture in LIBRARIES]
    variant_a = dict(depth=50, variant="A")
    networks.append(network("resnet50 variant A", ResNet(**variant_a), variant_a))
    for depth in (20, 32, 44, 56, 110):
        architecture = dict(depth=depth, stem="Cifar")
        model = ResNet(**architecture, classes=10)
        networks.append(network(f"resnet{depth} for CIFAR-10", model, architecture, 10, 32))
    text = json.dumps(dict(versions=versions(), networks=networks), indent=1)
    (HERE / "counts.json").write_text(text + "\n")


if __name__ == "__main__":
    for name, architecture in LIBRARIES:
        check_library(name, architecture)
    write_steps()
    write_interchange()
    write_counts()
