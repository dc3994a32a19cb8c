"""Computes operations.txt: what torchvision's operations make of a formula's image.

    python3 operations.py > operations.txt

A line holds the input's height, width and channels, the interpolation, the operation as RON, and
the result's pixels in hexadecimal (rows from the top, channels last). With image files as
arguments, each line is for a 96 x 80 piece of a file and ends with the input's pixels, and every
strength of TrivialAugment is among the operations; the example `operations` reads such lines.
"""

import sys

import numpy
import PIL
import torch
import torchvision
from PIL import Image
from torchvision.transforms import InterpolationMode, TrivialAugmentWide
from torchvision.transforms import functional as F
from torchvision.transforms.autoaugment import _apply_op

SMALL = (12, 9, 3)
LARGE = (24, 19, 3)
GREY = (30, 40, 1)

CASES = [
    (SMALL, "ShearX", 0.3),
    (SMALL, "ShearX", -0.99),
    (SMALL, "ShearY", 0.17),
    (GREY, "ShearY", -0.3),
    (SMALL, "TranslateX", 4),
    (SMALL, "TranslateX", -3),
    (SMALL, "TranslateY", 5),
    (SMALL, "TranslateY", -20),
    (LARGE, "Rotate", 30.0),
    (SMALL, "Rotate", -11.0),
    (SMALL, "Rotate", 90.0),
    ((10, 10, 3), "Rotate", 90.0),
    (SMALL, "Rotate", -135.0),
    (GREY, "Rotate", 4.5),
    (SMALL, "Brightness", 0.1),
    (SMALL, "Brightness", 1.9),
    (SMALL, "Color", 0.01),
    (SMALL, "Color", 1.99),
    (GREY, "Color", 1.5),
    (SMALL, "Contrast", 0.37),
    (SMALL, "Contrast", 1.9),
    (GREY, "Contrast", 1.6),
    (SMALL, "Sharpness", 0.1),
    (SMALL, "Sharpness", 1.9),
    ((2, 9, 3), "Sharpness", 0.1),
    (GREY, "Sharpness", 1.4),
    (SMALL, "Posterize", 2),
    (SMALL, "Posterize", 7),
    (SMALL, "Solarize", 102.0),
    (SMALL, "Solarize", 93.5),
    (SMALL, "AutoContrast", None),
    (GREY, "AutoContrast", None),
    (LARGE, "Equalize", None),
    (SMALL, "Equalize", None),
    (GREY, "Equalize", None),
    (SMALL, "Invert", None),
    (SMALL, "Hue", 0.1),
    (SMALL, "Hue", -0.37),
    (SMALL, "Hue", 0.5),
    (GREY, "Hue", 0.2),
]
BILINEAR = [
    (SMALL, "ShearX", 0.13),
    (SMALL, "ShearY", -0.3),
    (SMALL, "Rotate", 7.0),
    (GREY, "Rotate", -30.0),
]
WHOLE = {"TranslateX", "TranslateY", "Posterize"}
FACTORS = {"Brightness", "Color", "Contrast", "Sharpness"}


def formula(height, width, channels):
    """Smooth in places, noise in others, in the middle grey levels."""
    y, x, c = numpy.indices((height, width, channels))
    values = (y * x * (c + 1) + 13 * y + 7 * x + 50 * c) % 256 // 2 + 40
    return values.astype(numpy.uint8)


def to_image(pixels):
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def apply(name, value, image, interpolation):
    if name == "Hue":
        return F.adjust_hue(image, value)
    magnitude = value - 1.0 if name in FACTORS else value
    return _apply_op(image, name, magnitude, interpolation, None)


def line(shape, name, value, interpolation, pixels):
    image = to_image(pixels)
    mode = InterpolationMode.BILINEAR if interpolation == "Bilinear" else InterpolationMode.NEAREST
    result = numpy.asarray(apply(name, value, image, mode)).tobytes().hex()
    ron = "Saturation" if name == "Color" else name
    ron = ron if value is None else f"{ron}({value})"
    return f"{' '.join(map(str, shape))} {interpolation} {ron} {result}"


def mixture():
    """Two copies, changed by one operation and by two, as AugMix adds them up."""
    pixels = formula(*SMALL)
    mix = torch.tensor(0.25) * torch.from_numpy(pixels.copy())
    for weight, chain in [(0.45, [("Rotate", 12.0)]), (0.3, [("ShearX", 0.1), ("Equalize", None)])]:
        image = to_image(pixels)
        for name, value in chain:
            image = apply(name, value, image, InterpolationMode.BILINEAR)
        mix.add_(torch.tensor(weight) * torch.from_numpy(numpy.asarray(image).copy()))
    return mix.to(torch.uint8).numpy().tobytes().hex()


def jitter():
    """ColorJitter with its four functions in one of their orders."""
    image = to_image(formula(*SMALL))
    for name, value in [("Contrast", 1.3), ("Hue", -0.08), ("Brightness", 0.7), ("Color", 1.2)]:
        image = apply(name, value, image, InterpolationMode.NEAREST)
    return numpy.asarray(image).tobytes().hex()


def erased():
    """A rectangle of a normalised image; each number as the bytes of a little-endian float."""
    tensor = F.normalize(F.to_tensor(to_image(formula(*SMALL))), [0.5, 0.4, 0.3], [0.2, 0.25, 0.5])
    tensor = F.erase(tensor, 2, 3, 9, 4, torch.tensor([0.0])[:, None, None])
    return tensor.permute(1, 2, 0).contiguous().numpy().tobytes().hex()


def strengths():
    """Every bin of TrivialAugment in both directions, as the operation takes it."""
    for name, (values, signed) in TrivialAugmentWide()._augmentation_space(31).items():
        if values.ndim == 0:
            continue
        for value in values.tolist():
            for magnitude in [value, -value] if signed else [value]:
                whole = int(magnitude) if name in WHOLE else magnitude
                yield SMALL, name, 1.0 + magnitude if name in FACTORS else whole


def real(path):
    """The middle of the file."""
    image = Image.open(path).convert("RGB")
    piece = numpy.asarray(F.center_crop(image, [96, 80]))
    grey = numpy.asarray(Image.fromarray(piece).convert("L"))[:, :, None]
    for cases, interpolation in [([*CASES, *strengths()], "Nearest"), (BILINEAR, "Bilinear")]:
        for shape, name, value in cases:
            pixels = piece if shape[2] == 3 else grey
            print(line(pixels.shape, name, value, interpolation, pixels), pixels.tobytes().hex())


def main():
    print(f"# torchvision {torchvision.__version__}, Pillow {PIL.__version__}; see operations.py")
    for path in sys.argv[1:]:
        real(path)
    if sys.argv[1:]:
        return
    for shape, name, value in CASES:
        print(line(shape, name, value, "Nearest", formula(*shape)))
    for shape, name, value in BILINEAR:
        print(line(shape, name, value, "Bilinear", formula(*shape)))
    print("mixture", mixture())
    print("jitter", jitter())
    print("erased", erased())


if __name__ == "__main__":
    main()
