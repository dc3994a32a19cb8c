"""Goldens of the networks, beside this file.

    python crates/models/tests/goldens/generate.py

ResNets are those of `bench/pytorch/resnet.py`, which this program first holds against torchvision and timm.
MobileNet-V1, squeeze and excitation and blur pooling are timm's, Inception-V3 is torchvision's, and the others are in
`networks.py`. The formula `fill`, the layouts and the file format are described in `bench/pytorch/golden.py`.

<case>.safetensors, one for each of `CASES`
    One training step without the update, in float64, stored in float32. One case per file, its tensors named
    without a prefix.

    case:   name; architecture (as a recipe says it, so variants C and D have the deep stem); extras, where there are
            some; classes; labels; label_smoothing; images (tag, shape): fill(tag, shape);
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

whitening.safetensors
    The filter that airbench94 starts from, in float64, with the largest value of each eigenvector positive.

    case:   name, images (tag, shape)
    stored: filter (2, 2, channels, 8 channels)

counts.json
    versions, and networks: list of {name, architecture, extras, classes, size (of the square image), parameters,
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
from timm.models import resnet as timm_resnet
from timm.models.efficientnet import _gen_mobilenet_v1
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "bench" / "pytorch"))
from golden import fill, map_to_torch, save, versions, weight_from_torch, weight_to_torch  # noqa: E402
from networks import Airbench94, ResNet9, WideResNet, whitening_filter  # noqa: E402
from resnet import Basic, Bottleneck, ResNet  # noqa: E402

CLASSES = 5
LABEL_SMOOTHING = 0.1


def case(name, size, images, architecture, model, extras=None):
    """`images` numbers a batch that puts no ReLU and no maximum so near a tie that float32 takes the other side."""
    description = dict(name=name, architecture=architecture, extras=extras or {})
    description["images"] = dict(tag=f"{name}/images/{images}", shape=[4, size, size, 3])
    return description, model


def resnet(name, size, images, depth, stem="ImageNet", variant="B"):
    architecture = dict(depth=depth, stem=stem, variant=variant, width=8)
    return case(name, size, images, dict(ResNet=architecture), lambda: ResNet(**architecture, classes=CLASSES))


def tweaked(name, images, tweaks, **same):
    """A ResNet-50-A with tweaks, and what is the same network."""
    architecture = dict(depth=50, stem="ImageNet", variant="A", width=8)
    model = lambda: ResNet(depth=50, width=8, classes=CLASSES, **same)  # noqa: E731
    return case(name, 48, images, dict(ResNet=architecture), model, dict(tweaks=tweaks))


def timm_d(name, images, depth, extras, **settings):
    """A ResNet-D of timm with a width of 8."""
    block, layers = {
        18: (timm_resnet.BasicBlock, (2, 2, 2, 2)),
        50: (timm_resnet.Bottleneck, (3, 4, 6, 3)),
    }[depth]
    narrow = dict(stem_type="deep", stem_width=4, channels=(8, 16, 32, 64), num_classes=CLASSES)
    model = lambda: timm_resnet.ResNet(block, layers, avg_down=True, **narrow, **settings)  # noqa: E731
    return case(name, 48, images, dict(ResNet=dict(depth=depth, variant="D", width=8)), model, extras)


def inception_v3(classes):
    return torchvision.models.inception_v3(
        weights=None, aux_logits=False, init_weights=False, dropout=0.0, num_classes=classes
    )


def mobilenet_v1(width, classes):
    return _gen_mobilenet_v1("mobilenetv1_100", width, act_layer="relu", num_classes=classes)


SE = dict(squeeze_excite=dict(reduction=16))
BLUR = dict(blur_pool="On")

# At 48 pixels the feature maps have odd sizes, and the last stage still has 16 pixels to normalise over.
CASES = [
    resnet("resnet8", 16, 3, depth=8, stem="Cifar"),
    resnet("resnet18-cifar-stem", 16, 1, depth=18, stem="Cifar"),
    resnet("resnet18-b", 48, 2, depth=18),
    resnet("resnet18-d", 48, 2, depth=18, variant="D"),
    resnet("resnet50-a", 48, 1, depth=50, variant="A"),
    resnet("resnet50-b", 48, 3, depth=50, variant="B"),
    resnet("resnet50-c", 48, 10, depth=50, variant="C"),
    resnet("resnet50-d", 48, 11, depth=50, variant="D"),
    tweaked("resnet50-a-bcd", 1, ["D", "B", "C"], variant="D"),
    tweaked("resnet50-a-c", 1, ["C"], stem="Deep", variant="A"),
    timm_d("seresnet18-d", 1, 18, SE, block_args=dict(attn_layer="se")),
    timm_d("seresnet50-d", 1, 50, SE, block_args=dict(attn_layer="se")),
    timm_d("resnetblur18-d", 1, 18, BLUR, aa_layer=timm_resnet.BlurPool2d),
    timm_d("resnetblur50-d", 1, 50, BLUR, aa_layer=timm_resnet.BlurPool2d),
    case("wrn16-2", 16, 2, dict(WideResNet=dict(depth=16, widen=2)), lambda: WideResNet(16, 2, CLASSES)),
    case("wrn10-1", 16, 1, dict(WideResNet=dict(depth=10, widen=1)), lambda: WideResNet(10, 1, CLASSES)),
    case("resnet9", 32, 1, dict(ResNet9=dict(width=8)), lambda: ResNet9(8, CLASSES)),
    case("mobilenet-v1", 64, 1, dict(MobileNetV1=dict(width=0.25)), lambda: mobilenet_v1(0.25, CLASSES)),
    case("inception-v3", 107, 2, dict(InceptionV3={}), lambda: inception_v3(CLASSES)),
    case("airbench94", 32, 1, dict(Airbench94=dict(width=8)), lambda: Airbench94(8, CLASSES)),
]


def formulas(model):
    """How the formula makes each parameter: {name, shape, offset, gain}."""
    last_norms = {id(norm.weight) for norm in map(last_norm, model.modules()) if norm is not None}
    return [
        dict(name=name, shape=list(weight_from_torch(p).shape), **moments(name, p, id(p) in last_norms, calm(model)))
        for name, p in trained(model).items()
    ]


def trained(model):
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def last_norm(block):
    """The norm at the end of a residual branch."""
    if isinstance(block, (Basic, Bottleneck)):
        return block.last_norm()
    if isinstance(block, (timm_resnet.BasicBlock, timm_resnet.Bottleneck)):
        return block.bn2 if isinstance(block, timm_resnet.BasicBlock) else block.bn3
    return None


def calm(model):
    """Deep networks without shortcuts: few of their values may lie near a ReLU's kink."""
    return isinstance(model, (torchvision.models.Inception3, timm.models.efficientnet.EfficientNet))


