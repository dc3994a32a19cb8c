"""Computes torchvision.txt: what Pillow and torchvision make of a formula's image.

    python3 generate.py > torchvision.txt

A line holds an operation, the input's height, width and channels, the operation's numbers, and
the result's pixels in hexadecimal (rows from the top, channels last).
"""

import numpy
import PIL
import torchvision
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

CASES = [
    # resize: height, width
    ("resize", (8, 8, 1), (5, 5)),
    ("resize", (8, 8, 1), (13, 13)),
    ("resize", (37, 53, 3), (16, 16)),
    ("resize", (37, 53, 3), (12, 40)),
    ("resize", (5, 4, 3), (17, 23)),
    ("resize", (200, 150, 3), (7, 9)),
    ("resize", (28, 28, 1), (28, 14)),
    # fit: short side, side of the centre
    ("fit", (37, 53, 3), (16, 14)),
    ("fit", (53, 37, 3), (16, 14)),
    ("fit", (40, 61, 3), (20, 17)),
    ("fit", (61, 40, 1), (21, 18)),
    ("fit", (18, 18, 3), (18, 18)),
    ("fit", (9, 11, 3), (20, 20)),
    # resized_crop: top, left, height, width of the window; height, width of the result
    ("resized_crop", (37, 53, 3), (3, 7, 20, 31, 12, 12)),
    ("resized_crop", (37, 53, 3), (0, 0, 5, 4, 12, 12)),
    ("resized_crop", (28, 28, 1), (10, 9, 18, 19, 14, 14)),
    # flip
    ("flip", (5, 7, 3), ()),
    ("flip", (4, 6, 1), ()),
    # pad_crop: padding, top, left of the window in the padded image
    ("pad_crop", (6, 5, 3), (4, 0, 8)),
    ("pad_crop", (6, 5, 3), (2, 2, 2)),
    ("pad_crop", (5, 6, 1), (3, 5, 1)),
    ("pad_crop", (4, 4, 1), (4, 8, 8)),
    # reflect_pad_crop: the same
    ("reflect_pad_crop", (6, 5, 3), (2, 0, 4)),
    ("reflect_pad_crop", (5, 6, 1), (4, 8, 1)),
    ("reflect_pad_crop", (1, 3, 1), (0, 0, 0)),
]


def formula(height, width, channels):
    """Smooth in places, noise in others; `tests/goldens.rs` computes the same."""
    y, x, c = numpy.indices((height, width, channels))
    values = (y * x * (c + 1) + 13 * y + 7 * x + 50 * c) % 256
    return values.astype(numpy.uint8)


def apply(operation, image, numbers):
    bilinear = {"interpolation": InterpolationMode.BILINEAR, "antialias": True}
    if operation == "resize":
        return F.resize(image, list(numbers), **bilinear)
    if operation == "fit":
        short, size = numbers
        return F.center_crop(F.resize(image, short, **bilinear), [size, size])
    if operation == "resized_crop":
        return F.resized_crop(image, *numbers[:4], list(numbers[4:]), **bilinear)
    if operation == "flip":
        return F.hflip(image)
    padding, top, left = numbers
    mode = "reflect" if operation == "reflect_pad_crop" else "constant"
    return F.crop(F.pad(image, padding, padding_mode=mode), top, left, image.height, image.width)


def main():
    print(f"# torchvision {torchvision.__version__}, Pillow {PIL.__version__}; see generate.py")
    for operation, shape, numbers in CASES:
        pixels = formula(*shape)
        image = Image.fromarray(pixels[:, :, 0] if shape[2] == 1 else pixels)
        result = numpy.asarray(apply(operation, image, numbers)).tobytes().hex()
        print(operation, *shape, *numbers, result)


if __name__ == "__main__":
    main()
