"""What the golden generators share: the formula for inputs, the two layouts, and the file.

The formula
-----------
`fill(tag, shape)` is an array of numbers in [-1, 1) that any language computes with the same bits:

    seed = FNV-1a 64 of the tag's UTF-8 bytes
    z    = seed + (i + 1) * 0x9E3779B97F4A7C15               (mod 2**64; i = 0, 1, ... row-major)
    z    = (z ^ z >> 30) * 0xBF58476D1CE4E5B9                (splitmix64's finaliser)
    z    = (z ^ z >> 27) * 0x94D049BB133111EB
    z    =  z ^ z >> 31
    u    = (z >> 40) / 2**23 - 1

The 24 bits fit into a float32, so `u` is exact. `fill(tag, shape, offset, gain)` is
`offset + gain * u`, computed in float64 and rounded to float32 once.

The layouts
-----------
Formulas and stored tensors are in Trickbag's layout, row-major: feature maps are
(batch, height, width, channels), convolution weights (kernel height, kernel width,
channels in / groups, channels out), linear weights (in, out). `*_to_torch` and `*_from_torch` permute.

The file
--------
A safetensors file. Its metadata hold `cases`, a JSON list with one object per case, and the versions of
`python`, `numpy`, `torch`, `torchvision` and `timm` that made it. Tensors are named `<case>/<tensor>`.
"""

import json
import platform
from pathlib import Path

import numpy
import safetensors.torch
import timm
import torch
import torchvision

LARGEST_FILE = 300_000


def fill(tag, shape, offset=0.0, gain=1.0):
    """Formula values in Trickbag's layout: float32 numbers in a float64 tensor."""
    seed = 0xCBF29CE484222325
    for byte in tag.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    index = numpy.arange(1, numpy.prod(shape, dtype=int) + 1, dtype=numpy.uint64)
    z = numpy.uint64(seed) + index * numpy.uint64(0x9E3779B97F4A7C15)
    z = (z ^ z >> numpy.uint64(30)) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> numpy.uint64(27)) * numpy.uint64(0x94D049BB133111EB)
    z = z ^ z >> numpy.uint64(31)
    u = (z >> numpy.uint64(40)).astype(numpy.float64) / 2**23 - 1
    values = (offset + gain * u).astype(numpy.float32).astype(numpy.float64)
    return torch.from_numpy(values).reshape(shape)


def map_to_torch(x):
    """(batch, height, width, channels) -> (batch, channels, height, width)."""
    return x.permute(0, 3, 1, 2).contiguous()


def map_from_torch(x):
    """(batch, channels, height, width) -> (batch, height, width, channels)."""
    return x.permute(0, 2, 3, 1).contiguous()


def weight_to_torch(w):
    """Convolution or linear weight to (out, in, height, width) or (out, in); vectors stay."""
    if w.dim() == 4:
        return w.permute(3, 2, 0, 1).contiguous()
    return w.t().contiguous() if w.dim() == 2 else w


def weight_from_torch(w):
    """The inverse of `weight_to_torch`."""
    if w.dim() == 4:
        return w.permute(2, 3, 1, 0).contiguous()
    return w.t().contiguous() if w.dim() == 2 else w


def versions():
    """The programs that made a golden."""
    return {
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "timm": timm.__version__,
    }


def save(path, tensors, cases, dtype=torch.float32):
    """Write a golden: floating-point tensors rounded to `dtype`, with cases and versions."""
    rounded = {
        name: tensor.detach().to(dtype if tensor.is_floating_point() else tensor.dtype).clone().contiguous()
        for name, tensor in tensors.items()
    }
    data = sort_metadata(safetensors.torch.save(rounded, {"cases": json.dumps(cases), **versions()}))
    assert len(data) < LARGEST_FILE, f"{path} has {len(data)} bytes"
    Path(path).write_bytes(data)
    print(f"{Path(path).name}: {len(cases)} cases, {len(tensors)} tensors, {len(data)} bytes")


def sort_metadata(data):
    """The same safetensors file with its metadata in order, so that a second run makes the same bytes."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]
