"""Goldens of the image operators: `conv`, `norm`, `pool`, `linear` and `map.safetensors`, beside this file.

    python crates/ops/tests/goldens/generate.py

References are computed by PyTorch in float64 and stored in float32. The formula `fill`, the layouts and the
file format are described in `bench/pytorch/golden.py`. Inputs are not stored: tensor `x` of case `c` is
`fill("c/x")`, and so on. `dy` is the gradient that flows into the output; `d<name>` is the resulting
gradient of input `<name>`.

conv.safetensors
    case:   name, x (batch, height, width, channels), w (kernel height, kernel width, channels in / groups,
            channels out), stride, padding, dilation (each [height, width]), groups
    inputs: x, w, dy = fill
    stored: y, dx, dw

norm.safetensors (batch norm, eps 1e-5, momentum 0.1, then `+ residual`, then ReLU, where the case has them)
    case:   name, mode "training" or "evaluation", x (shape), x_offset, residual (bool), relu (bool)
    inputs: x = fill(offset x_offset, gain 1); residual, dy = fill; scale, running_variance = fill(offset 1,
            gain 0.5); shift, running_mean = fill(offset 0, gain 0.5)
    stored: y, dx, dscale, dshift, and dresidual where the case has a residual; in training also
            batch_mean, batch_variance (biased), and running_mean, running_variance after the update
            (unbiased variance goes into it)

pool.safetensors
    case:   name, kind "max", "average" or "global_average", x (shape), relu (bool: x = max(fill, 0), which makes
            ties), and unless global: kernel, stride, padding (each [height, width]), ceil_mode,
            count_include_pad (average only)
    inputs: x, dy = fill
    stored: y, dx. A tie in a max window goes to the first maximum in row-major order.
            y and dy of a global average are (batch, channels).

linear.safetensors
    case:   name, x (batch, in), w (in, out)
    inputs: x, w, b, dy = fill
    stored: y = x w + b, dx, dw, db

map.safetensors
    case:   name, kind "relu", "gelu", "silu", "sigmoid" (each of every number), "blur" (timm's BlurPool2d), "scale"
            (x times factors, one for each image and channel) or "concat" (x, then more, along the channels),
            x (shape)
    inputs: x = fill(gain 4); factors (batch, channels), more (as x), dy = fill
    stored: y, dx; dfactors of scale; dmore of concat
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from timm.layers import BlurPool2d

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "bench" / "pytorch"))
from golden import fill, map_from_torch, map_to_torch, save, weight_from_torch, weight_to_torch  # noqa: E402

# A ReLU input nearer to zero than this could fall on the other side in float32.
KINK = 1e-4


def pair(size):
    """A size of a window as [height, width]."""
    return size if isinstance(size, list) else [size, size]


def conv_case(name, x, w, stride=1, padding=0, dilation=1, groups=1):
    window = dict(stride=pair(stride), padding=pair(padding), dilation=pair(dilation))
    return dict(name=name, x=x, w=w, **window, groups=groups)


CONV = [
    conv_case("1x1", [2, 5, 7, 6], [1, 1, 6, 10]),
    conv_case("1x1-stride2", [2, 6, 5, 8], [1, 1, 8, 16], stride=2),
    conv_case("3x3", [2, 8, 8, 8], [3, 3, 8, 16], padding=1),
    conv_case("3x3-stride2", [2, 9, 8, 8], [3, 3, 8, 12], stride=2, padding=1),
    conv_case("3x3-valid", [1, 6, 8, 4], [3, 3, 4, 5]),
    conv_case("3x3-wide-padding", [1, 4, 5, 4], [3, 3, 4, 6], padding=2),
    conv_case("3x3-unaligned", [2, 5, 6, 5], [3, 3, 5, 7], padding=1),
    conv_case("3x3-many-channels", [1, 5, 4, 17], [3, 3, 17, 35], padding=1),
    conv_case("2x2-stride2-rest", [2, 7, 6, 3], [2, 2, 3, 4], stride=2),
    conv_case("4x4-whole-input", [3, 4, 4, 5], [4, 4, 5, 6]),
    conv_case("5x5", [1, 9, 8, 3], [5, 5, 3, 4], padding=2),
    conv_case("5x5-stride2", [2, 10, 11, 3], [5, 5, 3, 6], stride=2, padding=2),
    conv_case("7x7-stem", [1, 16, 15, 3], [7, 7, 3, 8], stride=2, padding=3),
    conv_case("dilation2", [1, 9, 10, 4], [3, 3, 4, 6], padding=2, dilation=2),
    conv_case("groups2", [2, 6, 5, 8], [3, 3, 4, 12], padding=1, groups=2),
    conv_case("depthwise", [2, 7, 6, 9], [3, 3, 1, 9], padding=1, groups=9),
    conv_case("depthwise-multiplier2", [1, 8, 7, 4], [3, 3, 1, 8], stride=2, padding=1, groups=4),
    conv_case("1x5", [2, 4, 9, 3], [1, 5, 3, 4], stride=[1, 2], padding=[0, 2]),
    conv_case("3x2", [1, 8, 6, 4], [3, 2, 4, 5], stride=[2, 1], padding=[2, 1], dilation=[2, 3]),
    conv_case("one-channel", [2, 8, 7, 1], [3, 3, 1, 4], padding=1),
]


def norm_case(name, mode, x, x_offset=0.0, residual=False, relu=False):
    return dict(name=name, mode=mode, x=x, x_offset=x_offset, residual=residual, relu=relu)


NORM = [
    norm_case("training", "training", [2, 5, 4, 8]),
    norm_case("training-relu", "training", [2, 4, 5, 8], relu=True),
    norm_case("training-residual", "training", [3, 3, 4, 6], residual=True),
    norm_case("training-residual-relu", "training", [2, 4, 4, 9], residual=True, relu=True),
    norm_case("training-many-channels", "training", [2, 3, 2, 35], relu=True),
    norm_case("training-one-pixel", "training", [6, 1, 1, 5]),
    norm_case("training-large-mean", "training", [2, 8, 8, 4], x_offset=1000.0),
    norm_case("evaluation", "evaluation", [2, 5, 4, 8]),
    norm_case("evaluation-residual-relu", "evaluation", [2, 4, 4, 9], residual=True, relu=True),
    norm_case("evaluation-relu", "evaluation", [1, 3, 4, 17], relu=True),
]


def pool_case(name, kind, x, kernel, stride, padding=0, relu=False, ceil_mode=False, **average):
    window = dict(kernel=pair(kernel), stride=pair(stride), padding=pair(padding))
    return dict(name=name, kind=kind, x=x, relu=relu, **window, ceil_mode=ceil_mode, **average)


POOL = [
    pool_case("max-3x3-stride2", "max", [2, 8, 9, 5], 3, 2, padding=1),
    pool_case("max-2x2-stride2", "max", [2, 7, 6, 4], 2, 2),
    pool_case("max-3x3-stride2-ties", "max", [2, 8, 8, 6], 3, 2, padding=1, relu=True),
    pool_case("max-3x3-stride1-many-channels", "max", [1, 4, 5, 19], 3, 1, padding=1),
    pool_case("max-3x2", "max", [1, 7, 6, 3], [3, 2], [2, 1], padding=[1, 0]),
    pool_case("average-2x2-ceil", "average", [2, 5, 7, 6], 2, 2, ceil_mode=True, count_include_pad=False),
    pool_case("average-2x2", "average", [2, 6, 4, 8], 2, 2, ceil_mode=True, count_include_pad=False),
    pool_case("average-3x3-with-padding", "average", [2, 6, 5, 5], 3, 1, padding=1, count_include_pad=True),
    pool_case("average-3x3-without-padding", "average", [1, 7, 6, 3], 3, 2, padding=1, count_include_pad=False),
    dict(name="global", kind="global_average", x=[3, 4, 5, 7], relu=False),
    dict(name="global-many-channels", kind="global_average", x=[2, 7, 7, 33], relu=False),
]

LINEAR = [
    dict(name="small", x=[4, 12], w=[12, 5]),
    dict(name="unaligned", x=[3, 37], w=[37, 19]),
    dict(name="one-row", x=[1, 16], w=[16, 10]),
]

MAP = [
    dict(name="relu", kind="relu", x=[2, 3, 4, 5]),
    dict(name="gelu", kind="gelu", x=[2, 5, 4, 6]),
    dict(name="silu", kind="silu", x=[2, 5, 4, 6]),
    dict(name="sigmoid", kind="sigmoid", x=[2, 5, 4, 6]),
    dict(name="blur-even", kind="blur", x=[2, 6, 4, 5]),
    dict(name="blur-odd", kind="blur", x=[2, 5, 7, 3]),
    dict(name="blur-smallest", kind="blur", x=[1, 2, 3, 4]),
    dict(name="scale", kind="scale", x=[3, 4, 2, 5]),
    dict(name="concat", kind="concat", x=[2, 3, 2, 5]),
]


def leaf(tensor):
    return tensor.clone().requires_grad_()


def conv(case):
    name = case["name"]
    x = leaf(map_to_torch(fill(f"{name}/x", case["x"])))
    w = leaf(weight_to_torch(fill(f"{name}/w", case["w"])))
    y = F.conv2d(x, w, None, case["stride"], case["padding"], case["dilation"], case["groups"])
    backward_map(name, y)
    return {"y": map_from_torch(y), "dx": map_from_torch(x.grad), "dw": weight_from_torch(w.grad)}


def norm(case):
    name, shape, training = case["name"], case["x"], case["mode"] == "training"
    channels = shape[3:]
    x = leaf(map_to_torch(fill(f"{name}/x", shape, offset=case["x_offset"])))
    scale = leaf(fill(f"{name}/scale", channels, offset=1.0, gain=0.5))
    shift = leaf(fill(f"{name}/shift", channels, gain=0.5))
    residual = leaf(map_to_torch(fill(f"{name}/residual", shape)))
    running_mean = fill(f"{name}/running_mean", channels, gain=0.5)
    running_variance = fill(f"{name}/running_variance", channels, offset=1.0, gain=0.5)

    y = F.batch_norm(x, running_mean, running_variance, scale, shift, training, momentum=0.1, eps=1e-5)
    if case["residual"]:
        y = y + residual
    if case["relu"]:
        assert y.abs().min() > KINK, f"{name}: a ReLU input is {y.abs().min():.1e}"
        y = F.relu(y)
    backward_map(name, y)

    stored = {"y": map_from_torch(y), "dx": map_from_torch(x.grad), "dscale": scale.grad, "dshift": shift.grad}
    if case["residual"]:
        stored["dresidual"] = map_from_torch(residual.grad)
    if training:
        variance, mean = torch.var_mean(x, dim=(0, 2, 3), correction=0)
        stored |= {"batch_mean": mean, "batch_variance": variance}
        stored |= {"running_mean": running_mean, "running_variance": running_variance}
    return stored


def pool(case):
    name = case["name"]
    values = fill(f"{name}/x", case["x"])
    x = leaf(map_to_torch(values.relu() if case["relu"] else values))
    if case["kind"] == "global_average":
        y = x.mean(dim=(2, 3))
        y.backward(fill(f"{name}/dy", y.shape))
        return {"y": y, "dx": map_from_torch(x.grad)}
    window = {"kernel_size": case["kernel"]} | {key: case[key] for key in ("stride", "padding", "ceil_mode")}
    if case["kind"] == "max":
        y = F.max_pool2d(x, **window)
    else:
        y = F.avg_pool2d(x, **window, count_include_pad=case["count_include_pad"])
    backward_map(name, y)
    return {"y": map_from_torch(y), "dx": map_from_torch(x.grad)}


def linear(case):
    name = case["name"]
    x = leaf(fill(f"{name}/x", case["x"]))
    w = leaf(weight_to_torch(fill(f"{name}/w", case["w"])))
    b = leaf(fill(f"{name}/b", case["w"][1:]))
    y = F.linear(x, w, b)
    y.backward(fill(f"{name}/dy", y.shape))
    return {"y": y, "dx": x.grad, "dw": weight_from_torch(w.grad), "db": b.grad}


def map_(case):
    name, kind, shape = case["name"], case["kind"], case["x"]
    inputs = {"x": leaf(map_to_torch(fill(f"{name}/x", shape, gain=4.0)))}
    if kind == "scale":
        inputs["factors"] = leaf(fill(f"{name}/factors", [shape[0], shape[3]]))
        y = inputs["x"] * inputs["factors"][:, :, None, None]
    elif kind == "concat":
        inputs["more"] = leaf(map_to_torch(fill(f"{name}/more", shape)))
        y = torch.cat((inputs["x"], inputs["more"]), 1)
    elif kind == "blur":
        y = BlurPool2d(shape[3]).double()(inputs["x"])
    else:
        y = getattr(F, kind)(inputs["x"])
    backward_map(name, y)
    gradients = {f"d{key}": x.grad if x.dim() == 2 else map_from_torch(x.grad) for key, x in inputs.items()}
    return {"y": map_from_torch(y), **gradients}


def backward_map(name, y):
    """Run backward from the feature map `y` with the formula's `dy`."""
    batch, channels, height, width = y.shape
    y.backward(map_to_torch(fill(f"{name}/dy", (batch, height, width, channels))))


def write(file, cases, operator):
    tensors = {f"{case['name']}/{key}": value for case in cases for key, value in operator(case).items()}
    save(HERE / f"{file}.safetensors", tensors, cases)


if __name__ == "__main__":
    write("conv", CONV, conv)
    write("norm", NORM, norm)
    write("pool", POOL, pool)
    write("linear", LINEAR, linear)
    write("map", MAP, map_)