def moments(name, parameter, last_norm, calm):
    """Kaiming's variance for weights, and residual branches so weak that float32 can follow fifty layers."""
    if parameter.dim() > 1:
        return dict(offset=0.0, gain=math.sqrt(6 / parameter[0].numel()))
    if name.endswith("bias"):
        return dict(offset=0.5 if calm else 0.0, gain=0.1)
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


def step(case, model, dtype):
    """One step in `dtype`: what the file stores."""
    model = fill_parameters(model().double()).to(dtype).train()
    x = images(case).to(dtype)
    labels = torch.arange(len(x)) % CLASSES
    logits = model(x)
    loss = F.cross_entropy(logits, labels, label_smoothing=LABEL_SMOOTHING)
    loss.backward()
    stored = {
        "logits": logits,
        "loss": loss,
        "gradients": torch.stack([digest(p.grad) for p in trained(model).values()]),
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


def check_posed(case, model, reference):
    """A golden must be one that float32 can reach."""
    single, _ = step(case, model, torch.float32)
    scale = reference["gradients"][:, :1]
    error = ((single["gradients"] - reference["gradients"]) / scale).abs().max().item()
    assert error < 5e-5, f"{case['name']}: float32 gradients are {error:.1e} away"
    error = (single["logits"] - reference["logits"]).abs().max().item()
    assert error < 3e-5, f"{case['name']}: float32 logits are {error:.1e} away"


def write_steps():
    for case, model in CASES:
        stored, description = step(case, model, torch.float64)
        check_posed(case, model, stored)
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
    case = dict(name=name, architecture=dict(ResNet=architecture), classes=CLASSES, images=batch)
    with torch.no_grad():
        case["logits"] = model.double()(images(case)).tolist()
    save(HERE / f"{name}.safetensors", state, [case])


def write_whitening():
    case = dict(name="whitening", images=dict(tag="whitening/images", shape=[3, 6, 7, 3]))
    # Noise of equal strength in all directions has no certain eigenvectors; a ramp over the axes has.
    images_ = images(case) * torch.linspace(0.5, 1.5, 3, dtype=torch.float64)[:, None, None]
    save(HERE / "whitening.safetensors", {"filter": weight_from_torch(whitening_filter(images_))}, [case])


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
    return dict(parameters=sum(p.numel() for p in trained(model).values()), macs=macs)


def network(name, model, architecture, classes=1000, size=224, extras=None):
    if "ResNet" in architecture:
        architecture = dict(ResNet=dict(dict(stem="ImageNet", variant="B"), **architecture["ResNet"]))
    return dict(
        name=name, architecture=architecture, extras=extras or {}, classes=classes, size=size, **count(model, size)
    )


def write_counts():
    networks = [network(name, library_model(name), dict(ResNet=architecture)) for name, architecture in LIBRARIES]
    variant_a = dict(depth=50, variant="A")
    networks.append(network("resnet50 variant A", ResNet(**variant_a), dict(ResNet=variant_a)))
    for depth in (20, 32, 44, 56, 110):
        architecture = dict(depth=depth, stem="Cifar")
        model = ResNet(**architecture, classes=10)
        networks.append(network(f"resnet{depth} for CIFAR-10", model, dict(ResNet=architecture), 10, 32))
    for name, depth, extras in (
        ("timm seresnet18", 18, SE),
        ("timm seresnet50", 50, SE),
        ("timm resnetblur18", 18, BLUR),
        ("timm resnetblur50", 50, BLUR),
    ):
        networks.append(network(name, library_model(name), dict(ResNet=dict(depth=depth)), extras=extras))
    for width in (1.0, 0.75, 0.5, 0.25):
        architecture = dict(MobileNetV1=dict(width=width))
        networks.append(network(f"timm mobilenetv1 x {width}", mobilenet_v1(width, 1000), architecture))
    networks += [
        network("torchvision inception_v3", inception_v3(1000), dict(InceptionV3={}), size=299),
        network("WRN-28-10", WideResNet(28, 10), dict(WideResNet=dict(depth=28, widen=10)), 10, 32),
        network("WRN-40-4", WideResNet(40, 4), dict(WideResNet=dict(depth=40, widen=4)), 10, 32),
        network("ResNet-9", ResNet9(), dict(ResNet9={}), 10, 32),
        network("airbench94", Airbench94(), dict(Airbench94={}), 10, 32),
    ]
    text = json.dumps(dict(versions=versions(), networks=networks), indent=1)
    (HERE / "counts.json").write_text(text + "\n")


if __name__ == "__main__":
    for name, architecture in LIBRARIES:
        check_library(name, architecture)
    write_steps()
    write_interchange()
    write_whitening()
    write_counts()
